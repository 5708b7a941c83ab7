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
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")
_FIELD = re.compile(r"(?<![\w.:])([A-Za-z_]\w*)\.([A-Za-z_]\w*)")
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
    bare = _STRING.sub('""', text)
    requires = [(lib, name) for lib, name in _REQUIRE.findall(text) if name]
    return _Names(Counter(_WORD.findall(bare)), _FIELD.findall(bare), requires)


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

    def _own_fields(self, text: str) -> set[str]:
        """Return the fields of the module that a statement defines or fills."""
        own = re.escape(self.name or "")
        if found := re.match(rf"(?:function )?{own}\.(\w+)\b", text):
            return {found[1]}
        return set(re.findall(rf"^  {own}\.(\w+)\[", text, re.MULTILINE))


# A module is part of many scripts and parsed twice for each, which would take most of the time.
_source: Final = cache(_Source)


class _Module:
    """A module, and which of its statements have been reached."""

    def __init__(self, text: str) -> None:
        self.source = _source(text)
        self.name = self.source.name
        self.chunks = self.source.chunks
        self.kept: set[int] = set()
        self.reached = False

    def reach(self, name: str) -> Iterator[Use]:
        """Keep the statements that provide a field (or ALL); yield their uses of other modules."""
        wanted = [f"{self.name}.{name}"] if self.name and name != ALL else [ALL]
        if self.name and name == NONE:
            wanted = []
        if not self.reached:
            self.reached = True
            for chunk in self.source.always:
                yield from self.keep(chunk, wanted)
        while wanted:
            for chunk in self.source.providers.get(wanted.pop(), ()):
                yield from self.keep(chunk, wanted)

    def keep(self, chunk: _Chunk, wanted: list[str]) -> Iterator[Use]:
        """Keep a statement; yield what it uses of other modules, and add its names to `wanted`."""
        if chunk.place in self.kept:
            return
        self.kept.add(chunk.place)
        aliases = self.source.aliases
        names = chunk.names()
        wanted.extend(names.counts)
        if self.name:
            wanted.extend(f"{a}.{b}" for a, b in names.fields if a == self.name)
        if chunk.provides & aliases.keys():
            yield from ((aliases[name], NONE) for name in chunk.provides)
        else:
            yield from chunk.uses(aliases)

    def text(self) -> str:
        """Return the kept statements; the module's table is created with room for its fields."""
        return self._joined([chunk for chunk in self.chunks if chunk.place in self.kept])

    def split(self, now: "_Module") -> tuple[str, str]:
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


def reachable(modules: dict[str, str], command: str) -> dict[str, str]:
    """Return the part of each module that the command can reach, in the same order.

    Relies on the layout of this project: two spaces of indent, one statement per line, no long
    strings, and a module that is a table returned by the last line. A module that returns another
    value is kept whole.
    """
    reached = _reached(modules, command)
    return {name: text for name, module in reached.items() if (text := module.text())}


def split_early(
    modules: dict[str, str], command: str, early: list[str]
) -> dict[str, tuple[str, str]]:
    """Split what is used of the early modules: what they reach among themselves, and the rest."""
    whole, now = _reached(modules, command), _reached(modules, command, early)
    return {name: whole[name].split(now[name]) for name in early}


def _reached(
    modules: dict[str, str], command: str, only: Collection[str] | None = None
) -> dict[str, _Module]:
    """Mark the statements to keep of each module; with `only`, ignore all other modules."""
    parsed = {name: _Module(text) for name, text in modules.items()}
    entry = _Module(command)
    pending: list[Use] = [(name, NONE) for name in only or ()]
    for chunk in entry.chunks:
        pending.extend(entry.keep(chunk, []))  # The command is kept whole.
    seen: set[Use] = set()
    while pending:
        use = pending.pop()
        if use not in seen and (only is None or use[0] in only):
            seen.add(use)
            pending.extend(parsed[use[0]].reach(use[1]))
    return parsed
