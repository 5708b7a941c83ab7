"""Assemble the Lua files into one library of functions that the server keeps."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from qless_py import package
from qless_py.errors import QlessError

QUERY_FOLDER = "read"

LIMITS = "lib.core.limits"
"""The module that holds the bounds of one call."""

CALL = "lib.core.call"
"""The module that holds what differs from call to call."""

GUARD = "lib.core.guard"
"""The module that stands for the table `redis` in all others."""

PREFIX = "qless_"
"""What the names of our libraries begin with."""

_DIGITS: Final = 12

# While a library is loaded, the server offers it nothing but `register_function`: no `string`, no
# `ipairs`. So the modules are made by the first call, and kept. These locals save every use of such
# a name the search among globals.
_BUILD: Final = """\
local function build()
local {names} = {names}
local modules, commands = {{}}, {{}}
local function require(name)
return modules[name]
end
{modules}{commands}return commands
end
"""
_GLOBALS: Final = (
    *("cjson", "cmsgpack", "error", "ipairs", "math", "next", "pairs", "pcall", "select"),
    *("string", "struct", "table", "tonumber", "tostring", "type", "unpack"),
)
_MODULE: Final = """\
modules["{name}"] = (function()
{imports}{body}end)()
"""
_GUARDED: Final = f'local redis = require("{GUARD}")\n'
_COMMAND: Final = """\
do
local begin = require("{call}").begin
{imports}commands["{name}"] = function(KEYS, ARGV)
begin(KEYS, ARGV, {is_query})
{body}end
end
"""
_LIBRARY: Final = """\
#!lua name={library}
{build}\
local commands
local function register(name, short_name, flags)
redis.register_function({{
function_name = short_name .. "_{digest}",
flags = flags,
callback = function(keys, arguments)
commands = commands or build()
return commands[name](keys, arguments)
end,
}})
end
{registrations}"""
_SCRIPT: Final = """\
#!lua flags={flag}
{build}\
return build()[table.remove(ARGV, 1)](KEYS, ARGV)
"""

_NAME: Final = re.compile(r"(read/)?[a-z][a-z0-9_]*")
_ANY_REQUIRE: Final = re.compile(r"require\b")
_REQUIRE: Final = re.compile(r'require\("(lib(?:\.[a-z0-9_]+)+)"\)')
_IMPORT: Final = re.compile(r'local \w+ = require\("(lib[^"]+)"\)\n')
_FLAGS: Final = re.compile(r"^-- Flags: (\S+)$", re.MULTILINE)
_KNOWN_FLAGS: Final = {"none": "", "allow-oom": '"allow-oom"'}


class ScriptError(QlessError):
    """A Lua file is missing, or cannot be assembled."""


@dataclass(frozen=True, slots=True)
class Function:
    """One script as the server knows it: the command that calls it, and its name there."""

    command: str
    name: str
    is_query: bool
    allows_oom: bool
    """Whether it runs even when the server's memory is full."""


@dataclass(frozen=True, slots=True)
class Library:
    """All scripts as one library of functions, whose name holds a digest of its text.

    The functions carry the same digest, so libraries of two versions stay side by side.
    """

    name: str
    text: str = field(repr=False)
    """What `FUNCTION LOAD` takes."""
    functions: Mapping[str, Function] = field(repr=False)
    """The functions by the names of their scripts."""
    build: str = field(repr=False)
    """The part of the text that defines `build()`, which returns the scripts by their names."""

    def script(self, name: str) -> str:
        """Return the library as a text for `EVAL` that runs one script, whatever flags that needs.

        For a server that cannot load the library now. The first argument is the script's name.
        """
        flag = "no-writes" if self.functions[name].is_query else "allow-oom"
        return _SCRIPT.format(flag=flag, build=self.build)


def names() -> list[str]:
    """List every script, transitions first."""
    return _names(package.path("lua"))


@cache
def library() -> Library:
    """Return the library of the package, read at the first use.

    A process whose package is upgraded goes on with the scripts that belong to its Python code.
    """
    return assemble(package.path("lua"))


def assemble(root: Path, limits: Mapping[str, float] | None = None) -> Library:
    """Join all files below `root`; the same files give the same bytes.

    `limits` replaces bounds of `lib.core.limits` by name, for tests that want to reach them.
    """
    modules = _Modules(root, limits or {})
    scripts = {name: _read(root / f"{name}.lua") for name in _names(root)}
    commands = "".join(_command(name, modules.code(name, scripts[name])) for name in scripts)
    build = _BUILD.format(names=", ".join(_GLOBALS), modules=modules.text(), commands=commands)
    flags = {name: _flag(name, source) for name, source in scripts.items()}
    # One line for each script: its name, the name of its function, and what the server must know.
    registrations = "".join(
        f'register("{name}", "{_short_name(name)}", {{ {flag} }})\n' for name, flag in flags.items()
    )
    digest = hashlib.sha256(f"{_LIBRARY}{build}{registrations}".encode()).hexdigest()[:_DIGITS]
    name = f"{PREFIX}{digest}"
    return Library(
        name=name,
        text=_LIBRARY.format(library=name, build=build, digest=digest, registrations=registrations),
        functions={name: _function(name, flag, digest) for name, flag in flags.items()},
        build=build,
    )


class _Modules:
    """All modules, each behind those that it needs while it is made.

    A `require` inside a function runs only when the function is called, so it may name a module
    that requires this one.
    """

    def __init__(self, root: Path, limits: Mapping[str, float]) -> None:
        files = sorted((root / "lib").rglob("*.lua"))
        self._sources = {
            ".".join(file.relative_to(root).with_suffix("").parts): _read(file) for file in files
        }
        if LIMITS in self._sources:
            self._sources[LIMITS] = _with_limits(self._sources[LIMITS], limits)
        self._made: dict[str, _Code] = {}
        for name in (GUARD, *self._sources):
            self._add(name, ())

    def code(self, name: str, source: str) -> "_Code":
        """Return the code of a file; raise for a `require` that cannot be resolved."""
        code = _Code.of(source)
        if len(code.required) != code.requires:
            raise ScriptError(f'{name} has a require that is not require("lib.x")')
        for lib in code.required:
            if lib not in self._sources:
                raise ScriptError(f"{name} requires {lib}, which does not exist")
        return code

    def text(self) -> str:
        """Return the code of all modules; the ones behind the guard see it in place of `redis`."""
        parts = [
            _MODULE.format(name=name, imports="".join(code.imports), body=code.body)
            for name, code in self._made.items()
        ]
        behind = list(self._made).index(GUARD) + 1
        return "".join((*parts[:behind], _GUARDED, *parts[behind:]))

    def _add(self, name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ScriptError(f"modules require each other: {' -> '.join((*above, name))}")
        if name in self._made:
            return
        code = self.code(name, self._sources[name])
        for lib in _REQUIRE.findall("".join(code.imports)):
            self._add(lib, (*above, name))
        self._made[name] = code


@dataclass(frozen=True, slots=True)
class _Code:
    """A file without blank lines and comment lines; no string goes over several lines."""

    imports: list[str]
    """The lines `local x = require("lib.x")`."""
    body: str
    required: list[str]
    """The modules of all requires that have the usual form."""
    requires: int
    """How many requires there are, of any form."""

    @classmethod
    def of(cls, source: str) -> "_Code":
        lines = [
            line
            for line in source.splitlines(keepends=True)
            if not line.isspace() and not line.lstrip().startswith("--")
        ]
        requiring = [line for line in lines if "require" in line]
        imports = [line for line in requiring if _IMPORT.fullmatch(line)]
        body = "".join(line for line in lines if line not in imports)
        text = "".join(requiring)
        return cls(imports, body, _REQUIRE.findall(text), len(_ANY_REQUIRE.findall(text)))


def _names(root: Path) -> list[str]:
    transitions = sorted(file.stem for file in root.glob("*.lua"))
    queries = sorted(f"{QUERY_FOLDER}/{file.stem}" for file in (root / QUERY_FOLDER).glob("*.lua"))
    for name in (*transitions, *queries):
        if not _NAME.fullmatch(name):
            raise ScriptError(f"{name!r} is not the name of a script")
    return transitions + queries


def _is_query(name: str) -> bool:
    return name.startswith(f"{QUERY_FOLDER}/")


def _short_name(name: str) -> str:
    return name.replace("/", "_")


def _function(name: str, flag: str, digest: str) -> Function:
    is_query = _is_query(name)
    command = "FCALL_RO" if is_query else "FCALL"
    return Function(command, f"{_short_name(name)}_{digest}", is_query, allows_oom=flag != "")


def _command(name: str, code: _Code) -> str:
    return _COMMAND.format(
        call=CALL,
        imports="".join(code.imports),
        name=name,
        is_query=str(_is_query(name)).lower(),
        body=code.body,
    )


def _flag(name: str, source: str) -> str:
    """Return the flag of the function as a text of Lua, empty if it has none."""
    if _is_query(name):
        return '"no-writes"'
    found = _FLAGS.findall(source)
    if len(found) != 1 or found[0] not in _KNOWN_FLAGS:
        raise ScriptError(f"{name} needs one header line '-- Flags: {'|'.join(_KNOWN_FLAGS)}'")
    return _KNOWN_FLAGS[found[0]]


def _with_limits(text: str, limits: Mapping[str, float]) -> str:
    """Replace the values of some limits in the text of their module."""
    for name, value in limits.items():
        text, found = re.subn(
            rf"^(  {name} = )[^,]+,$", rf"\g<1>{value:g},", text, flags=re.MULTILINE
        )
        if not found:
            raise ScriptError(f"{LIMITS} has no limit {name!r}")
    return text


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
