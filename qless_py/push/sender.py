"""Send HTTP requests to targets that are not trusted, and keep a bounded part of what they answer.

A request goes to an address that `Targets` has judged, and to no other: the connector gets its
addresses from that check and nowhere else, and each socket is compared with them before it
connects. There are no redirects, no proxies, no cookies and no decompression.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self

from qless_py import package
from qless_py.errors import QlessError
from qless_py.protocol.http_urls import HttpUrl
from qless_py.push.targets import Checked, TargetRefusedError, Targets, UnresolvedTargetError

try:
    import aiohttp
    import yarl
    from aiohttp.abc import AbstractResolver, ResolveResult
except ImportError as error:  # pragma: no cover - an environment without the extra
    raise ImportError(
        "sending HTTP requests needs aiohttp: pip install 'qless_py[push]'"
    ) from error

KEPT_BODY: Final = 64 * 1024
USER_AGENT: Final = f"qless_py/{package.__version__}"
_KEPT_HEADER: Final = 1024
_CHUNK: Final = 16 * 1024

Outcome = Literal["response", "refused", "unreachable", "timeout", "protocol"]


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a request.

    `outcome` is `response` if the target has answered, with whatever status; `refused` if it may
    not be reached; `unreachable` if it has no address or accepts no connection; `timeout` at the
    deadline; `protocol` if what it sent is no HTTP, or it hung up. `detail` says more. `body` holds
    the first 64 KiB; `is_cut` tells whether there was more. `headers` have names in lower case.
    """

    outcome: Outcome
    detail: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False
    seconds: float = 0.0


class AddressNotCheckedError(QlessError):
    """A connection to an address that was not checked for the request; it was not opened."""


# The check of the request that runs in this task, for the connector below it.
_checked: contextvars.ContextVar[Checked] = contextvars.ContextVar("checked")


class _CheckedResolver(AbstractResolver):
    """Returns the addresses that were checked for the request, without another look-up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        checked = _checked.get()
        if (host, port) != (checked.url.host, checked.url.port):
            raise AddressNotCheckedError(f"{host}:{port} was not checked")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,  # noqa: PLR2004
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in checked.addresses
            if family in (socket.AF_UNSPEC, socket.AF_INET6 if address.version == 6 else family)  # noqa: PLR2004
        ]

    async def close(self) -> None:
        pass


def _open_socket(info: Any) -> socket.socket:
    """Return a socket for an address that was checked. Every connection begins here.

    A host that is an address already never reaches the resolver.
    """
    family, kind, protocol, _, place = info
    checked = _checked.get()
    known = {str(address) for address in checked.addresses}
    if place[0] not in known or place[1] != checked.url.port:
        raise AddressNotCheckedError(f"{place[0]}:{place[1]} was not checked")
    opened = socket.socket(family, kind, protocol)
    opened.settimeout(0.0)  # asyncio waits for it.
    return opened


class Sender:
    """Sends any number of requests at once, with connections kept open between them.

    Use it as an asynchronous context manager. `tls` replaces the default TLS context, for targets
    with a certificate authority of their own.
    """

    def __init__(
        self, targets: Targets | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.targets = targets or Targets()
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # The caller limits how many run at once.
                resolver=_CheckedResolver(),
                use_dns_cache=False,  # Its entries would outlive the check.
                socket_factory=_open_socket,
                ssl=self._tls or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,  # No proxies and no .netrc.
            skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            read_bufsize=_CHUNK,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        method: str,
        url: HttpUrl,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        timeout: float,  # noqa: ASYNC109 - it bounds all there is, from the name to the last byte
    ) -> SendResult:
        """Send a request and return what became of it; raises only when it is cancelled.

        `timeout` bounds all of it: the resolution, the connection, and the last byte that is kept.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(timeout):
                result = await self._send(method, url, headers, body)
        except TimeoutError:
            result = SendResult("timeout", f"{url.target} did not answer within {timeout:g} s")
        except (TargetRefusedError, AddressNotCheckedError) as error:
            result = SendResult("refused", str(error))
        except UnresolvedTargetError as error:
            result = SendResult("unreachable", str(error))
        except aiohttp.ClientConnectorError as error:
            result = SendResult("unreachable", _described(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            result = SendResult("protocol", f"{url.target}: {_described(error)}")
        return replace(result, seconds=time.monotonic() - started)

    async def _send(
        self, method: str, url: HttpUrl, headers: Mapping[str, str], body: bytes
    ) -> SendResult:
        if self._session is None:
            raise RuntimeError("the sender is not open: use `async with Sender(…)`")
        checked = await self.targets.check(url)
        token = _checked.set(checked)
        try:
            return await self._exchange(self._session, method, checked.url, headers, body)
        finally:
            _checked.reset(token)

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: HttpUrl,
        headers: Mapping[str, str],
        body: bytes,
    ) -> SendResult:
        # As it is written, so that what is requested is what was checked.
        target = yarl.URL(url.text, encoded=True)
        if target.host != url.host or target.port != url.port:
            raise TargetRefusedError(f"{url.target} is refused: its host is ambiguous")
        sent = {**headers, "Accept-Encoding": "identity"}
        if not any(name.lower() == "user-agent" for name in headers):
            sent["User-Agent"] = USER_AGENT
        async with session.request(
            method, target, headers=sent, data=body or None, allow_redirects=False
        ) as response:
            kept, is_cut = await _read(response)
            if is_cut:
                response.close()  # Whatever else it sends is not read.
            return SendResult(
                "response",
                response.reason or "",
                response.status,
                {name.lower(): value[:_KEPT_HEADER] for name, value in response.headers.items()},
                kept,
                is_cut,
            )


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return the first bytes of a body, and whether there are more."""
    kept = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        kept += chunk
        if len(kept) > KEPT_BODY:
            return bytes(kept[:KEPT_BODY]), True
    return bytes(kept), False


def _described(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
