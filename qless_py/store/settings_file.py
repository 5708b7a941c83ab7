"""The settings file: which store is used, and the defaults of each command.

The file is named by `--config` or QLESS_PY_CONFIG; else it is the nearest `qless-py.toml`, or
`pyproject.toml` with a table `[tool.qless-py]`, in the current folder or above. A table
`[environments.NAME]` overrides the rest in that environment, which is named by `--environment` or
QLESS_PY_ENV, else by the key `environment` of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from qless_py.errors import ConfigError
from qless_py.protocol import arguments

FILE: Final = "qless-py.toml"
PROJECT: Final = "pyproject.toml"
TABLE: Final = "qless-py"
TOP: Final = ("url", "namespace", "app", "environment", "environments")
DEFAULT_NAMESPACE: Final = "ql"


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The settings of a file in one environment.

    `sections` are its tables, one for each command, `environments` the names of all environments.
    """

    path: Path | None = None
    environment: str | None = None
    url: str | None = field(default=None, repr=False)
    namespace: str | None = None
    app: str | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)
    environments: tuple[str, ...] = ()


def load(
    path: str | Path | None = None,
    environment: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> FileSettings:
    """Read the settings file; ConfigError says what is wrong with it."""
    named = path or environ.get("QLESS_PY_CONFIG") or None
    chosen = Path(named) if named else find(folder)
    if chosen is None:
        if environment:
            raise ConfigError(f"environment {environment!r} needs a {FILE}, and there is none")
        return FileSettings()
    settings = _read(chosen)
    name = environment or environ.get("QLESS_PY_ENV") or settings.get("environment")
    merged = _in_environment(chosen, settings, name)
    return FileSettings(
        chosen,
        name,
        _text(chosen, merged, "url"),
        _text(chosen, merged, "namespace"),
        _text(chosen, merged, "app"),
        {key: value for key, value in merged.items() if key not in TOP},
        tuple(settings.get("environments", {})),
    )


def find(folder: Path | None = None) -> Path | None:
    """Return the nearest settings file, in this folder or above, None if there is none."""
    try:
        start = folder or Path.cwd()
    except FileNotFoundError:
        return None  # The current folder was deleted.
    for place in (start, *start.parents):
        if _is_file(place / FILE):
            return place / FILE
        if _mentions(place / PROJECT):
            return place / PROJECT
    return None


def unknown(what: str, key: str, known: Iterable[str]) -> str:
    """Return the message about an unknown key, with the nearest known one."""
    near = arguments.nearest(key, sorted(known))
    return f"unknown {what} {key!r}" + (f": did you mean {near!r}?" if near else "")


def namespace(given: str | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """Return the namespace to use: the argument, QLESS_PY_NAMESPACE, the file's, or `ql`."""
    if given is not None:
        return given
    named = environ.get("QLESS_PY_NAMESPACE") or load(environ=environ).namespace
    return named or DEFAULT_NAMESPACE


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # The folder may not be read.


def _mentions(path: Path) -> bool:
    # Parsed only if it mentions the table: faults in a file without it are none of ours.
    try:
        return f"tool.{TABLE}" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - needed only with a file

    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if path.name == PROJECT:
        tools = _table(path, value.get("tool", {}), "tool")
        value = _table(path, tools.get(TABLE, {}), f"tool.{TABLE}")
    for name, table in _table(path, value.get("environments", {}), "environments").items():
        _table(path, table, f"environments.{name}")
    return value


def _table(path: Path, value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name} is not a table")
    return value


def _in_environment(path: Path, settings: dict[str, Any], name: Any) -> dict[str, Any]:
    environments = settings.get("environments", {})
    if name is None:
        return settings
    if not isinstance(name, str):
        raise ConfigError(f"{path}: environment must be text")
    if name not in environments:
        message = unknown("environment", name, environments)
        raise ConfigError(f"{path}: {message}")
    for key in ("environment", "environments"):
        if key in environments[name]:
            raise ConfigError(f"{path}: {key} cannot be inside an environment")
    return _merged(settings, environments[name])


def _merged(base: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _text(path: Path, settings: Mapping[str, Any], key: str) -> str | None:
    value = settings.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{path}: {key} must be text")
    return value or None
