"""Settings of a dashboard as a file and the environment say them, for `qless-py web` and WSGI.

The file of people is TOML:

    [users.ann]
    password = "scrypt$…"        # made by: qless-py web --hash-password
    role = "operator"

    [tokens.deploy]
    sha256 = "9f86d0…"
    role = "viewer"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from qless_py.dashboard.auth.access import BasicAuth, BearerAuth, Decide, ProxyAuth, Role
from qless_py.dashboard.config import DashboardConfig
from qless_py.errors import ConfigError

_HASH_LETTERS: Final = 64


def read_people(path: Path) -> list[Decide]:
    """Read a file of people; raises `ConfigError`, which names what is wrong in it."""
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    unknown = sorted(set(known) - {"users", "tokens"})
    if unknown:
        raise ConfigError(f"{path} has {unknown[0]!r}, and only users and tokens are known")
    users = {
        name: (_text(path, name, one, "password"), role_of(_text(path, name, one, "role")))
        for name, one in _table(path, known, "users").items()
    }
    tokens = {
        _hash(path, name, one): (name, role_of(_text(path, name, one, "role")))
        for name, one in _table(path, known, "tokens").items()
    }
    if not users and not tokens:
        raise ConfigError(f"{path} names nobody")
    found: list[Decide] = []
    if tokens:
        found.append(BearerAuth(tokens))
    if users:
        found.append(BasicAuth(users))
    return found


def role_of(word: str) -> Role:
    """Read the name of a role."""
    try:
        return Role[word.upper()]
    except KeyError:
        known = ", ".join(role.name.lower() for role in Role)
        raise ConfigError(f"there is no role {word!r}; there are {known}") from None


def _table(path: Path, known: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = known.get(name, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: {name} is no table of names")
    return found


def _text(path: Path, name: str, one: Any, key: str) -> str:
    value = one.get(key) if isinstance(one, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {name} has no {key}")
    return value


def _hash(path: Path, name: str, one: Any) -> str:
    value = _text(path, name, one, "sha256").lower()
    if len(value) != _HASH_LETTERS or any(letter not in "0123456789abcdef" for letter in value):
        raise ConfigError(f"{path}: the sha256 of {name} is not {_HASH_LETTERS} hexadecimal digits")
    return value


def authenticators(
    people: Path | None, proxy_header: str | None, trusted: tuple[str, ...], proxy_role: str
) -> list[Decide]:
    """Give the ways to enter that were set up."""
    found = [] if people is None else read_people(people)
    if proxy_header is not None:
        if not trusted:
            raise ConfigError("a header of a proxy needs the addresses of the proxies it is from")
        found.append(ProxyAuth(proxy_header, trusted, default=role_of(proxy_role)))
    return found


def from_environment(environ: Mapping[str, str] = os.environ) -> DashboardConfig:
    """Read the settings out of variables that begin with QLESS_PY_WEB_, as `qless-py web` has them.

    PEOPLE, PROXY_HEADER, TRUSTED_PROXY, PROXY_ROLE, SECRET, READ_ONLY, TRUSTED_HOST,
    TRUSTED_ORIGIN, LABEL; several values are parted by spaces. STREAMS is less than the
    threads of the server: each stream takes one.
    """
    given = {
        name.removeprefix("QLESS_PY_WEB_").lower(): value
        for name, value in environ.items()
        if name.startswith("QLESS_PY_WEB_") and value
    }
    people = Path(given["people"]) if "people" in given else None
    return DashboardConfig(
        auth=authenticators(
            people,
            given.get("proxy_header"),
            tuple(given.get("trusted_proxy", "").split()),
            given.get("proxy_role", "viewer"),
        ),
        secret=given.get("secret"),
        read_only=given.get("read_only", "").lower() in {"1", "true", "yes", "on"},
        trusted_hosts=given.get("trusted_host", "").split(),
        trusted_origins=given.get("trusted_origin", "").split(),
        streams=_streams(given.get("streams", "8")),
        environment=given.get("label"),
    )


def _streams(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ConfigError(f"QLESS_PY_WEB_STREAMS is a number, or 0 for none, not {text!r}")
    return int(text)
