"""Whether a worker is alive and ready, for whoever asks by HTTP: a container, a balancer, a person.

`GET /live` is answered as long as the parent's loop turns; `GET /ready` is 200 while it takes jobs
and the store is there, else 503. Both tell more in JSON. Everything else is 404.
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

_LONGEST: Final = 4096  # Bytes of a question.
_PATIENCE: Final = 5.0
_MOST: Final = 32  # Questions at once.

State = Callable[[], Mapping[str, Any]]


class Probe:
    """A listening socket in the selector of a parent; nothing here waits for anybody.

    `inherited` is the socket of the program before; it is used if it listens at this address.
    """

    def __init__(
        self,
        address: str | int,
        selector: selectors.BaseSelector,
        state: State,
        inherited: int | None = None,
    ) -> None:
        self._selector = selector
        self._state = state
        self._socket, self._path = _listening(address, inherited)
        self._asking: dict[socket.socket, tuple[float, bytes]] = {}
        selector.register(self._socket, selectors.EVENT_READ)

    @property
    def descriptor(self) -> int:
        """The socket on which it listens, for a program that takes over."""
        return self._socket.fileno()

    def serve(self) -> None:
        """Answer who has asked."""
        with contextlib.suppress(BlockingIOError, OSError):
            while len(self._asking) < _MOST:
                asking, _ = self._socket.accept()
                asking.setblocking(False)  # noqa: FBT003 - its only argument
                self._asking[asking] = (time.monotonic(), b"")
                self._selector.register(asking, selectors.EVENT_READ)
        for asking in list(self._asking):
            self._read(asking)

    def drop(self) -> None:
        """Close, in a fresh fork, what belongs to the parent."""
        for one in (*self._asking, self._socket):
            one.close()

    def close(self) -> None:
        """Answer no more."""
        for one in (*self._asking, self._socket):
            self._selector.unregister(one)
            one.close()
        self._asking = {}
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, asking: socket.socket) -> None:
        since, asked = self._asking[asking]
        try:
            chunk = asking.recv(_LONGEST)
        except BlockingIOError:
            if time.monotonic() - since < _PATIENCE:
                return
            chunk = b""
        except OSError:
            chunk = b""
        asked += chunk
        if b"\r\n\r\n" in asked:
            with contextlib.suppress(OSError):
                asking.send(self._answer(asked))
        elif chunk and len(asked) < _LONGEST:
            self._asking[asking] = (since, asked)
            return
        del self._asking[asking]
        self._selector.unregister(asking)
        asking.close()

    def _answer(self, asked: bytes) -> bytes:
        state = self._state()
        words = asked.split(b"\r\n", 1)[0].split(b" ")
        path = words[1] if len(words) > 1 and words[0] in (b"GET", b"HEAD") else b""
        if path == b"/live":
            line = "200 OK"
        elif path == b"/ready":
            line = "200 OK" if state["ready"] else "503 Service Unavailable"
        else:
            line, state = "404 Not Found", {"paths": ["/live", "/ready"]}
        body = json.dumps(dict(state)).encode()
        head = f"HTTP/1.1 {line}\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return head.encode() + (b"" if words[0] == b"HEAD" else body)


def ask(address: str | int, path: str = "/ready", timeout: float = 5.0) -> tuple[int, str]:
    """Ask a worker's probe; gives the HTTP status and the body. OSError when nobody answers."""
    family, target = _target(address)
    with socket.socket(family) as asking:
        asking.settimeout(timeout)
        asking.connect(target)
        asking.sendall(f"GET {path} HTTP/1.1\r\nHost: worker\r\n\r\n".encode())
        answer = b""
        while chunk := asking.recv(_LONGEST):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - version and status
        raise OSError("the probe did not answer in HTTP")
    return int(words[1]), body.decode()


def _target(address: str | int) -> tuple[socket.AddressFamily, Any]:
    text = str(address)
    if "/" in text or not (":" in text or text.isdigit()):
        return socket.AF_UNIX, text
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise BadArgumentError(f"probe is a port, host:port or the path of a socket: {address!r}")
    host = host.strip("[]") or "127.0.0.1"
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(port))


def _listening(address: str | int, inherited: int | None) -> tuple[socket.socket, Path | None]:
    family, target = _target(address)
    if inherited is not None:
        listening = socket.socket(fileno=inherited)
        if listening.getsockname() == target:
            return listening, Path(target) if family == socket.AF_UNIX else None
        listening.close()
    path = None
    if family == socket.AF_UNIX:
        path = Path(target)
        _clear(path)
    listening = socket.socket(family)
    if path is None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(target)
    except OSError as error:
        listening.close()
        raise BadArgumentError(f"probe: {address}: {error.strerror or error}") from None
    listening.listen(_MOST)
    listening.setblocking(False)  # noqa: FBT003 - its only argument
    return listening, path


def _clear(path: Path) -> None:
    """Remove the socket of a worker that is gone; one that answers is not ours to remove."""
    if not path.is_socket():
        return
    with contextlib.suppress(OSError):
        ask(os.fspath(path), "/live", timeout=1.0)
        raise BadArgumentError(f"another worker answers at {path}")
    path.unlink(missing_ok=True)
