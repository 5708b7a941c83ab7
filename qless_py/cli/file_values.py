"""Values of options as a file with settings gives them: of the right type, under known names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from qless_py.store import settings_file as configuration

# Types of ours that take a number as well as a text with a unit.
_MEASURES: Final = ("span", "time", "size")
_LARGEST: Final = 2**63
_LONGEST: Final = 60


def place(path: str, words: Sequence[str]) -> str:
    """Say where in the file something stands."""
    return f"{path}: [{'.'.join(words)}]" if words else path


def check_names(
    section: Any, group: click.Command | None, ctx: click.Context, path: str, words: Sequence[str]
) -> None:
    """Check that a table holds nothing but tables of the commands of a group."""
    where = place(path, words)
    if not isinstance(section, Mapping):
        raise click.UsageError(f"{where} is not a table")
    known = group.list_commands(ctx) if isinstance(group, click.Group) else ()
    top = () if words else configuration.TOP
    for name in section:
        if name not in known:
            told = configuration.unknown("key", name, (*top, *known))
            raise click.UsageError(f"{where}: {told}")


def read(section: Any, keys: Mapping[str, click.Option], where: str) -> dict[str, Any]:
    """Turn the table of a command into values of its options, by their names in the program."""
    if not isinstance(section, Mapping):
        raise click.UsageError(f"{where} is not a table")
    found: dict[str, Any] = {}
    for key, value in section.items():
        option = keys.get(key.replace("_", "-"))
        if option is None:
            raise click.UsageError(f"{where}: {configuration.unknown('key', key, keys)}")
        name = str(option.name)
        if name in found:
            raise click.UsageError(f"{where}: {key} says again what another key says")
        several = value if option.multiple and isinstance(value, list) else [value]
        wanted = _wanted(option)
        for one in several:
            if not _fits(one, wanted):
                within = " in the list" if several is value else ""
                raise click.UsageError(f"{where}: {key} is {wanted}, not {_shown(one)}{within}")
        found[name] = several if option.multiple else value
    return found


def _wanted(option: click.Option) -> str:
    if option.is_flag or isinstance(option.type, click.types.BoolParamType):
        return "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return "a number"
    return "text or a number" if option.type.name in _MEASURES else "text"


def _fits(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "true or false"
    if isinstance(value, str):
        return wanted.startswith("text")
    if isinstance(value, int):
        return wanted.endswith("number") and abs(value) < _LARGEST
    is_number = isinstance(value, float) and math.isfinite(value)
    return is_number and wanted.endswith(" number") and wanted != "a whole number"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    shown = repr(value) if isinstance(value, str) else str(value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
