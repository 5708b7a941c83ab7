"""Store URLs: which server a URL names, and how to show it without secrets."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from redis.connection import parse_url

from qless_py.errors import StoreError
from qless_py.store import settings_file

logger = logging.getLogger(__name__)

Kind = Literal["embedded", "tcp", "unix", "sentinel", "cluster"]
Address = tuple[str, int]

VARIABLES: Final = ("QLESS_PY_URL", "REDIS_URL")
_KINDS: Final[Mapping[str, Kind]] = {
    "embedded": "embedded",
    "redis": "tcp",
    "rediss": "tcp",
    "unix": "unix",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}
_PORTS: Final[Mapping[str, int]] = {"tcp": 6379, "sentinel": 26379, "cluster": 6379}
_LOGGED: Final[set[str]] = set()  # the embedded stores that were chosen for want of a URL
_MAX_PORT: Final = 65535
_ELSEWHERE: Final = frozenset({"host", "port", "path", "connection_class"})
PLACE_OPTIONS: Final = frozenset({"host", "port", "ssl", "unix_socket_path"})
_HOST: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_SECRET_OPTION: Final = re.compile(r"([?&][^=&]*(?:password|username)[^=&]*=)[^&]*", re.IGNORECASE)
_ODD_PORT: Final = re.compile(r"(\[[^\]]*\])|:(?![0-9]*(?:[,/?]|$))[^,/?]*")


@dataclass(frozen=True, slots=True)
class StoreURL:
    """A parsed URL; neither its repr nor its text shows a password."""

    kind: Kind
    shown: str
    tls: bool = False
    hosts: tuple[Address, ...] = ()
    path: str = ""  # the data folder of an embedded store, or the socket of a unix:// one
    service: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.shown


def redacted(url: str) -> str:
    """Return the URL as it may be logged: user and host, but no password."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "<no scheme>"
    if not rest.startswith("/"):
        # A password may contain an unquoted "/" or "?": all before the last "@" counts as secret.
        user, at, place = rest.rpartition("@")
        name, colon, _ = user.partition(":")
        shown = f"{name}:***@" if name and colon else "***@"
        host, question, query = place.partition("?")
        host = _ODD_PORT.sub(lambda found: found[1] or ":***", host)
        rest = f"{shown if at else ''}{host}{question}{query}"
    return f"{scheme}://" + _SECRET_OPTION.sub(r"\1***", rest)


def resolve(
    url: str | None = None,
    *,
    is_shown: bool = False,
    configured: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Return the URL to use: the argument, QLESS_PY_URL, REDIS_URL, the configured or embedded one.

    `configured` defaults to the URL in the settings file. A caller that shows the URL itself says
    so with `is_shown`; else the choice of the embedded store is logged, once.
    """
    for candidate in (url, *(environ.get(name) for name in VARIABLES), configured):
        if candidate:
            return candidate
    if configured is None and (from_file := settings_file.load(environ=environ).url):
        return from_file
    return _default_url(environ, is_shown=is_shown)


def _default_url(environ: Mapping[str, str], *, is_shown: bool) -> str:
    """Return the URL of the embedded store, and say once that no other was named."""
    url = _embedded_url(str(default_folder(environ)))
    if url not in _LOGGED:
        _LOGGED.add(url)
        if is_shown:
            return url
        logger.info(
            "no store is named by a URL, QLESS_PY_URL, REDIS_URL or the settings file, "
            "using the embedded one at %s",
            url,
        )
    return url


def options_url(options: Mapping[str, Any]) -> str | None:
    """Return the URL of the server that options of redis-py name, or None if they name none."""
    host, port, path = (options.get(name) for name in ("host", "port", "unix_socket_path"))
    if path is not None:
        if host is not None or port is not None:
            raise StoreError("the store is named twice, by unix_socket_path and by host or port")
        return f"unix://{quote(str(path))}"
    if host is None and port is None:
        return None
    host = "localhost" if host is None else host
    if not isinstance(host, str):
        raise StoreError(f"host {host!r} is not text")
    address = f"[{host}]" if ":" in host else host
    scheme = "rediss" if options.get("ssl") else "redis"
    return f"{scheme}://{address}:{_PORTS['tcp'] if port is None else port}"


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the data folder of this user's embedded store."""
    base = environ.get("XDG_DATA_HOME", "")
    # The XDG specification requires relative paths to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "share"
    return root / "qless_py"


def parse(url: str) -> StoreURL:
    """Parse a URL. Raises StoreError, whose message contains no password."""
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    kind = _KINDS.get(scheme)
    if kind is None:
        known = ", ".join(f"{one}://" for one in _KINDS)
        raise StoreError(f"{redacted(url)} is not a store URL: it must start with one of {known}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unusable(url, "its host cannot be read") from None
    tls = scheme.startswith("rediss")
    if kind == "embedded":
        return _embedded(url, parts)
    if parts.fragment:
        raise _unusable(url, "write %23 for #")
    if kind == "unix":
        if not unquote(parts.path).strip("/"):
            raise _unusable(url, "it has no socket path, as in unix:///path/to/redis.sock")
        options = _options(url, url)
        return StoreURL(kind, redacted(url), path=unquote(parts.path), options=options)
    hosts = _hosts(url, parts, kind)
    service, database = _service_and_database(url, parts, kind)
    user, at, _ = parts.netloc.rpartition("@")
    single = f"redis{'s' if tls else ''}://{user}{at}localhost/{database}"
    options = _options(url, f"{single}?{parts.query}" if parts.query else single)
    if kind == "cluster" and options.pop("db", 0):
        raise _unusable(url, "a cluster has database 0 only")
    return StoreURL(kind, redacted(url), tls, hosts, "", service, options)


def _embedded(url: str, parts: SplitResult) -> StoreURL:
    if parts.netloc:
        raise _unusable(url, "the folder must be absolute, with three slashes: embedded:///folder")
    if parts.query or parts.fragment:
        raise _unusable(url, "an embedded store takes no options; write %3F for ? and %23 for #")
    folder = unquote(parts.path)
    if "\0" in folder:
        raise _unusable(url, "a folder name cannot contain a null byte")
    path = str(default_folder() if folder in ("", "/") else Path(folder))
    return StoreURL("embedded", _embedded_url(path), path=path)


def _embedded_url(folder: str) -> str:
    return f"embedded://{quote(folder)}"


def _hosts(url: str, parts: SplitResult, kind: Kind) -> tuple[Address, ...]:
    named = parts.netloc.rpartition("@")[2].split(",")
    if kind == "tcp" and len(named) > 1:
        raise _unusable(url, "several hosts need redis+sentinel:// or redis+cluster://")
    if kind == "tcp" and named == [""]:
        named = ["localhost"]
    found = []
    for one in named:
        match = _HOST.fullmatch(one)
        port = int(match["port"] or _PORTS[kind]) if match else 0
        if match is None or not 0 < port <= _MAX_PORT:
            raise _unusable(url, "each host must be a name or an address, optionally with a port")
        found.append((match["host"].strip("[]"), port))
    return tuple(found)


def _service_and_database(url: str, parts: SplitResult, kind: Kind) -> tuple[str, str]:
    pieces = [unquote(piece) for piece in parts.path.split("/") if piece]
    service = ""
    if kind == "sentinel":
        if not pieces:
            raise _unusable(
                url, "it has no service name, as in redis+sentinel://host:26379/service/0"
            )
        service = pieces.pop(0)
    named_again = pieces and "db" in parse_qs(parts.query)
    database = pieces.pop(0) if pieces else "0"
    if pieces or not (database.isascii() and database.isdigit()):
        raise _unusable(url, "only a database number may follow after the hosts")
    if named_again:
        raise _unusable(url, "it names the database twice, in its path and as db=")
    return service, database


def _options(url: str, single: str) -> dict[str, Any]:
    """Return the user, the database and the options after "?", as redis-py parses them."""
    try:
        found = dict(parse_url(single))
    except ValueError:
        wrong = _invalid(single)
        raise _unusable(url, f"the value of {wrong or 'one of its options'} is not valid") from None
    return {name: value for name, value in found.items() if name not in _ELSEWHERE}


def _invalid(single: str) -> str | None:
    """Return the name of the first option that redis-py cannot read."""
    for name, values in parse_qs(urlsplit(single).query).items():
        try:
            parse_url(f"redis://localhost?{name}={quote(values[0])}")
        except ValueError:
            return name
    return None


def _unusable(url: str, why: str) -> StoreError:
    return StoreError(f"cannot use the store URL {redacted(url)}: {why}")
