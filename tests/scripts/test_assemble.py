import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from qless_py import package
from qless_py.scripts import assemble
from qless_py.scripts.assemble import Library, ScriptError

NEW_LINE = "\n"
CALL = """\
local call = {}
function call.begin(declared, arguments, is_query)
  call.seen = table.concat({ declared[1], #arguments, tostring(is_query) }, " ")
end
return call
"""
GUARD = """\
local server = redis
return { call = function(name)
  return "guarded " .. server.call(name)
end }
"""
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


def library(root: Path, **files: str) -> Library:
    """Write Lua files, beside the two that every library needs, and assemble them."""
    for name, text in ({"lib__core__call": CALL, "lib__core__guard": GUARD} | files).items():
        file = root.joinpath(*name.split("__")).with_suffix(".lua")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return assemble.assemble(root)


def run(made: Library, name: str, *arguments: str) -> str:
    """Run a script in plain Lua, without Redis; return its output."""
    interpreter = shutil.which("lua5.1")
    assert interpreter, "lua5.1 is missing (Debian: lua5.1)"
    values = ", ".join(f'"{one}"' for one in (name, *arguments))
    text = (
        f'KEYS, ARGV = {{ "{{ql}}:meta" }}, {{ {values} }}\n'
        "redis = { call = function(name) return name end }\n"
        f"{made.script(name).partition(NEW_LINE)[2]}"
    )
    done = subprocess.run(
        [interpreter, "-"], input=text, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_module_is_one_table_for_everything_that_requires_it(tmp_path: Path) -> None:
    made = library(
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

    assert run(made, "pop") == "11\n"


def test_a_call_begins_with_its_keys_and_arguments(tmp_path: Path) -> None:
    text = 'local call = require("lib.core.call")\nprint(call.seen, KEYS[1], ARGV[1], ARGV[2])\n'
    made = library(tmp_path, put=f"-- Flags: none\n{text}", read__job=text)

    assert run(made, "put", "a", "b") == "{ql}:meta 2 false\t{ql}:meta\ta\tb\n"
    assert run(made, "read/job", "c") == "{ql}:meta 1 true\t{ql}:meta\tc\tnil\n"


def test_scripts_and_modules_see_the_guard_in_place_of_redis(tmp_path: Path) -> None:
    made = library(
        tmp_path,
        lib__a='return { seen = redis.call("b") }\n',
        read__job='local a = require("lib.a")\nprint(redis.call("a"), a.seen)\n',
    )

    assert run(made, "read/job") == "guarded a\tguarded b\n"


def test_the_name_and_the_functions_carry_a_digest_of_everything(tmp_path: Path) -> None:
    made = library(tmp_path, put="-- Flags: none\nreturn 1\n", read__job="return 1\n")
    same = assemble.assemble(tmp_path)
    other = library(tmp_path, put="-- Flags: allow-oom\nreturn 1\n")

    digest = made.name.removeprefix("qless_")
    assert len(digest) == 12
    assert made.text.startswith(f"#!lua name={made.name}\n")
    assert made.functions["put"].name == f"put_{digest}"
    assert made.functions["read/job"].name == f"read_job_{digest}"
    assert made == same
    assert made.name != other.name


def test_the_flags_of_the_header_are_those_of_the_function(tmp_path: Path) -> None:
    made = library(
        tmp_path,
        put="-- Flags: none\nreturn 1\n",
        pop="-- Flags: allow-oom\nreturn 1\n",
        read__job="return 1\n",
    )

    assert made.text.splitlines()[-3:] == [
        'register("pop", "pop", { "allow-oom" })',
        'register("put", "put", {  })',
        'register("read/job", "read_job", { "no-writes" })',
    ]
    assert {
        name: (one.command, one.is_query, one.allows_oom) for name, one in made.functions.items()
    } == {
        "pop": ("FCALL", False, True),
        "put": ("FCALL", False, False),
        "read/job": ("FCALL_RO", True, True),
    }


def test_comment_lines_and_blank_lines_are_left_out(tmp_path: Path) -> None:
    made = library(tmp_path, put="-- put() -> x\n-- Flags: none\n\n  -- why\nreturn 1 -- so\n")

    assert "begin(KEYS, ARGV, false)\nreturn 1 -- so\nend\n" in made.text
    assert "-- why" not in made.text


def test_a_require_in_a_comment_line_is_no_require(tmp_path: Path) -> None:
    made = library(tmp_path, read__job='-- as in require("lib.gone")\nprint(1)\n')

    assert run(made, "read/job") == "1\n"


def test_modules_that_require_each_other_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"lib\.one -> lib\.two -> lib\.one"):
        library(
            tmp_path,
            lib__one='local two = require("lib.two")\nreturn two\n',
            lib__two='local one = require("lib.one")\nreturn one\n',
        )


def test_a_require_inside_a_function_may_name_a_module_above(tmp_path: Path) -> None:
    made = library(
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

    assert run(made, "read/job") == "from above\n"


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_missing_module_is_named(tmp_path: Path, indent: str) -> None:
    with pytest.raises(ScriptError, match=r"read/job requires lib\.gone"):
        library(tmp_path, read__job=f'{indent}return require("lib.gone")\n')


@pytest.mark.parametrize("form", ["require(name)", "require 'lib.keys'", 'require("other")'])
def test_a_require_that_cannot_be_followed_is_rejected(tmp_path: Path, form: str) -> None:
    with pytest.raises(ScriptError, match="require"):
        library(tmp_path, lib__keys="return {}\n", read__job=f"return {form}\n")


@pytest.mark.parametrize("header", ["", "-- Flags: no-writes\n", "-- Flags: none\n" * 2])
def test_a_transition_has_exactly_one_flags_line(tmp_path: Path, header: str) -> None:
    with pytest.raises(ScriptError, match="Flags"):
        library(tmp_path, put=f"{header}return 1\n")


@pytest.mark.parametrize("name", ["Put", "put-many", "1"])
def test_an_invalid_script_name_is_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScriptError, match="not the name"):
        library(tmp_path, **{name: "-- Flags: none\nreturn 1\n"})


def test_every_listed_script_is_a_function_of_one_library() -> None:
    made = assemble.library()

    assert made is assemble.library()
    assert list(made.functions) == assemble.names()
    assert {name for name, one in made.functions.items() if one.is_query} == {
        name for name in assemble.names() if name.startswith("read/")
    }


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
    plain = library(tmp_path, lib__core__limits=LIMITS, count=COUNT)
    small = assemble.assemble(tmp_path, {"gates": 2, "least": 0.5})

    assert run(plain, "count").split() == ["100", "10", "1e-06"]
    assert run(small, "count").split() == ["100", "2", "0.5"]
    assert assemble.assemble(tmp_path) == plain
    with pytest.raises(ScriptError, match="no limit 'gate'"):
        assemble.assemble(tmp_path, {"gate": 2})


def test_the_library_of_a_process_stays_that_of_its_python_code() -> None:
    """An upgrade of the package does not pair running Python code with other Lua code."""
    program = """
import shutil, sys
from pathlib import Path
from qless_py import package
copy = Path(sys.argv[1])
shutil.copytree(package.path("lua"), copy)
package.path = lambda _name: copy
from qless_py.scripts import assemble
first = assemble.library()
shutil.rmtree(copy)
assert assemble.library() is first
"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", program, f"{folder}/lua"], check=True, timeout=60)


def test_the_library_is_assembled_without_an_import() -> None:
    """A fork beside an import leaves its lock held in the new process for ever."""
    program = """
import sys
import qless_py
from qless_py.scripts import assemble
before = set(sys.modules)
assemble.library()
assert set(sys.modules) == before, set(sys.modules) - before
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
