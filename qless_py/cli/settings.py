"""Options of commands in a settings file: read, checked and written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from qless_py.cli.context import CliContext
from qless_py.store import settings_file

# Parameter types that take a number or text with a unit.
_MEASURES: Final = ("span", "time", "size")
_MAX_INTEGER: Final = 2**63
_MAX_SHOWN: Final = 60


def place(path: str, words: Sequence[str]) -> str:
    """Return the place of a table in the file, for messages."""
    return f"{path}: [{'.'.join(words)}]" if words else path


def check_names(
    section: Any, group: click.Command | None, ctx: click.Context, path: str, words: Sequence[str]
) -> None:
    """Check that a table holds only tables of the commands of a group."""
    where = place(path, words)
    if not isinstance(section, Mapping):
        raise click.UsageError(f"{where} is not a table")
    known = group.list_commands(ctx) if isinstance(group, click.Group) else ()
    top = () if words else settings_file.TOP
    for name in section:
        if name not in known:
            message = settings_file.unknown("key", name, (*top, *known))
            raise click.UsageError(f"{where}: {message}")


def read(section: Any, keys: Mapping[str, click.Option], where: str) -> dict[str, Any]:
    """Return the values of a command's options from its table, by parameter name."""
    if not isinstance(section, Mapping):
        raise click.UsageError(f"{where} is not a table")
    found: dict[str, Any] = {}
    for key, value in section.items():
        option = keys.get(key.replace("_", "-"))
        if option is None:
            raise click.UsageError(f"{where}: {settings_file.unknown('key', key, keys)}")
        name = str(option.name)
        if name in found:
            raise click.UsageError(f"{where}: {key} and another key set the same option")
        several = value if option.multiple and isinstance(value, list) else [value]
        wanted = _wanted(option)
        for one in several:
            if not _fits(one, wanted):
                within = " in the list" if several is value else ""
                raise click.UsageError(
                    f"{where}: {key} must be {wanted}, not {_shown(one)}{within}"
                )
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
        return wanted.endswith("number") and abs(value) < _MAX_INTEGER
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
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"


_WIDTH: Final = 90
_HEAD: Final = """\
# Settings of qless-py. The command line overrides the environment, which overrides this file.
# A table [environments.NAME] overrides the rest with --environment NAME or QLESS_PY_ENV=NAME.
# `qless-py config check` finds mistakes.
"""
_TAIL: Final = """\
# [environments.production]
# url = "redis://redis.example.org:6379/0"
#
# [environments.production.work]
# children = 16
"""


def chosen(context: click.Context) -> dict[str, Any]:
    """Return the options of the running command that are not at their defaults."""
    return {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
    }


def text(
    cli: CliContext,
    name: str,
    options: Mapping[str, click.Option],
    values: Mapping[str, Any],
    skip: Iterable[str],
) -> str:
    """Return a settings file with every option of a command, commented out if it has no value.

    `options` are those that the file may set, by every name that they may have there.
    """
    parts = [_HEAD]
    parts.append("# The store: redis://host:6379/0, unix://…, embedded:///folder.")
    parts.append(_setting("url", cli.url, "embedded:///var/lib/qless_py"))
    parts.append("\n# The prefix of all keys.")
    parts.append(_setting("namespace", cli.chosen("namespace"), "ql"))
    parts.append("\n# The App of your application.")
    parts.append(_setting("app", cli.chosen("app"), "shop.worker:app"))
    parts.append("\n# The environment to use by default.")
    parts.append('# environment = "development"')
    parts.append(f"\n[{name}]")
    seen = set(skip)
    for key, option in options.items():
        if str(option.name) in seen or _long(option) != key:
            continue
        seen.add(str(option.name))
        parts += [f"# {line}" for line in _wrapped(option.help or "")]
        parts.append(_setting(key, values.get(str(option.name)), _example(option)) + "\n")
    return "\n".join([*parts, _TAIL])


def write(path: Path, content: str, *, force: bool) -> None:
    """Write the file, readable for its owner only: a URL may hold a password."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} already exists") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


def _long(option: click.Option) -> str:
    longest = max(option.opts, key=len)
    return longest.lstrip("-")


def _setting(key: str, value: Any, example: Any) -> str:
    if value in (None, ()):
        return f"# {key} = {_toml(example)}"
    return f"{key} = {_toml(value)}"


def _example(option: click.Option) -> Any:
    default = option.default() if callable(option.default) else option.default
    if isinstance(default, str | int | float | list | tuple) and default != ():
        return default
    if option.multiple:
        return []
    return False if option.is_flag else ""


def _toml(value: Any) -> str:
    """Return a value as TOML. For these types JSON is TOML, except for DEL."""
    if isinstance(value, tuple) and [type(one) for one in value] == [str, float]:
        value = f"{value[0]}={value[1]:.17g}"  # As on the command line.
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _wrapped(help_text: str) -> list[str]:
    import textwrap  # noqa: PLC0415 - only to write a file

    return textwrap.wrap(" ".join(help_text.split()), _WIDTH)
