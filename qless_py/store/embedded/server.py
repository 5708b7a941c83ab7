"""The embedded store: one server for a data folder, shared by all processes that name the folder.

It relies on three mechanisms of the kernel, so that kill -9 at any time does no harm:

* The server holds a flock on `lock` in the folder for its life, on a descriptor that it inherits.
  A process that obtains the lock knows that no server is running, and starts one.
* `users` is a FIFO that every user process, forked children included, holds open with a shared
  flock. A leaving process that obtains the exclusive flock was the last, and stops the server.
* The server inherits the reading end of `users`, configured so that the kernel sends it SIGTERM
  when the last holder is gone, also after a kill. (Linux; elsewhere the next user adopts it.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Final

from qless_py.errors import StoreError
from qless_py.store.embedded.binary import environment, find_server
from qless_py.store.embedded.folder import Folder

START_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 5.0
_REQUEST_TIMEOUT: Final = 1.0
_START_ATTEMPTS: Final = 3
_POLL_INTERVAL: Final = 0.005
_CREDENTIALS: Final = struct.Struct("3i")  # pid, user, group
_SETTINGS: Final = (
    ("daemonize", "yes"),
    ("port", "0"),
    ("unixsocketperm", "700"),
    ("appendonly", "yes"),
    # The server writes each command to the kernel before it replies: killing it loses nothing.
    # With `everysec` it holds writes back while the disk is busy with the last fsync, and a server
    # killed then has acknowledged commands that it never wrote (seen under load). The price of
    # `no`: a power failure may lose the last half minute, which the kernel has not written yet.
    ("appendfsync", "no"),
    ("aof-load-truncated", "yes"),
    ("save", ""),
    ("maxmemory-policy", "noeviction"),
)


class EmbeddedServer:
    """The use of the server of one data folder by this process.

    The first connection starts the server, and the first one after its death starts it again. It
    stops when its last user calls `leave` or ends. Threads may share the object; a forked child
    that inherits it is a user of its own.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Folder(folder)
        self._users = _UserLock(self.folder)
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, self._users.release)

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.folder.path}>"

    def connect(self, timeout: float | None) -> socket.socket:
        """Return a connected socket; start the server if it is not running."""
        path = self.join()
        if path is not None:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return _connect(path, timeout)
        return _connect(self.ensure(), timeout)

    def join(self) -> str | None:
        """Become a user, and return the socket path, None if it is not chosen yet."""
        with self._guard():
            self._users.acquire()
        return self.folder.socket()

    def ensure(self) -> str:
        """Become a user, start the server if it is not running, and return its socket path."""
        with self._guard():
            self._users.acquire()
            return _run(self.folder)

    def leave(self) -> None:
        """Stop being a user; the last one stops the server. A later call joins again."""
        with self._guard():
            self._users.release()

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        if self._pid != os.getpid():
            # A thread of the parent may have held the mutex at the fork.
            self._mutex = threading.Lock()
            self._pid = os.getpid()
        with self._mutex:
            yield


class _UserLock:
    """The mark of a user: a descriptor of `users` with a shared flock."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        if self._descriptor is not None:
            return
        self._folder.prepare()
        descriptor = os.open(self._folder.users, os.O_RDWR)
        try:
            # Blocks while the last user is stopping the server.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        # Opened before the other is closed: without any holder the kernel would send SIGTERM.
        try:
            last = os.open(self._folder.users, os.O_RDWR)
        except OSError:
            os.close(descriptor)  # The folder was deleted: no process can find the server any more.
            return
        try:
            # Closed, not unlocked: a child forked meanwhile shares the lock and must keep it.
            os.close(descriptor)
            fcntl.flock(last, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(self._folder)
        except BlockingIOError:
            pass
        finally:
            os.close(last)


def _run(folder: Folder) -> str:
    """Wait for the server of the folder, and start it whenever its lock is free."""
    deadline = time.monotonic() + START_TIMEOUT
    starts = 0
    with contextlib.ExitStack() as descriptors:
        watch = None
        while True:
            path = folder.socket()
            answer = None if path is None else _request(path, b"PING\r\n")
            late = time.monotonic() > deadline
            if path is not None and answer is not None:
                if watch is not None:
                    _stop_when_abandoned(path, watch)
                # A server that is still loading its data reports that to its clients itself.
                if answer.startswith(b"+PONG") or late:
                    return path
            elif late:
                raise _not_started(folder, f"did not answer within {START_TIMEOUT:.0f} s")
            with _lock(folder) as lock:
                if lock is not None and starts == _START_ATTEMPTS:
                    raise _not_started(folder, "exited right after its start")
                if lock is not None:
                    starts += 1
                    watch = os.open(folder.users, os.O_RDONLY | os.O_NONBLOCK)
                    descriptors.callback(os.close, watch)
                    _start(folder, lock, watch)
            time.sleep(_POLL_INTERVAL)  # noqa: TID251 - a server offers no event before its socket exists


def _start(folder: Folder, lock: int, watch: int) -> None:
    arguments = [find_server(), "--dir", str(folder.path)]
    arguments += ["--unixsocket", folder.choose_socket()]
    arguments += ["--logfile", str(folder.log), "--pidfile", str(folder.path / "server.pid")]
    for name, value in _SETTINGS:
        arguments += [f"--{name}", value]
    # The server daemonizes itself: it is neither a child nor in the session of this process.
    started = subprocess.run(  # noqa: S603 - a server program, with our own settings
        arguments,
        cwd=folder.path,
        env=environment(),
        pass_fds=(lock, watch),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if started.returncode != 0:
        output = started.stdout.decode(errors="replace").strip()
        raise StoreError(f"{arguments[0]} cannot serve {folder.path}: {output}")


def _stop_when_abandoned(path: str, watch: int) -> None:
    """Ask the kernel to send SIGTERM to the server once no process holds `users` any more."""
    if not hasattr(fcntl, "F_SETSIG") or not hasattr(socket, "SO_PEERCRED"):
        return  # Not Linux: a server whose users were all killed runs until the next one leaves.
    with contextlib.suppress(OSError), _connect(path, _REQUEST_TIMEOUT) as connection:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        fcntl.fcntl(watch, fcntl.F_SETOWN, _CREDENTIALS.unpack(peer)[0])
        fcntl.fcntl(watch, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(watch, fcntl.F_SETFL, fcntl.fcntl(watch, fcntl.F_GETFL) | os.O_ASYNC)


def _stop(folder: Folder) -> None:
    """Shut the server down, which first writes its file, and wait until it has ended."""
    deadline = time.monotonic() + _STOP_TIMEOUT
    while time.monotonic() < deadline:
        with _lock(folder) as lock:
            if lock is not None:
                folder.forget_socket()
                return
        path = folder.socket()
        if path is not None:
            _request(path, b"SHUTDOWN\r\n")
        time.sleep(_POLL_INTERVAL)  # noqa: TID251 - the end of a process that is no child has no event


@contextlib.contextmanager
def _lock(folder: Folder) -> Iterator[int | None]:
    """Try to take the lock that a running server holds."""
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _request(path: str, command: bytes) -> bytes | None:
    """Send a command and return the beginning of the reply; None if there is no reply."""
    try:
        with _connect(path, _REQUEST_TIMEOUT) as connection:
            connection.sendall(command)
            return connection.recv(256)
    except OSError:
        return None


def _connect(path: str, timeout: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _not_started(folder: Folder, why: str) -> StoreError:
    return StoreError(f"the server of {folder.path} {why}; its log ends:\n{folder.log_tail()}")
