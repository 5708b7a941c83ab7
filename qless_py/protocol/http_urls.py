"""Check the URLs and headers of outgoing HTTP requests; nothing here resolves a name or sends.

A URL has one meaning only: everything that parsers of URLs are known to disagree about is refused.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from qless_py.errors import BadArgumentError

PORTS: Final = {"http": 80, "https": 443}
MAX_URL: Final = 2083  # As Cloud Tasks has it.
MAX_HEADERS: Final = 50
MAX_HEADER_BYTES: Final = 16 * 1024

_PLAIN: Final = re.compile(r"[\x21-\x7e]*", re.ASCII)
# Printable ASCII that RFC 3986 does not allow anywhere in a URL.
_FORBIDDEN: Final = re.compile(r'[\\"<>^`{|}]')
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_MAX_HOST: Final = 253
_MAX_PORT: Final = 65535

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*", re.ASCII)
# The connection is the sender's business: these would change where a message ends or who gets it.
_CONNECTION: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What a target trusts to come from us.
_OWN: Final = frozenset({"x-task-id"})
_OWN_PREFIXES: Final = ("qless-", "webhook-", "proxy-", "x-cloudtasks-", "x-appengine-")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """A checked URL: `host` is a name in lower case or an IP address without brackets.

    `text` is the URL in its one form: without a fragment, and with the default port left out.
    """

    text: str
    scheme: str
    host: str
    port: int

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address, if the host is one."""
        return as_address(self.host)

    @property
    def target(self) -> str:
        """The host and the port: `example.com:443`, `[::1]:80`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def as_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is in its standard notation, else `None`."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def parse(value: Any, what: str = "url") -> HttpUrl:
    """Return a checked http or https URL; raise `BadArgumentError` saying what is wrong with it."""
    _check_characters(value, what)
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise BadArgumentError(f"{what} {value!r} is not a URL: {error}") from error
    if parts.scheme not in PORTS:
        raise BadArgumentError(f"{what} {value!r} does not start with http:// or https://")
    if "@" in parts.netloc:
        # The message does not repeat the password.
        raise BadArgumentError(f"{what} holds a user name or password; send a header instead")
    if (found := _AUTHORITY.fullmatch(parts.netloc)) is None:
        raise BadArgumentError(f"{what} {value!r} has no valid host")
    host = _host(found[1].lower(), what)
    port = int(found[2]) if found[2] else PORTS[parts.scheme]
    if not 1 <= port <= _MAX_PORT:
        raise BadArgumentError(f"{what} {value!r} has no port from 1 to {_MAX_PORT}")
    shown = f"[{host}]" if ":" in host else host
    target = shown if port == PORTS[parts.scheme] else f"{shown}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return HttpUrl(f"{parts.scheme}://{target}{parts.path or '/'}{query}", parts.scheme, host, port)


def _check_characters(value: Any, what: str) -> None:
    if not isinstance(value, str):
        raise BadArgumentError(f"{what} {value!r} is not text")
    if len(value) > MAX_URL:
        raise BadArgumentError(f"{what} has {len(value)} characters, more than {MAX_URL}")
    if not _PLAIN.fullmatch(value):
        raise BadArgumentError(
            f"{what} {value!r} holds spaces, control characters or letters outside ASCII; "
            "write a path percent-encoded and a host in its xn-- form"
        )
    if (wrong := _FORBIDDEN.search(value)) is not None:
        raise BadArgumentError(f"{what} {value!r} holds {wrong[0]!r}, which no URL may contain")
    if _ESCAPE.search(value):
        raise BadArgumentError(f"{what} {value!r} holds a % without two hexadecimal digits")


def _host(host: str, what: str) -> str:
    if host.startswith("["):
        address = as_address(host[1:-1])
        if address is None:
            raise BadArgumentError(f"{what}: host {host} is not an IPv6 address")
        return str(address)
    labels = host.removesuffix(".").split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadArgumentError(f"{what}: host {host!r} is not a host name")
    # "127.1", "0x7f.1" and "2130706433" are addresses to the C library, and names to a reader.
    last = labels[-1]
    if (last.isdecimal() or last.startswith("0x")) and as_address(host) is None:
        raise BadArgumentError(
            f"{what}: host {host!r} is not an IPv4 address of four decimal numbers"
        )
    return host


def headers(value: Any, what: str = "headers") -> dict[str, str]:
    """Return headers that a user may set; refuse those that the sender sets or that could split.

    `User-Agent` and `Content-Type` may be set.
    """
    if not isinstance(value, Mapping):
        raise BadArgumentError(f"{what} is not a mapping from names to text")
    if len(value) > MAX_HEADERS:
        raise BadArgumentError(f"{what} holds {len(value)} headers, more than {MAX_HEADERS}")
    found: dict[str, str] = {}
    for name, text in value.items():
        checked = header_name(name, what)
        if checked.lower() in {one.lower() for one in found}:
            raise BadArgumentError(f"{what} holds {checked!r} twice")
        found[checked] = _header_value(checked, text, what)
    size = sum(len(name) + len(text) + 4 for name, text in found.items())
    if size > MAX_HEADER_BYTES:
        raise BadArgumentError(f"{what} takes {size} bytes, more than {MAX_HEADER_BYTES}")
    return found


def header_name(value: Any, what: str = "headers") -> str:
    """Return the name of a header that a user may set."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise BadArgumentError(f"{what}: {value!r} is not the name of a header")
    lower = value.lower()
    if lower in _CONNECTION or lower in _OWN or lower.startswith(_OWN_PREFIXES):
        raise BadArgumentError(f"{what}: {value} cannot be set; the sender sets it")
    return value


def is_value(text: str) -> bool:
    """Return whether a text can be the value of a header."""
    return _VALUE.fullmatch(text) is not None


def _header_value(name: str, value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise BadArgumentError(f"{what}: the value of {name} is not text")
    if not is_value(value):
        # The value may be a secret: it is not repeated.
        raise BadArgumentError(
            f"{what}: the value of {name} holds line breaks, control characters or letters "
            "outside ASCII"
        )
    return value.strip(" \t")
