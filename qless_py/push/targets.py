"""Decide which addresses outgoing requests may reach.

URLs come from outside, so a request may only reach what anybody could reach: public addresses, on
the ports of HTTP. Everything else an operator allows by name. The addresses that a name resolves to
are judged, never its text: a name can resolve to 127.0.0.1. Each of them has to pass. The sender
connects to the addresses that were judged, so a second, different answer of the name server changes
nothing.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError, QlessError
from qless_py.protocol import http_urls
from qless_py.protocol.http_urls import HttpUrl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS: Final = (80, 443)
_MAX_ADDRESSES: Final = 32
_MAX_NAMES: Final = 1000
_LOOK_UPS: Final = 64  # at once
_KEPT: Final = 10.0  # Seconds for which the answer of a name server is used again.

# Metadata services of clouds, which hand out credentials to any process on the machine.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Google Cloud, Azure and most others
            "169.254.170.2",  # tasks of AWS ECS
            "169.254.170.23",  # pods of AWS EKS
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",
            "fd20:ce::254",  # Google Cloud
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # the wire server of Azure, a public address
            "192.0.0.192",  # Oracle Cloud
        ),
    )
)
# `ipaddress` alone does not decide: what its `is_global` says differs between releases of Python,
# and it is true of addresses behind which an IPv4 address is hidden.
_SPECIAL: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
# All other IPv6 is local, multicast, unassigned, or carries an IPv4 address: mapped, compatible,
# NAT64 (64:ff9b::/96, 64:ff9b:1::/48), site-local (fec0::/10).
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_SPECIAL_6: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID and other protocols
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)
# Their last 32 bits are an address of IPv4: NAT64 (RFC 6052, RFC 8215), SIIT and compatible ones.
_TRANSLATED: Final = tuple(
    map(
        ipaddress.IPv6Network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96"),
    )
)
# Reserved for documents: no interface has it, unless anything may be bound.
_NOBODY: Final = "192.0.2.1"


class TargetRefusedError(QlessError):
    """A request may not reach this URL."""

    omit_traceback = True


class UnresolvedTargetError(QlessError):
    """The host of a URL has no address, or the name server did not answer."""

    omit_traceback = True


Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns all addresses of a host as text; raises OSError if there are none."""


async def resolve(host: str, port: int) -> list[str]:
    """Return all addresses of a host, as the C library finds them."""
    loop = asyncio.get_running_loop()
    look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await loop.run_in_executor(_threads(os.getpid()), look_up)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@functools.lru_cache(maxsize=1)
def _threads(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process for look-ups.

    A name server that does not answer would occupy the few threads of an event loop.
    """
    return ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="resolve")


@dataclass(frozen=True, slots=True)
class Checked:
    """A URL and the addresses that may be connected to for it."""

    url: HttpUrl
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One entry of an allow or deny list; `port` None stands for any port."""

    network: Network | None
    host: str | None
    port: int | None

    @classmethod
    def of(cls, what: str, text: Any) -> _Rule:
        if not isinstance(text, str) or not text:
            raise BadArgumentError(f"{what}: {text!r} is not a network or host")
        try:
            return cls(ipaddress.ip_network(text), None, None)
        except ValueError as error:
            if "/" in text:
                raise BadArgumentError(f"{what}: {text!r} is not a network: {error}") from None
        host, colon, port = text.rpartition(":")
        if not colon:
            host = text
        number = int(port) if colon and port.isascii() and port.isdecimal() else 0
        if colon and not 1 <= number <= 65535:  # noqa: PLR2004 - the last port
            raise BadArgumentError(f"{what}: {text!r} has no port from 1 to 65535")
        if host == "*" and colon:
            return cls(None, "*", number)
        name = host.removeprefix("*.").lower()
        literal = http_urls.parse(f"http://{name}/", f"{what} {text!r}")
        if literal.address is not None and host == name:
            return cls(ipaddress.ip_network(literal.host), None, number)
        star = "*." if host.startswith("*.") else ""
        return cls(None, star + literal.host.removesuffix("."), number or None)

    def matches_host(self, url: HttpUrl) -> bool:
        """Return whether the rule names the host of a URL and its port."""
        if self.host is None or self.port not in (None, url.port):
            return False
        host = url.host.removesuffix(".")
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return host == self.host

    def matches(self, address: Address, port: int) -> bool:
        """Return whether an address is in the network of the rule."""
        if self.network is None or self.port not in (None, port):
            return False
        return address.version == self.network.version and address in self.network


class Targets:
    """Which URLs may be requested.

    Without arguments: public addresses on ports 80 and 443. `allow` adds to that, with

    * `10.0.0.0/8` or `10.1.2.3`: these addresses, on any port; `10.1.2.3:8080`: on one port;
    * `hooks.internal:8080`: this host on this port, whatever it resolves to; `hooks.internal`: on
      ports 80 and 443; `*.internal:8080`: all hosts below it;
    * `*:8080`: public addresses on this port as well.

    `deny` takes the same entries except the last; it wins over `allow`, and a host without a port
    is denied on all. The metadata services of clouds are always denied. With `https_only`, so is
    http. `resolver` finds the addresses of a name; an answer is used for ten seconds.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        *,
        https_only: bool = False,
        resolver: Resolver = resolve,
    ) -> None:
        self._allow = [_Rule.of("allow", one) for one in listed("allow", allow)]
        self._deny = [_Rule.of("deny", one) for one in listed("deny", deny)]
        self._https_only = https_only
        self._resolver = resolver
        self._ports = {*PORTS, *(rule.port for rule in self._allow if rule.host == "*")}
        self._found: dict[tuple[str, int], tuple[float, asyncio.Future[Checked]]] = {}

    async def check(self, url: HttpUrl) -> Checked:
        """Resolve the host of a URL, judge every address, and return them.

        Raises `TargetRefusedError`, and `UnresolvedTargetError` if there is no address.
        """
        if self._https_only and url.scheme != "https":
            raise TargetRefusedError(f"{url.target} is refused: only https is allowed")
        key = (url.host, url.port)
        now = time.monotonic()
        until, future = self._found.get(key, (0.0, None))
        if future is None or until < now or future.get_loop() is not asyncio.get_running_loop():
            future = asyncio.ensure_future(self._resolve(url))
            future.add_done_callback(_retrieve)
            self._forget(now)
            self._found[key] = (now + _KEPT, future)
        # Others may wait for the same answer: a caller that gives up does not take it from them.
        found = await asyncio.shield(future)
        return Checked(url, found.addresses)

    def _forget(self, now: float) -> None:
        if len(self._found) < _MAX_NAMES:
            return
        self._found = {key: one for key, one in self._found.items() if one[0] >= now}
        while len(self._found) >= _MAX_NAMES:
            del self._found[next(iter(self._found))]

    async def _resolve(self, url: HttpUrl) -> Checked:
        try:
            return await self._look_up(url)
        except BaseException:
            self._found.pop((url.host, url.port), None)  # The next request asks again.
            raise

    async def _look_up(self, url: HttpUrl) -> Checked:
        if (literal := url.address) is not None:
            texts: Sequence[str] = [str(literal)]
        else:
            try:
                texts = await self._resolver(url.host, url.port)
            except (OSError, UnicodeError) as error:
                raise UnresolvedTargetError(f"cannot resolve {url.host}: {error}") from error
        addresses = [http_urls.as_address(text) for text in texts[:_MAX_ADDRESSES]]
        if not addresses:
            raise UnresolvedTargetError(f"cannot resolve {url.host}: it has no address")
        for address, text in zip(addresses, texts, strict=False):
            why = "it is not an address" if address is None else self._refusal(url, address)
            if why is not None:
                shown = url.target if literal else f"{url.target} ({text})"
                raise TargetRefusedError(f"{shown} is refused: {why}")
        return Checked(url, tuple(address for address in addresses if address is not None))

    def _refusal(self, url: HttpUrl, resolved: Address) -> str | None:
        """Return why an address of a URL may not be connected to, `None` if it may."""
        address = _unmapped(resolved)
        reached = (address, *_translated(address))
        if any(one in _METADATA for one in reached):
            return "it is the metadata service of a cloud"
        if any(r.matches_host(url) for r in self._deny) or any(
            r.matches(one, url.port) for r in self._deny for one in reached
        ):
            return "it is on the deny list"
        if any(rule.matches(address, url.port) for rule in self._allow):
            return None
        named = [rule for rule in self._allow if rule.matches_host(url)]
        if any(rule.port is not None or url.port in PORTS for rule in named):
            return None
        if url.port not in self._ports:
            return f"port {url.port} is not allowed; {_permit(url)}"
        return None if is_public(address) else f"it is not a public address; {_permit(url)}"


def _permit(url: HttpUrl) -> str:
    return f"start the worker with --allow-target {url.target} to allow it"


def is_public(address: Address) -> bool:
    """Return whether an address is one on the public internet, and not one of this machine."""
    address = _unmapped(address)
    if isinstance(address, ipaddress.IPv6Address):
        is_special = address not in _UNICAST or any(address in one for one in _SPECIAL_6)
    else:
        is_special = any(address in one for one in _SPECIAL)
    if is_special or not address.is_global or address in _METADATA:
        return False
    return not is_own(address)


def is_own(address: Address) -> bool:
    """Return whether an interface of this machine has the address: only then it can be bound."""
    return _can_bind(str(address)) and not _can_bind(_NOBODY)


def _can_bind(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True


def _translated(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 address that a gateway may make of an IPv6 address, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if any(address in one for one in _TRANSLATED):
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def _unmapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def listed(what: str, value: Iterable[str]) -> list[str]:
    """Return the entries of a list; text, which would be a list of letters, is refused."""
    if isinstance(value, str | bytes):
        raise BadArgumentError(f"{what} must be a list, not {value!r}")
    return list(value)


def _retrieve(future: asyncio.Future[Checked]) -> None:
    """Mark an exception as retrieved: all callers that waited for it may have timed out."""
    if not future.cancelled():
        future.exception()
