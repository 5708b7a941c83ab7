"""Write a file with settings: every option of a command, commented, those in use switched on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from qless_py.cli.base import Configured
from qless_py.cli.state import State

_WIDTH: Final = 90
_HEAD: Final = """\
# Settings of qless-py. What is typed on the command line beats the environment, and that beats
# this file. A table [environments.NAME] overrides the rest with --environment NAME or
# QLESS_PY_ENV=NAME. `qless-py config check` finds mistakes.
"""
_TAIL: Final = """\
# [environments.production]
# url = "redis://redis.example.org:6379/0"
#
# [environments.production.work]
# children = 16
"""


def chosen(context: click.Context) -> dict[str, Any]:
    """Give the options of the running command that were not left at their defaults."""
    return {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
    }


def text(state: State, command: Configured, values: Mapping[str, Any], skip: Iterable[str]) -> str:
    """Give the text of the file."""
    parts = [_HEAD]
    parts.append("# The store: redis://host:6379/0, unix://…, embedded:///folder.")
    parts.append(_setting("url", state.url, "embedded:///var/lib/qless_py"))
    parts.append("\n# Of all keys.")
    parts.append(_setting("namespace", state.chosen("namespace"), "ql"))
    parts.append("\n# The environment, if none is named otherwise.")
    parts.append('# environment = "development"')
    parts.append(f"\n[{command.name}]")
    seen = set(skip)
    for key, option in command.keys().items():
        if str(option.name) in seen or _long(option) != key:
            continue
        seen.add(str(option.name))
        parts += [f"# {line}" for line in _wrapped(option.help or "")]
        parts.append(_setting(key, values.get(str(option.name)), _example(option)) + "\n")
    return "\n".join([*parts, _TAIL])


def write(path: Path, content: str, *, force: bool) -> None:
    """Write the file for its owner's eyes only: a URL may hold a password."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise click.ClickException(f"{path} exists already") from None
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
    """Write a value; what JSON writes of these types is TOML as well, but for one character."""
    if isinstance(value, tuple) and [type(one) for one in value] == [str, float]:
        value = f"{value[0]}={value[1]:.17g}"  # As it is written on the command line.
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _wrapped(help_text: str) -> list[str]:
    import textwrap  # noqa: PLC0415 - only to write a file

    return textwrap.wrap(" ".join(help_text.split()), _WIDTH)
