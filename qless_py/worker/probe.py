"""A health probe and metrics over HTTP, for containers, load balancers, monitors and people.

`GET /live` returns 200 as long as the supervisor's loop runs; `GET /ready` returns 200 while the
worker fetches jobs and the store is available, else 503. Both return details as JSON, and have the
names `/healthz` and `/readyz` as well. `GET /metrics` returns the metrics of this worker, but not
those of the store: reading them takes time, in which leases would not be renewed. Every other path
is 404.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from qless_py.errors import BadArgumentError

_MAX_REQUEST: Final = 4096  # bytes
_TIMEOUT: Final = 5.0
_MAX_CLIENTS: Final = 32

_LIVE: Final = (b"/live", b"/healthz")
_READY: Final = (b"/ready", b"/readyz")
_METRICS: Final = b"/metrics"

State = Callable[[], Mapping[str, Any]]
Metrics = Callable[[Mapping[str, Any], str], tuple[bytes, str]]


class Probe:
    """A listening socket in the selector of a supervisor; nothing here blocks.

    `answers` are the state of the worker, and its metrics for that state and an Accept header.
    `inherited` is the socket of the previous program, which is used if it has the same address.
    """

    def __init__(
        self,
        address: str | int,
        selector: selectors.BaseSelector,
        answers: tuple[State, Metrics],
        inherited: int | None = None,
    ) -> None:
        self._selector = selector
        self._state, self._metrics = answers
        self._socket, self._path = _listen(address, inherited)
        # When each was accepted, and what it has sent or is still to be sent.
        self._clients: dict[socket.socket, tuple[float, bytes]] = {}
        self._unsent: dict[socket.socket, tuple[float, bytes]] = {}
        selector.register(self._socket, selectors.EVENT_READ)

    @property
    def descriptor(self) -> int:
        """The listening socket, for a program that replaces this one."""
        return self._socket.fileno()

    def serve(self) -> None:
        """Answer the requests that have arrived, and send what is left of long answers."""
        for client in list(self._unsent):
            self._send(client)
        with contextlib.suppress(BlockingIOError, OSError):
            while len(self._clients) + len(self._unsent) < _MAX_CLIENTS:
                client, _ = self._socket.accept()
                client.setblocking(False)  # noqa: FBT003 - its only argument
                self._clients[client] = (time.monotonic(), b"")
                self._selector.register(client, selectors.EVENT_READ)
        for client in list(self._clients):
            self._read(client)

    def close_inherited(self) -> None:
        """Close, in a new child, the sockets of the supervisor."""
        for one in (*self._clients, *self._unsent, self._socket):
            one.close()

    def close(self) -> None:
        """Close all sockets."""
        for one in (*self._clients, *self._unsent, self._socket):
            self._selector.unregister(one)
            one.close()
        self._clients, self._unsent = {}, {}
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, client: socket.socket) -> None:
        accepted_at, request = self._clients[client]
        try:
            chunk = client.recv(_MAX_REQUEST)
        except BlockingIOError:
            if time.monotonic() - accepted_at < _TIMEOUT:
                return
            chunk = b""
        except OSError:
            chunk = b""
        request += chunk
        if chunk and b"\r\n\r\n" not in request and len(request) < _MAX_REQUEST:
            self._clients[client] = (accepted_at, request)
            return
        del self._clients[client]
        response = self._respond(request) if b"\r\n\r\n" in request else b""
        self._unsent[client] = (time.monotonic(), response)
        self._selector.modify(client, selectors.EVENT_WRITE)
        self._send(client)

    def _send(self, client: socket.socket) -> None:
        """Send what the connection takes; close it once all is sent, or after a time-out."""
        begun_at, response = self._unsent[client]
        try:
            response = response[client.send(response) :] if response else b""
        except BlockingIOError:
            if time.monotonic() - begun_at >= _TIMEOUT:
                response = b""
        except OSError:
            response = b""
        self._unsent[client] = (begun_at, response)
        if not response:
            del self._unsent[client]
            self._selector.unregister(client)
            client.close()

    def _respond(self, request: bytes) -> bytes:
        state = self._state()
        words = request.split(b"\r\n", 1)[0].split(b" ")
        path = words[1] if len(words) > 1 and words[0] in (b"GET", b"HEAD") else b""
        line, content_type = "200 OK", "application/json"
        if path == _METRICS:
            body, content_type = self._metrics(state, _accept(request))
        elif path in (*_LIVE, *_READY):
            if path in _READY and not state["ready"]:
                line = "503 Service Unavailable"
            body = json.dumps(dict(state)).encode()
        else:
            line = "404 Not Found"
            paths = [one.decode() for one in (*_LIVE, *_READY, _METRICS)]
            body = json.dumps({"paths": paths}).encode()
        head = f"HTTP/1.1 {line}\r\nContent-Type: {content_type}\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + (b"" if words[0] == b"HEAD" else body)


def _accept(request: bytes) -> str:
    """Return the Accept header of a request, or ""."""
    for line in request.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"accept":
            return value.decode("latin-1")
    return ""


def ask(address: str | int, path: str = "/ready", timeout: float = 5.0) -> tuple[int, str]:
    """Send a request to a worker's probe and return the HTTP status and the body.

    Raises OSError if there is no answer.
    """
    family, target = _target(address)
    with socket.socket(family) as client:
        client.settimeout(timeout)
        client.connect(target)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: worker\r\n\r\n".encode())
        response = b""
        while chunk := client.recv(_MAX_REQUEST):
            response += chunk
    head, _, body = response.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - version and status
        raise OSError(f"the probe at {address} did not answer in HTTP")
    return int(words[1]), body.decode()


def _target(address: str | int) -> tuple[socket.AddressFamily, Any]:
    text = str(address)
    if "/" in text or not (":" in text or text.isdigit()):
        return socket.AF_UNIX, text
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise BadArgumentError(
            f"probe must be a port, host:port or the path of a socket, not {address!r}"
        )
    host = host.strip("[]") or "127.0.0.1"
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(port))


def _listen(address: str | int, inherited: int | None) -> tuple[socket.socket, Path | None]:
    family, target = _target(address)
    if inherited is not None:
        listening = socket.socket(fileno=inherited)
        if listening.getsockname() == target:
            return listening, Path(target) if family == socket.AF_UNIX else None
        listening.close()
    path = None
    if family == socket.AF_UNIX:
        path = Path(target)
        _remove_stale(path)
    listening = socket.socket(family)
    if path is None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(target)
    except OSError as error:
        listening.close()
        raise BadArgumentError(f"probe: {address}: {error.strerror or error}") from None
    listening.listen(_MAX_CLIENTS)
    listening.setblocking(False)  # noqa: FBT003 - its only argument
    return listening, path


def _remove_stale(path: Path) -> None:
    """Remove the socket of a worker that is gone; raise if a worker answers there."""
    if not path.is_socket():
        return
    with contextlib.suppress(OSError):
        ask(os.fspath(path), "/live", timeout=1.0)
        raise BadArgumentError(f"probe: another worker answers at {path}")
    path.unlink(missing_ok=True)
