"""Remove unreachable functions from an assembled script.

Every call of a script creates the functions of its modules again, so unreachable ones waste time
on the server: whole modules took 31 of the 45 microseconds that a put may take. The analysis is
conservative: a name that occurs anywhere counts as used.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

_CLOSING = ("end", "}", ")", "else", "until", "]")
# A string, or else a name with the field that follows it.
_NAME = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.:])([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?')
_DEFINED = re.compile(r"(?:function )?(\w+)\.(\w+)\b")
_FILLED = re.compile(r"^  (\w+)\.(\w+)\[", re.MULTILINE)
_REQUIRE = re.compile(r'require\("(lib(?:\.[a-z0-9_]+)+)"\)(?:\.([A-Za-z_]\w*))?')
_ALIAS = re.compile(r'local ([A-Za-z_]\w*) = [^\n]*require\("(lib(?:\.[a-z0-9_]+)+)"\)(?!\.)')
_LOCAL = re.compile(r"local (?:function )?([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*)")

_LATE = """\
local lib_made, lib_rests = {{}}, {{}}
local function require(lib_name)
  local lib_module = lib_made[lib_name]
  if lib_module then
    return lib_module
  end
  local lib_left = lib_rests
  lib_rests = {{}}
  for lib_place = 1, #lib_left do
    lib_left[lib_place]()
  end
{loaders}
  lib_made[lib_name] = lib_module
  return lib_module
end
"""

ALL = "*"
"""Every field of a module; used where its table is passed on as a value."""

NONE = ""
"""No field: the module must be loaded, whichever of its fields are used."""

Use = tuple[str, str]
"""A module and one of its fields."""


@dataclass(frozen=True, slots=True)
class _Names:
    """The identifiers of a statement, the fields it names, and each `require("lib.x").field`."""

    counts: Counter[str]
    fields: list[tuple[str, str]]
    requires: list[Use]


@cache
def _names(text: str) -> _Names:
    names = [(name, field) for name, field in _NAME.findall(text) if name]
    requires = _REQUIRE.findall(text) if "require" in text else ()
    return _Names(
        Counter(name for name, _ in names),
        [(name, field) for name, field in names if field],
        [(lib, field) for lib, field in requires if field],
    )


@dataclass(slots=True)
class _Chunk:
    """One statement at the top of a module."""

    text: str
    place: int
    provides: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)

    def names(self) -> _Names:
        return _names(self.text)

    def uses(self, aliases: dict[str, str]) -> Iterator[Use]:
        """Yield the fields of other modules that this statement names."""
        yield from self.names().requires
        bare = _names(_ALIAS.sub("", self.text)) if "require" in self.text else self.names()
        for alias, lib in (aliases | self.aliases).items():
            if alias in bare.counts:
                named = [name for owner, name in bare.fields if owner == alias]
                yield from ((lib, name) for name in named)
                if bare.counts[alias] > len(named):
                    yield lib, ALL


class _Source:
    """The statements of one module, and the names that each of them provides."""

    def __init__(self, text: str) -> None:
        self.chunks = [_Chunk(part, place) for place, part in enumerate(_split(text))]
        self.aliases: dict[str, str] = {}
        self.always: list[_Chunk] = []
        last = self.chunks[-1].text if self.chunks else ""
        found = re.fullmatch(r"return ([A-Za-z_]\w*)\n", last)
        self.name = found[1] if found else None
        self.providers: dict[str, list[_Chunk]] = {ALL: self.chunks}
        for chunk in self.chunks:
            self._classify(chunk)
            if not chunk.provides:
                self.always.append(chunk)
            for symbol in chunk.provides:
                self.providers.setdefault(symbol, []).append(chunk)
        self._links: dict[int, tuple[list[_Chunk], list[Use]]] = {}

    def _classify(self, chunk: _Chunk) -> None:
        chunk.aliases = dict(_ALIAS.findall(chunk.text))
        imported = re.match(r'local (\w+) = require\("(lib[^"]*)"\)\n', chunk.text)
        if imported:
            self.aliases[imported[1]] = imported[2]
            chunk.provides = {imported[1]}
            chunk.aliases = {}
        elif chunk.aliases and not chunk.text.startswith(("function", "local function")):
            self.aliases |= chunk.aliases
        elif (local := _LOCAL.match(chunk.text)) and local[1] != self.name:
            chunk.provides = set(local[1].split(", "))
        elif self.name and (own := self._own_fields(chunk.text)):
            chunk.provides = {f"{self.name}.{name}" for name in own}

    def links(self, chunk: _Chunk) -> tuple[list[_Chunk], list[Use]]:
        """Return the statements whose names one uses, and its uses of other modules."""
        found = self._links.get(chunk.place)
        if found is None:
            found = self._links[chunk.place] = list(self._needed(chunk)), list(self._used(chunk))
        return found

    def _needed(self, chunk: _Chunk) -> Iterator[_Chunk]:
        names = chunk.names()
        for word in names.counts.keys() & self.providers.keys():
            yield from self.providers[word]
        for owner, name in names.fields:
            if owner == self.name:
                yield from self.providers.get(f"{owner}.{name}", ())

    def _used(self, chunk: _Chunk) -> Iterator[Use]:
        if chunk.provides & self.aliases.keys():
            return ((self.aliases[name], NONE) for name in chunk.provides)
        return chunk.uses(self.aliases)

    def _own_fields(self, text: str) -> set[str]:
        """Return the fields of the module that a statement defines or fills."""
        if (found := _DEFINED.match(text)) and found[1] == self.name:
            return {found[2]}
        return {name for owner, name in _FILLED.findall(text) if owner == self.name}


# A module is part of many scripts and parsed twice for each, which would take most of the time.
_source: Final = cache(_Source)


class Module:
    """A module, and which of its statements have been reached."""

    def __init__(self, text: str) -> None:
        self.source = _source(text)
        self.name = self.source.name
        self.chunks = self.source.chunks
        self.kept: set[int] = set()
        self.reached = False

    def reach(self, name: str) -> Iterator[Use]:
        """Keep the statements that provide a field (or ALL); yield their uses of other modules."""
        wanted: list[_Chunk] = []
        if not self.reached:
            self.reached = True
            wanted += self.source.always
        if self.name is None or name == ALL:
            wanted += self.chunks
        elif name != NONE:
            wanted += self.source.providers.get(f"{self.name}.{name}", ())
        while wanted:
            chunk = wanted.pop()
            if chunk.place not in self.kept:
                self.kept.add(chunk.place)
                needed, used = self.source.links(chunk)
                wanted += needed
                yield from used

    def text(self) -> str:
        """Return the kept statements; the module's table is created with room for its fields."""
        return self._joined([chunk for chunk in self.chunks if chunk.place in self.kept])

    def split(self, now: "Module") -> tuple[str, str]:
        """Return the kept statements that another parse, `now`, keeps as well, and the rest."""
        kept = [chunk for chunk in self.chunks if chunk.place in self.kept]
        rest = [chunk.text for chunk in kept if chunk.place not in now.kept]
        return self._joined([one for one in kept if one.place in now.kept]), "".join(rest)

    def _joined(self, kept: list[_Chunk]) -> str:
        own = f"{self.name}."
        fields = sorted(
            name.removeprefix(own)
            for chunk in kept
            for name in chunk.provides
            if name.startswith(own) and chunk.text.startswith("function")
        )
        room = f"{{ {', '.join(f'{name} = 0' for name in fields)} }}" if fields else "{}"
        table = f"local {self.name} = "
        return "".join(
            chunk.text.replace("{}", room, 1) if chunk.text == f"{table}{{}}\n" else chunk.text
            for chunk in kept
        )


def _split(text: str) -> Iterator[str]:
    """Split a module before each line that begins a statement at the left margin."""
    part: list[str] = []
    for line in text.splitlines(keepends=True):
        begins = not line.startswith((" ", "\t", *_CLOSING))
        if begins and part:
            yield "".join(part)
            part = []
        part.append(line)
    if part:
        yield "".join(part)


def link(texts: dict[str, str], early: dict[str, tuple[str, str]], command: str) -> str:
    """Join modules and command into one text.

    The early modules, which every run needs, are blocks at the top that define one local each. The
    others are created inside one function when first required and cost nothing before. So are the
    parts of early modules that only those others reach.
    """
    late = [lib for lib in texts if lib not in early]
    parts = [f"local {', '.join(map(_local, early))}\n"] if early else []
    if late:
        loaders = "".join(
            f'{"else" if place else ""}if lib_name == "{lib}" then\n'
            f"lib_module = (function()\n{_direct(texts[lib], early)}end)()\n"
            for place, lib in enumerate(late)
        )
        parts.append(_LATE.format(loaders=f"{loaders}end"))
    rests = 0
    for lib, (first, rest) in early.items():
        body = re.sub(r"^return ", f"{_local(lib)} = ", first, flags=re.MULTILINE)
        if rest:
            rests += 1
            body += f"lib_rests[{rests}] = function()\n{rest}end\n"
        parts.append(f"do\n{_direct(body, early)}end\n")
    parts.append(_direct(command, early))
    return "".join(parts)


def _local(lib: str) -> str:
    return lib.replace(".", "_")


def _direct(text: str, early: Mapping[str, object]) -> str:
    """Replace `require` of the modules at the top by the names of their locals."""
    return re.sub(
        r'require\("(lib(?:\.[a-z0-9_]+)+)"\)',
        lambda found: _local(found[1]) if found[1] in early else found[0],
        text,
    )


def reached(
    modules: Mapping[str, str], command: str, only: Collection[str] | None = None
) -> dict[str, Module]:
    """Return the modules with the statements that the command can reach, in the same order.

    With `only`, all other modules are ignored, and those are reached whatever the command requires.

    Relies on the layout of this project: two spaces of indent, one statement per line, no long
    strings, and a module that is a table returned by the last line. A module that returns another
    value is kept whole.
    """
    parsed = {name: Module(text) for name, text in modules.items()}
    pending: list[Use] = [(name, NONE) for name in only or ()]
    pending.extend(Module(command).reach(ALL))  # The command is kept whole.
    seen: set[Use] = set()
    while pending:
        use = pending.pop()
        if use not in seen and (only is None or use[0] in only):
            seen.add(use)
            pending.extend(parsed[use[0]].reach(use[1]))
    return parsed
