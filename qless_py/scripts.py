"""Assemble the Lua files into scripts that the server can run by their SHA."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qless_py import assets
from qless_py.errors import QlessError

QUERY_FOLDER = "read"

_NAME = re.compile(r"(read/)?[a-z][a-z0-9_]*")
_REQUIRE = re.compile(r"""\brequire\(\s*"(lib(?:\.[a-z0-9_]+)+)"\s*\)""")
_ANY_REQUIRE = re.compile(r"""\brequire\s*[("']""")
_FLAGS = re.compile(r"^-- Flags: (\S+)\s*$", re.MULTILINE)
_SHEBANGS = {"none": "#!lua", "allow-oom": "#!lua flags=allow-oom"}
_QUERY_SHEBANG = "#!lua flags=no-writes"
_PREAMBLE = "local modules = {}\nlocal function require(name) return modules[name] end\n"


class ScriptError(QlessError):
    """A Lua file is missing, or cannot be assembled."""


@dataclass(frozen=True, slots=True)
class Script:
    """One assembled script, ready for the server."""

    name: str
    text: str
    sha: str
    is_query: bool


def names() -> list[str]:
    """List every script, transitions first."""
    root = assets.path("lua")
    transitions = sorted(file.stem for file in root.glob("*.lua"))
    queries = sorted(f"{QUERY_FOLDER}/{file.stem}" for file in (root / QUERY_FOLDER).glob("*.lua"))
    return transitions + queries


@cache
def script(name: str) -> Script:
    """Give the script of that name, assembled once in a process."""
    return assemble(assets.path("lua"), name)


def assemble(root: Path, name: str) -> Script:
    """Join ``<root>/<name>.lua`` and all it requires into one text, always the same one."""
    if not _NAME.fullmatch(name):
        raise ScriptError(f"{name!r} is not the name of a script")
    is_query = name.startswith(f"{QUERY_FOLDER}/")
    source = _read(root / f"{name}.lua")
    modules: dict[str, str] = {}
    command = _collect(root, source, name, modules, ())
    wrapped = (f'modules["{lib}"] = (function()\n{text}end)()\n' for lib, text in modules.items())
    shebang = _QUERY_SHEBANG if is_query else _shebang(name, source)
    preamble = _PREAMBLE if modules else ""
    text = f"{shebang}\n{preamble}{''.join(wrapped)}{command}"
    # The server names scripts by SHA-1; nothing secret depends on it.
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, sha, is_query)


def _collect(
    root: Path, source: str, name: str, modules: dict[str, str], above: tuple[str, ...]
) -> str:
    """Add the modules that the source requires, each after those it requires itself."""
    text = _strip(source)
    required = list(dict.fromkeys(_REQUIRE.findall(text)))
    if len(_ANY_REQUIRE.findall(text)) != len(_REQUIRE.findall(text)):
        raise ScriptError(f'{name} has a require that is not written require("lib.name")')
    path = (*above, name)
    for lib in required:
        if lib in path:
            raise ScriptError(f"the modules require each other: {' -> '.join((*path, lib))}")
        if lib not in modules:
            file = root.joinpath(*lib.split(".")).with_suffix(".lua")
            modules[lib] = _collect(root, _read(file), lib, modules, path)
    return text


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScriptError(f"there is no Lua file {file}") from None


def _shebang(name: str, source: str) -> str:
    found = _FLAGS.findall(source)
    if len(found) != 1 or found[0] not in _SHEBANGS:
        raise ScriptError(f"{name} needs one header line '-- Flags: {'|'.join(_SHEBANGS)}'")
    return _SHEBANGS[found[0]]


def _strip(source: str) -> str:
    """Drop blank lines and lines that are only a comment.

    Long brackets and continued strings could hold such lines as text: a file with any stays whole.
    """
    lines = source.splitlines()
    if "[[" not in source and "[=" not in source and not any(li.endswith("\\") for li in lines):
        lines = [line for line in lines if line.strip() and not line.lstrip().startswith("--")]
    return "".join(f"{line}\n" for line in lines)
