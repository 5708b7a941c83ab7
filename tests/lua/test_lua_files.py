"""Rules for every Lua file."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import redis as redis_py

from qless_py import package, errors
from qless_py.scripts import protocol_doc, assemble

ROOT = package.path("lua")
CONFIG = ROOT.parent / ".luacheckrc"
FILES = sorted(str(file.relative_to(ROOT)) for file in ROOT.rglob("*.lua"))
SCRIPTS = assemble.names()
TRANSITIONS = [name for name in SCRIPTS if not name.startswith("read/")]
SUBJECTS = {
    "access",
    "webhook",
    "core",
    "job",
    "queue",
    "admission",
    "recurring",
    "batch",
    "search",
    "stats",
    "repair",
}
MAX_WIDTH = 100

every_file = pytest.mark.parametrize("file", FILES)
every_script = pytest.mark.parametrize("name", SCRIPTS)


def source(name: str) -> str:
    return (ROOT / f"{name}.lua").read_text()


def luacheck(files: Iterable[Path], *options: str) -> dict[str, str]:
    """Run luacheck once on all files; return for each "OK" or what it found there."""
    program = shutil.which("luacheck")
    assert program, "luacheck is missing (Debian: lua-check)"

    done = subprocess.run(
        [program, "--no-color", "--config", CONFIG, *options, *files],
        check=False,
        capture_output=True,
        text=True,
    )

    reports = re.findall(r"^Checking (\S+) +(\S.*(?:\n(?: .*)?)*)", done.stdout, re.MULTILINE)
    assert reports, done.stdout + done.stderr
    return {file: report.strip() for file, report in reports}


@pytest.fixture(scope="module")
def found_in_files() -> dict[str, str]:
    """Check all files at once: starting luacheck takes ten times as long as checking a file."""
    return luacheck(ROOT / file for file in FILES)


def test_every_folder_holds_what_its_name_says() -> None:
    subjects = {f"lib/{subject}" for subject in SUBJECTS}
    assert {Path(file).parent.as_posix() for file in FILES} == {".", "read", *subjects}
    assert [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".lua"] == []


@every_file
def test_a_file_is_laid_out_like_the_others(file: str) -> None:
    text = (ROOT / file).read_text()
    lines = text.split("\n")

    assert "\t" not in text
    assert lines[-1] == ""
    assert lines[-2] != ""
    assert [line for line in lines if line != line.rstrip() or len(line) > MAX_WIDTH] == []
    indents = [len(line) - len(line.lstrip(" ")) for line in lines]
    assert [lines[at] for at, indent in enumerate(indents) if indent % 2] == []
    assert "\n\n\n" not in text


@every_file
def test_a_file_has_no_text_that_the_assembler_takes_for_a_comment(file: str) -> None:
    """It drops lines that begin with two hyphens, which a string over several lines may hold."""
    text = _code((ROOT / file).read_text())

    assert re.search(r"\[=*\[", re.sub(r'"[^"\n]*"', "", text)) is None
    assert "\\\n" not in text


@every_file
def test_a_file_is_free_of_what_luacheck_finds(file: str, found_in_files: dict[str, str]) -> None:
    assert found_in_files[str(ROOT / file)] == "OK"


def test_every_field_of_a_session_is_declared_where_it_is_made() -> None:
    header = (ROOT / "lib" / "core" / "session.lua").read_text().partition("\n\n")[0]
    declared = set(re.findall(r"^--   (\w+)  ", header, re.MULTILINE))
    used = {
        field
        for file in FILES
        for field in re.findall(r"(?<!\w)s\.(\w+)", _code((ROOT / file).read_text()))
    }
    made = re.search(r"\n  return \{\n(.*?)\n  \}\n", source("lib/core/session"), re.DOTALL)

    assert made
    assert used <= declared
    assert declared == used | set(re.findall(r"^    (\w+) = ", made[1], re.MULTILINE))


def _code(text: str) -> str:
    return re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)


def test_the_assembled_library_compiles(tmp_path: Path) -> None:
    """Whether it is as clean as the files, `bin/check` finds out."""
    compiler = shutil.which("luac5.1")
    assert compiler, "luac5.1 is missing (Debian: lua5.1)"
    file = tmp_path / "library.lua"
    file.write_text(assemble.library().text)

    done = subprocess.run([compiler, "-p", file], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_server_takes_the_library_with_all_functions(redis: redis_py.Redis) -> None:
    library = assemble.library()
    redis.function_flush()

    redis.function_load(library.text)

    (described,) = redis.function_list(library.name)
    flags = {one[1].decode(): {flag.decode() for flag in one[5]} for one in described[5]}
    assert flags == {
        one.name: {protocol_doc.read(name).flags} - {"none"}
        for name, one in library.functions.items()
    }


@every_script
def test_the_arguments_of_the_header_are_those_that_the_file_names(name: str) -> None:
    header = protocol_doc.read(name)
    named = re.search(
        r"^local (now\b[\w,\s]*)=\s*([^\n]*(?:\n {2,}[^\n]*)*)", source(name), re.MULTILINE
    )

    assert named, "no line 'local now, … = …'"
    assert tuple(re.findall(r"\w+", named[1])) == header.arguments
    first = ("now", "request") if name in TRANSITIONS else ("now",)
    assert header.arguments[: len(first)] == first
    below = source(name)[named.end() :]
    assert re.search(r"\bKEYS\b", below) is None
    if not header.variadic:
        assert re.search(r"\bARGV\b", below) is None


@every_script
def test_the_header_names_the_errors_that_the_client_knows(name: str) -> None:
    for code in protocol_doc.read(name).errors:
        found = errors.error_from_reply(f"{code} something")

        assert type(found) is not errors.QlessError, code
        assert getattr(found, "code", "") == code


@every_script
def test_the_header_says_which_flags_the_script_has(name: str) -> None:
    allowed = {"none", "allow-oom"} if name in TRANSITIONS else {"no-writes"}

    assert protocol_doc.read(name).flags in allowed


def test_every_script_has_a_function_in_python_and_the_reverse() -> None:
    folder = ROOT.parent / "qless_py" / "protocol"
    called = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Call"), args=[ast.Constant(value=str(name)), *_]):
                    called.add(name)

    assert called == set(SCRIPTS)
