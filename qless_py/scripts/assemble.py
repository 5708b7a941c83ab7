"""Assemble the Lua files into scripts that the server can run by their SHA."""

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from qless_py import package
from qless_py.errors import QlessError
from qless_py.scripts import inline_keys, saved_scripts, tree_shake

QUERY_FOLDER = "read"

KEYS = "lib.core.keys"
"""The module whose one-line functions spell every key."""

LIMITS = "lib.core.limits"
"""The module that holds the bounds of one call."""

GUARD = "lib.core.guard"
"""The module that stands for the table `redis` in every script."""

# The first key ends with ":meta", and the second, in a database other than 0, with ":db" and its
# number: so that both fit the pattern of the keys of a namespace, as access rules have it.
_NAMES = """\
local namespace = string.match(KEYS[1], "^(.+):meta$") or KEYS[1]
local database = KEYS[2] and string.sub(KEYS[2], #namespace + 1) or ""
"""

_NAME = re.compile(r"(read/)?[a-z][a-z0-9_]*")
_REQUIRE = re.compile(r"""^(\s*).*?\brequire\("(lib(?:\.[a-z0-9_]+)+)"\)""", re.MULTILINE)
_IMPORT = re.compile(r"""^local \w+ = require\("(lib(?:\.[a-z0-9_]+)+)"\)$""", re.MULTILINE)
_ANY_REQUIRE = re.compile(r"""\brequire\s*[("']""")
_FLAGS = re.compile(r"^-- Flags: (\S+)\s*$", re.MULTILINE)
_SHEBANGS = {"none": "#!lua", "allow-oom": "#!lua flags=allow-oom"}
_QUERY_SHEBANG = "#!lua flags=no-writes"


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
    root = package.path("lua")
    transitions = sorted(file.stem for file in root.glob("*.lua"))
    queries = sorted(f"{QUERY_FOLDER}/{file.stem}" for file in (root / QUERY_FOLDER).glob("*.lua"))
    return transitions + queries


@cache
def script(name: str) -> Script:
    """Return the assembled script, cached for the life of the process and saved for others."""
    _check_name(name)
    saved = saved_scripts.load(name, _made_of())
    if saved is not None:
        return _finished(name, saved)
    made = assemble(package.path("lua"), name, known=sources())
    saved_scripts.save(name, made.text, _made_of())
    return made


@cache
def _made_of() -> str:
    return saved_scripts.digest(sources())


@cache
def sources() -> Mapping[Path, str]:
    """Return all Lua files of the package, read together at the first use.

    A process whose package is upgraded goes on with the scripts that belong to its Python code.
    """
    return {file: _read(file) for file in sorted(package.path("lua").rglob("*.lua"))}


def assemble(
    root: Path,
    name: str,
    limits: Mapping[str, float] | None = None,
    *,
    known: Mapping[Path, str] | None = None,
) -> Script:
    """Join `<root>/<name>.lua` and the modules it requires; the same files give the same bytes.

    `limits` replaces bounds of `lib.core.limits` by name, for tests that want to reach them.
    `known` are the texts of all files, if they were read before.
    """
    _check_name(name)
    is_query = name.startswith(f"{QUERY_FOLDER}/")
    read = functools.partial(_known, known) if known else _read
    source = read(root / f"{name}.lua")
    command = _strip(source)
    modules = _Modules(root, read, limits or {}, is_query=is_query)
    modules.follow(name, command)
    shebang = _QUERY_SHEBANG if is_query else _shebang(name, source)
    return _finished(name, f"{shebang}\n{modules.link(command)}")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ScriptError(f"{name!r} is not the name of a script")


def _finished(name: str, text: str) -> Script:
    # The server names scripts by SHA-1; nothing secret depends on it.
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, sha, name.startswith(f"{QUERY_FOLDER}/"))


class _Modules:
    """The modules that a script requires, directly or not, each once.

    A `require` inside a function runs only when the function is called, so it may name a module
    that requires this one.
    """

    def __init__(
        self,
        root: Path,
        read: Callable[[Path], str],
        limits: Mapping[str, float],
        *,
        is_query: bool,
    ) -> None:
        self._root = root
        self._read = read
        self._limits = limits
        self._is_query = is_query
        self._texts: dict[str, str] = {}
        self._late: list[str] = []

    def follow(self, name: str, text: str) -> None:
        """Collect the modules that this text requires."""
        self._follow(name, text, ())
        while self._late:
            self._add(self._late.pop(0), ())

    def link(self, command: str) -> str:
        """Return the command, preceded by the parts of the modules that it can reach."""
        texts = dict(self._texts)
        before = ""
        if keys := texts.get(KEYS):
            texts = {
                lib: text if lib == KEYS else inline_keys.inline(text, keys)
                for lib, text in texts.items()
            }
            command = inline_keys.without_unused_alias(inline_keys.inline(command, keys))
            before = _NAMES + self._guard(keys)
        reached = tree_shake.reached(texts, command)
        kept = {name: text for name, module in reached.items() if (text := module.text())}
        if not kept:
            return before + command
        early = self._early(kept, command)
        now = tree_shake.reached(texts, command, early)
        split = {name: reached[name].split(now[name]) for name in early}
        return before + tree_shake.link(kept, split, command)

    def _guard(self, keys: str) -> str:
        """Return the text that replaces `redis` by the guarded table, if there is one."""
        try:
            source = self._read(self._root.joinpath(*GUARD.split(".")).with_suffix(".lua"))
        except ScriptError:  # The scripts of a test may have none.
            return ""
        text = inline_keys.without_unused_alias(inline_keys.inline(_strip(source), keys))
        return f"local redis = (function(...)\n{text}end)({str(self._is_query).lower()})\n"

    def _early(self, texts: dict[str, str], command: str) -> list[str]:
        """Return the modules that every run of the command needs, dependencies first."""
        early: list[str] = []

        def visit(text: str) -> None:
            for lib in _IMPORT.findall(text):
                if lib not in early:
                    visit(texts[lib])
                    early.append(lib)

        visit(command)
        return early

    def _follow(self, name: str, text: str, above: tuple[str, ...]) -> None:
        found, others = _required(text)
        if others:
            raise ScriptError(
                f'{name} has a require that is not a single require("lib.x") on its line'
            )
        for indent, lib in found:
            if indent:
                self._late.append(lib)
            else:
                self._add(lib, (*above, name))

    def _add(self, lib: str, above: tuple[str, ...]) -> None:
        if lib in above:
            raise ScriptError(f"modules require each other: {' -> '.join((*above, lib))}")
        if lib not in self._texts:
            text = _strip(self._read(self._root.joinpath(*lib.split(".")).with_suffix(".lua")))
            if lib == LIMITS:
                text = _with_limits(text, self._limits)
            self._follow(lib, text, above)
            self._texts[lib] = text


# A module is part of many scripts: without the cache, assembling takes four times as long.
@cache
def _required(text: str) -> tuple[list[tuple[str, str]], int]:
    """Return (indent, module) of each require, and the number of requires of another form."""
    lines = "\n".join(line for line in text.splitlines() if "require" in line)
    found = _REQUIRE.findall(lines)
    return found, len(_ANY_REQUIRE.findall(text)) - len(found)


def _with_limits(text: str, limits: Mapping[str, float]) -> str:
    """Replace the values of some limits in the text of their module."""
    for name, value in limits.items():
        text, found = re.subn(
            rf"^(  {name} = )[^,]+,$", rf"\g<1>{value:g},", text, flags=re.MULTILINE
        )
        if not found:
            raise ScriptError(f"{LIMITS} has no limit {name!r}")
    return text


def _known(texts: Mapping[Path, str], file: Path) -> str:
    found = texts.get(file)
    if found is None:
        raise ScriptError(f"Lua file {file} does not exist")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScriptError(f"Lua file {file} does not exist") from None


def _shebang(name: str, source: str) -> str:
    found = _FLAGS.findall(source)
    if len(found) != 1 or found[0] not in _SHEBANGS:
        raise ScriptError(f"{name} needs one header line '-- Flags: {'|'.join(_SHEBANGS)}'")
    return _SHEBANGS[found[0]]


@cache
def _strip(source: str) -> str:
    """Drop blank lines and comment lines.

    A file with long brackets or continued strings is kept whole, since those may hold such lines
    as text.
    """
    lines = source.splitlines()
    if "[[" not in source and "[=" not in source and not any(li.endswith("\\") for li in lines):
        lines = [line for line in lines if line.strip() and not line.lstrip().startswith("--")]
    return "".join(f"{line}\n" for line in lines)
