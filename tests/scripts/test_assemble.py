import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from qless_py import package
from qless_py.scripts import assemble

NEW_LINE = "\n"
JOB = """\
local count = require("lib.count")
local job = {}
function job.add()
  count.ed[1] = count.ed[1] + 1
end
return job
"""
QUEUE = """\
local job = require("lib.job")
local count = require("lib.count")
local queue = {}
function queue.add()
  job.add()
  count.ed[1] = count.ed[1] + 10
end
return queue
"""


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root.joinpath(*name.split("__")).with_suffix(".lua")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def run(script: assemble.Script) -> str:
    """Run the script in plain Lua, without Redis; return its output."""
    interpreter = shutil.which("lua5.1")
    assert interpreter, "lua5.1 is missing (Debian: lua5.1)"
    text = f'KEYS = {{ "{{ql}}" }}\n{script.text.partition(NEW_LINE)[2]}'
    done = subprocess.run(
        [interpreter, "-"], input=text, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_module_is_one_table_for_everything_that_requires_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        lib__count="local count = {}\ncount.ed = { 0 }\nreturn count\n",
        lib__job=JOB,
        lib__queue=QUEUE,
        pop="""\
-- Flags: allow-oom
local queue = require("lib.queue")
local count = require("lib.count")
queue.add()
print(count.ed[1])
""",
    )

    assert run(assemble.assemble(tmp_path, "pop")) == "11\n"


def test_unreachable_functions_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        lib__used="""\
local used = {}
local function helper()
  return "reached"
end
function used.one()
  return helper()
end
function used.other()
  return "not reached"
end
return used
""",
        read__job='local used = require("lib.used")\nprint(used.one())\n',
    )

    script = assemble.assemble(tmp_path, "read/job")

    assert run(script) == "reached\n"
    assert "not reached" not in script.text


def test_what_only_a_late_module_reaches_is_created_when_that_is_required(tmp_path: Path) -> None:
    write(
        tmp_path,
        lib__used="""\
local used = {}
local word = "early"
local ending = "!"
function used.one()
  return word
end
local function both()
  return word .. ending
end
function used.other()
  return both()
end
return used
""",
        lib__late="""\
local used = require("lib.used")
local late = { made = used.other() }
return late
""",
        read__job="""\
local used = require("lib.used")
print(used.one())
local function later()
  return require("lib.late").made
end
print(later(), later())
""",
    )

    script = assemble.assemble(tmp_path, "read/job")

    assert run(script) == "early\nearly!\tearly!\n"
    assert "  return both()" in script.text.split("lib_rests[1] = ")[1]


def test_the_flags_of_the_header_become_the_first_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        put="-- Flags: none\nreturn 1\n",
        pop="-- Flags: allow-oom\nreturn 1\n",
        read__job="return 1\n",
    )

    assembled = [assemble.assemble(tmp_path, name) for name in ("put", "pop", "read/job")]

    assert [script.text.splitlines()[0] for script in assembled] == [
        "#!lua",
        "#!lua flags=allow-oom",
        "#!lua flags=no-writes",
    ]
    assert [script.is_query for script in assembled] == [False, False, True]


def test_the_sha_is_the_one_the_server_will_compute(tmp_path: Path) -> None:
    write(tmp_path, put="-- Flags: none\nreturn 'é'\n")

    script = assemble.assemble(tmp_path, "put")

    assert script.sha == hashlib.sha1(script.text.encode()).hexdigest()
    assert assemble.assemble(tmp_path, "put") == script


def test_comment_lines_and_blank_lines_cost_nothing_on_the_server(tmp_path: Path) -> None:
    write(tmp_path, put="-- put() -> x\n-- Flags: none\n\n  -- why\nreturn 1 -- so\n")

    script = assemble.assemble(tmp_path, "put")

    assert script.text == "#!lua\nreturn 1 -- so\n"


@pytest.mark.parametrize("text", ["return [[\n-- kept\n]]\n", 'return "\\\n-- kept"\n'])
def test_text_that_looks_like_a_comment_stays_in_a_long_string(tmp_path: Path, text: str) -> None:
    write(tmp_path, read__job=text)

    assert "-- kept" in assemble.assemble(tmp_path, "read/job").text


def test_a_require_in_a_comment_line_is_no_require(tmp_path: Path) -> None:
    write(tmp_path, read__job='-- as in require("lib.gone")\nreturn 1\n')

    assert "modules" not in assemble.assemble(tmp_path, "read/job").text


def test_modules_that_require_each_other_are_rejected(tmp_path: Path) -> None:
    write(
        tmp_path,
        lib__one='return require("lib.two")\n',
        lib__two='return require("lib.one")\n',
        read__job='return require("lib.one")\n',
    )

    with pytest.raises(assemble.ScriptError, match=r"lib\.one -> lib\.two -> lib\.one"):
        assemble.assemble(tmp_path, "read/job")


def test_a_require_inside_a_function_may_name_a_module_above(tmp_path: Path) -> None:
    write(
        tmp_path,
        lib__one="""\
local two = require("lib.two")
local one = {}
function one.start()
  return two.ask()
end
function one.answer()
  return "from above"
end
return one
""",
        lib__two="""\
local two = {}
function two.ask()
  return require("lib.one").answer()
end
return two
""",
        read__job='local one = require("lib.one")\nprint(one.start())\n',
    )

    assert run(assemble.assemble(tmp_path, "read/job")) == "from above\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, read__job='return require("lib.gone")\n')

    with pytest.raises(assemble.ScriptError, match=r"gone\.lua"):
        assemble.assemble(tmp_path, "read/job")
    with pytest.raises(assemble.ScriptError, match=r"put\.lua"):
        assemble.assemble(tmp_path, "put")


@pytest.mark.parametrize("form", ["require(name)", "require 'lib.keys'", 'require("other")'])
def test_a_require_that_cannot_be_followed_is_rejected(tmp_path: Path, form: str) -> None:
    write(tmp_path, lib__keys="return {}\n", read__job=f"return {form}\n")

    with pytest.raises(assemble.ScriptError, match="require"):
        assemble.assemble(tmp_path, "read/job")


@pytest.mark.parametrize("header", ["", "-- Flags: no-writes\n", "-- Flags: none\n" * 2])
def test_a_transition_has_exactly_one_flags_line(tmp_path: Path, header: str) -> None:
    write(tmp_path, put=f"{header}return 1\n")

    with pytest.raises(assemble.ScriptError, match="Flags"):
        assemble.assemble(tmp_path, "put")


@pytest.mark.parametrize("name", ["", "../put", "read/", "lib/keys", "/etc/passwd", "Put", "put\n"])
def test_an_invalid_script_name_is_rejected(name: str) -> None:
    with pytest.raises(assemble.ScriptError, match="not the name"):
        assemble.script(name)


def test_every_listed_script_assembles_and_is_kept() -> None:
    for name in assemble.names():
        script = assemble.script(name)

        assert script is assemble.script(name)
        assert script.is_query == name.startswith("read/")


def test_the_scripts_are_in_the_package_folder() -> None:
    assert (package.path("lua") / "lib" / "core" / "keys.lua").is_file()


LIMITS = """\
return {
  call = 100,
  gates = 10,
  least = 1e-6,
}
"""
COUNT = """\
-- Flags: none
local limits = require("lib.core.limits")
print(limits.call, limits.gates, limits.least)
"""


def test_limits_are_replaced_by_name_and_only_where_asked(tmp_path: Path) -> None:
    write(tmp_path, lib__core__limits=LIMITS, count=COUNT)

    plain = assemble.assemble(tmp_path, "count")
    small = assemble.assemble(tmp_path, "count", {"gates": 2, "least": 0.5})

    assert run(plain).split() == ["100", "10", "1e-06"]
    assert run(small).split() == ["100", "2", "0.5"]
    assert assemble.assemble(tmp_path, "count") == plain
    with pytest.raises(assemble.ScriptError, match="no limit 'gate'"):
        assemble.assemble(tmp_path, "count", {"gate": 2})


def test_all_files_are_read_with_the_first_script() -> None:
    """An upgrade of the package does not pair running Python code with other Lua code."""
    program = """
import shutil, sys
from pathlib import Path
from qless_py import package
copy = Path(sys.argv[1])
shutil.copytree(package.path("lua"), copy)
package.path = lambda _name: copy
from qless_py.scripts import assemble
names = ("pop", "read/job")
whole = [assemble.assemble(copy, name) for name in names]
assemble.script("put")
shutil.rmtree(copy)
assert [assemble.script(name) for name in names] == whole
"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", program, f"{folder}/lua"], check=True, timeout=60)


def test_the_first_script_of_a_process_imports_nothing() -> None:
    """A fork beside an import leaves its lock held in the new process for ever."""
    program = """
import sys
import qless_py
from qless_py.scripts import assemble
before = set(sys.modules)
assemble.script("put")
assert set(sys.modules) == before, set(sys.modules) - before
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
