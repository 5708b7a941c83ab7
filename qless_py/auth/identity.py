"""Roles, and the authenticators that identify the sender of a request.

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
from typing import Final

from flask import Request

from qless_py.errors import ConfigError

_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 2**20, "dklen": 32}


class Role(enum.IntEnum):
    """What someone may do: view, repair jobs and queues, change settings and purge."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Access:
    """An authenticated identity. With `shows_data` it sees values that are redacted for others."""

    name: str
    role: Role = Role.VIEWER
    shows_data: bool = False

    def may(self, role: Role) -> bool:
        """Return whether this identity has at least the given role."""
        return self.role >= role


# Returns the identity that sent a request, None if unknown. An authenticator may have an attribute
# `challenge`: the value of the WWW-Authenticate header sent with a 401.
Authenticator = Callable[[Request], Access | None]


def hash_password(password: str, salt: str) -> str:
    """Return `scrypt$salt$hash`, as `BasicAuth` expects it. Use a different salt per password."""
    made = hashlib.scrypt(password.encode(), salt=salt.encode(), **_SCRYPT)
    return f"scrypt${salt}${made.hex()}"


def _matches(password: str, stored: str) -> bool:
    _, _, rest = stored.partition("$")
    salt, _, _ = rest.partition("$")
    return hmac.compare_digest(hash_password(password, salt), stored)


class BasicAuth:
    """HTTP Basic authentication: name -> (`hash_password(…)`, role).

    Raises `ConfigError` for a password that `hash_password` did not make.
    """

    challenge: str | None = 'Basic realm="qless_py", charset="UTF-8"'

    def __init__(self, users: Mapping[str, tuple[str, Role]]) -> None:
        for name, (stored, _) in users.items():
            if not stored.startswith("scrypt$") or stored.count("$") != 2:  # noqa: PLR2004
                raise ConfigError(f"password of {name!r} was not made by hash_password")
        self._users = dict(users)
        self._unknown_user_hash = hash_password("", "unknown")
        self._verified: dict[str, tuple[str, str]] = {}
        self._secret = secrets.token_bytes()

    def __call__(self, request: Request) -> Access | None:
        """Check the password. An unknown name takes as long as a wrong password."""
        given = request.authorization
        if given is None or given.type != "basic" or given.username is None:
            return None
        name, password = given.username, given.password or ""
        stored, role = self._users.get(name, (self._unknown_user_hash, Role.VIEWER))
        is_correct = self._verify(name, password, stored)
        if name not in self._users or not is_correct:
            return None
        return Access(name, role, shows_data=role >= Role.OPERATOR)

    def _verify(self, name: str, password: str, stored: str) -> bool:
        # scrypt takes 50 ms by design and a browser sends the password with every request, so a
        # keyed digest of a verified password is cached.
        digest = hmac.new(self._secret, password.encode(), "sha256").hexdigest()
        verified = self._verified.get(name)
        if verified and verified[0] == stored and hmac.compare_digest(verified[1], digest):
            return True
        if not _matches(password, stored):
            return False
        if name in self._users:
            self._verified[name] = (stored, digest)
        return True


class BearerAuth:
    """Bearer tokens: SHA-256 of the token in hexadecimal -> (name, role)."""

    challenge: str | None = "Bearer"

    def __init__(self, tokens: Mapping[str, tuple[str, Role]]) -> None:
        self._tokens = {key.lower(): value for key, value in tokens.items()}

    def __call__(self, request: Request) -> Access | None:
        """Look up the token by its hash, so that timing reveals nothing about valid tokens."""
        given = request.authorization
        if given is None or given.type != "bearer" or not given.token:
            return None
        found = self._tokens.get(hashlib.sha256(given.token.encode()).hexdigest())
        if found is None:
            return None
        return Access(found[0], found[1], shows_data=found[1] >= Role.OPERATOR)


class ProxyAuth:
    """A header that a proxy sets once it has authenticated the user.

    The header is trusted only from the `trusted` addresses and networks. `roles` maps names to
    roles, all others get `default` (`None` denies them access).
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
        self._trusted = parse_networks(trusted)
        self._roles = dict(roles or {})
        self._default = default

    def __call__(self, request: Request) -> Access | None:
        """Read the name from the header if a trusted proxy sent the request."""
        name = request.headers.get(self._header)
        peer = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR")
        if not name or not _is_in(peer or request.remote_addr, self._trusted):
            return None
        role = self._roles.get(name, self._default)
        return None if role is None else Access(name, role, shows_data=role >= Role.OPERATOR)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LOOPBACK: Final[Sequence[Network]] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)


def parse_networks(addresses: Iterable[str]) -> list[Network]:
    """Parse IP addresses and networks; raises `ConfigError`."""
    try:
        return [ipaddress.ip_network(one) for one in addresses]
    except ValueError as error:
        raise ConfigError(f"not an IP address or network: {error}") from error


def _is_in(address: str | None, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of the networks; IPv4-mapped IPv6 counts as IPv4."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        # A Unix socket has no address: only processes of this machine can connect to it.
        return not address
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in one for one in networks)


def is_local(request: Request) -> bool:
    """Return whether a request comes from this machine and not through a proxy."""
    forwarded = ("X-Forwarded-For", "Forwarded", "X-Real-Ip")
    if any(name in request.headers for name in forwarded):
        return False
    return _is_in(request.remote_addr, _LOOPBACK)
