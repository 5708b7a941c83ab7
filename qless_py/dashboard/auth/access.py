"""Who may do what: roles, and the ways in which a request says whose it is.

Without any authenticator the dashboard answers requests from this machine only.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flask import Request

from qless_py.errors import ConfigError

_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 2**20, "dklen": 32}


class Role(enum.IntEnum):
    """What a person may do: look, repair jobs and queues, change settings and purge."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Access:
    """Whose request it is. `shows_data` is the right to see data that is not redacted."""

    name: str
    role: Role = Role.VIEWER
    shows_data: bool = False

    def may(self, role: Role) -> bool:
        """Tell whether this is at least such a role."""
        return self.role >= role


class Authenticator(Protocol):
    """Knows the sender of a request, or gives `None`; `challenge` is its WWW-Authenticate."""

    challenge: str | None

    def __call__(self, request: Request) -> Access | None:
        """Tell whose request it is."""
        ...


def hash_password(password: str, salt: str) -> str:
    """Give `scrypt$salt$hash` for the table of `BasicAuth`. The salt must differ for each."""
    made = hashlib.scrypt(password.encode(), salt=salt.encode(), **_SCRYPT)
    return f"scrypt${salt}${made.hex()}"


def _matches(password: str, stored: str) -> bool:
    _, _, rest = stored.partition("$")
    salt, _, _ = rest.partition("$")
    return hmac.compare_digest(hash_password(password, salt), stored)


class BasicAuth:
    """Names and passwords by HTTP Basic: name -> (`hash_password(…)`, role)."""

    challenge: str | None = 'Basic realm="qless_py", charset="UTF-8"'

    def __init__(self, users: Mapping[str, tuple[str, Role]]) -> None:
        for name, (stored, _) in users.items():
            if not stored.startswith("scrypt$") or stored.count("$") != 2:  # noqa: PLR2004
                raise ConfigError(f"the password of {name} is not made by hash_password")
        self._users = dict(users)
        self._nobody = hash_password("", "nobody")
        self._known: dict[str, tuple[str, str]] = {}
        self._secret = secrets.token_bytes()

    def __call__(self, request: Request) -> Access | None:
        """Check the password; an unknown name takes as long as a wrong password."""
        given = request.authorization
        if given is None or given.type != "basic" or given.username is None:
            return None
        name, password = given.username, given.password or ""
        stored, role = self._users.get(name, (self._nobody, Role.VIEWER))
        is_right = self._is_right(name, password, stored)
        if name not in self._users or not is_right:
            return None
        return Access(name, role, shows_data=role >= Role.OPERATOR)

    def _is_right(self, name: str, password: str, stored: str) -> bool:
        # scrypt takes 50 ms on purpose; a browser sends the password with every request.
        digest = hmac.new(self._secret, password.encode(), "sha256").hexdigest()
        known = self._known.get(name)
        if known is not None and known[0] == stored and hmac.compare_digest(known[1], digest):
            return True
        if not _matches(password, stored):
            return False
        if name in self._users:
            self._known[name] = (stored, digest)
        return True


class BearerAuth:
    """Tokens: the SHA-256 of each, in hexadecimal -> (whose it is, role)."""

    challenge: str | None = "Bearer"

    def __init__(self, tokens: Mapping[str, tuple[str, Role]]) -> None:
        self._tokens = {key.lower(): value for key, value in tokens.items()}

    def __call__(self, request: Request) -> Access | None:
        """Look the token up by its hash, which takes as long for a wrong one."""
        given = request.authorization
        if given is None or given.type != "bearer" or not given.token:
            return None
        found = self._tokens.get(hashlib.sha256(given.token.encode()).hexdigest())
        if found is None:
            return None
        return Access(found[0], found[1], shows_data=found[1] >= Role.OPERATOR)


class ProxyAuth:
    """A header that a proxy sets after it has checked who it is.

    Believed only from the addresses named; `roles` gives each name its role, `default` all others
    (`None`: they may not enter).
    """

    challenge: str | None = None

    def __init__(
        self,
        header: str,
        trusted: Iterable[str],
        roles: Mapping[str, Role] | None = None,
        default: Role | None = Role.VIEWER,
    ) -> None:
        self._header = header
        self._trusted = networks(trusted)
        self._roles = dict(roles or {})
        self._default = default

    def __call__(self, request: Request) -> Access | None:
        """Take the name from the header, if the sender is one of the proxies."""
        name = request.headers.get(self._header)
        peer = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR")
        if not name or not is_in(peer or request.remote_addr, self._trusted):
            return None
        role = self._roles.get(name, self._default)
        return None if role is None else Access(name, role, shows_data=role >= Role.OPERATOR)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: Final[Sequence[str]] = ("127.0.0.0/8", "::1/128")


def networks(given: Iterable[str]) -> list[Network]:
    """Read addresses and networks; raises `ConfigError` for what is neither."""
    try:
        return [ipaddress.ip_network(one) for one in given]
    except ValueError as error:
        raise ConfigError(f"no address or network: {error}") from error


def is_in(address: str | None, allowed: Iterable[Network]) -> bool:
    """Tell whether the address lies in one of them; a mapped IPv4 address counts as itself."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        # A Unix socket has no address: who may open its file is on this machine.
        return not address
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in one for one in allowed)


def is_local(request: Request) -> bool:
    """Tell whether the request comes from this machine, not through a proxy."""
    forwarded = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")
    if any(name in request.headers for name in forwarded):
        return False
    return is_in(request.remote_addr, networks(LOOPBACK))


Decide = Callable[[Request], Access | None]
