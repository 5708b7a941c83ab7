"""Users and tokens of the dashboard, read from a TOML file.

[users.ann]
password = "scrypt$…"        # made by: qless-py web --hash-password
role = "operator"

[tokens.deploy]
sha256 = "9f86d0…"
role = "viewer"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from qless_py.auth.identity import Authenticator, BasicAuth, BearerAuth, ProxyAuth, Role
from qless_py.errors import ConfigError

_HASH_LETTERS: Final = 64


def read_people(path: Path) -> list[Authenticator]:
    """Read authenticators from a TOML file; raises `ConfigError` that names the faulty entry."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    unknown = sorted(set(content) - {"users", "tokens"})
    if unknown:
        raise ConfigError(f"{path}: unknown table {unknown[0]!r}; expected users or tokens")
    users = {
        name: (_text(path, name, one, "password"), parse_role(_text(path, name, one, "role")))
        for name, one in _table(path, content, "users").items()
    }
    tokens = {
        _hash(path, name, one): (name, parse_role(_text(path, name, one, "role")))
        for name, one in _table(path, content, "tokens").items()
    }
    if not users and not tokens:
        raise ConfigError(f"{path}: no users and no tokens")
    found: list[Authenticator] = []
    if tokens:
        found.append(BearerAuth(tokens))
    if users:
        found.append(BasicAuth(users))
    return found


def parse_role(name: str) -> Role:
    """Parse a role name; raises `ConfigError`."""
    try:
        return Role[name.upper()]
    except KeyError:
        known = ", ".join(role.name.lower() for role in Role)
        raise ConfigError(f"unknown role {name!r}; expected {known}") from None


def _table(path: Path, content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: {name} must be a table")
    return found


def _text(path: Path, name: str, one: Any, key: str) -> str:
    value = one.get(key) if isinstance(one, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {name} has no {key}")
    return value


def _hash(path: Path, name: str, one: Any) -> str:
    value = _text(path, name, one, "sha256").lower()
    if len(value) != _HASH_LETTERS or any(letter not in "0123456789abcdef" for letter in value):
        raise ConfigError(f"{path}: sha256 of {name} must be {_HASH_LETTERS} hexadecimal digits")
    return value


def authenticators(
    people: Path | None, proxy_header: str | None, trusted: tuple[str, ...], proxy_role: str
) -> list[Authenticator]:
    """Return the configured authenticators; raises `ConfigError`."""
    found = [] if people is None else read_people(people)
    if proxy_header is not None:
        if not trusted:
            raise ConfigError("a proxy header needs the addresses of the trusted proxies")
        found.append(ProxyAuth(proxy_header, trusted, default=parse_role(proxy_role)))
    return found
