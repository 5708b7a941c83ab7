"""The embedded store: one server of its own for a data folder, shared by all who name it.

Three facts of the operating system carry it, so that kill -9 at any moment leaves nothing wrong:

* `lock` in the folder is locked (flock) by the server process for its life: it inherits the
  descriptor. Who gets the lock knows that no server runs, and starts one.
* `users` is a FIFO that every user process holds open with a shared flock, children after a fork
  included. Who leaves and then gets the exclusive flock was the last, and shuts the server down.
* The server inherits the reading end of `users`, set so that the kernel sends SIGTERM when the
  last holder is gone, also if it was killed (Linux; elsewhere the next user adopts the server).
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
_ASK_TIMEOUT: Final = 1.0
_STARTS: Final = 3
_PAUSE: Final = 0.005
_CREDENTIALS: Final = struct.Struct("3i")  # pid, user, group
_SETTINGS: Final = (
    ("daemonize", "yes"),
    ("port", "0"),
    ("unixsocketperm", "700"),
    ("appendonly", "yes"),
    # Every answer is preceded by the write of its command, so a killed server loses nothing.
    # `everysec` would hold writes back while the disk is still busy with the last fsync, and a
    # server killed then had acknowledged what it never wrote (seen under load). The price: after a
    # power failure the last half minute may be missing, until the kernel has written it out.
    ("appendfsync", "no"),
    ("aof-load-truncated", "yes"),
    ("save", ""),
    ("maxmemory-policy", "noeviction"),
)


class EmbeddedServer:
    """A user's hold on the server of one data folder.

    The server is started by the first connection, started again by the next one after it died, and
    stopped by `leave`, or the end of the process, of its last user. Threads may share the object,
    and a forked child that inherits it is a user of its own.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Folder(folder)
        self._hold = _Hold(self.folder)
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, self._hold.leave)

    def __repr__(self) -> str:
        return f"<EmbeddedServer {self.folder.path}>"

    def connect(self, timeout: float | None) -> socket.socket:
        """Give a connected socket, starting the server when it does not run."""
        path = self.join()
        if path is not None:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return _dial(path, timeout)
        return _dial(self.ensure(), timeout)

    def join(self) -> str | None:
        """Become a user, and give the path where the server listens if it runs."""
        with self._guard():
            self._hold.take()
        return self.folder.socket()

    def ensure(self) -> str:
        """Make sure that the server runs, and give the path where it listens."""
        with self._guard():
            self._hold.take()
            return _run(self.folder)

    def leave(self) -> None:
        """Stop being a user; the last one to leave stops the server. A later call joins again."""
        with self._guard():
            self._hold.leave()

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        if self._pid != os.getpid():
            # A thread of the parent may have held the mutex when this child was forked.
            self._mutex = threading.Lock()
            self._pid = os.getpid()
        with self._mutex:
            yield


class _Hold:
    """One entry in the count of users: a descriptor of `users` under a shared flock."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        if self._descriptor is not None:
            return
        self._folder.prepare()
        descriptor = os.open(self._folder.users, os.O_RDWR)
        try:
            # Waits while the last user is stopping the server.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def leave(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        # Opened before the other is closed: with no holder at all the kernel would already signal.
        try:
            last = os.open(self._folder.users, os.O_RDWR)
        except OSError:
            os.close(descriptor)  # The folder was deleted: nobody can find the server any more.
            return
        try:
            # Closed, not unlocked: a child forked meanwhile shares this lock and keeps it.
            os.close(descriptor)
            fcntl.flock(last, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop(self._folder)
        except BlockingIOError:
            pass
        finally:
            os.close(last)


def _run(folder: Folder) -> str:
    """Wait for the folder's server, starting it whenever its lock is free."""
    deadline = time.monotonic() + START_TIMEOUT
    starts = 0
    with contextlib.ExitStack() as descriptors:
        watch = None
        while True:
            path = folder.socket()
            answer = None if path is None else _ask(path, b"PING\r\n")
            late = time.monotonic() > deadline
            if path is not None and answer is not None:
                if watch is not None:
                    _stop_when_abandoned(path, watch)
                # One that still loads its data after all that time says so to its clients itself.
                if answer.startswith(b"+PONG") or late:
                    return path
            elif late:
                raise _not_started(folder, f"does not answer after {START_TIMEOUT:.0f} s")
            with _lock(folder) as lock:
                if lock is not None and starts == _STARTS:
                    raise _not_started(folder, "ended right after its start")
                if lock is not None:
                    starts += 1
                    watch = os.open(folder.users, os.O_RDONLY | os.O_NONBLOCK)
                    descriptors.callback(os.close, watch)
                    _start(folder, lock, watch)
            time.sleep(_PAUSE)  # noqa: TID251 - a server offers no event before its socket exists


def _start(folder: Folder, lock: int, watch: int) -> None:
    arguments = [find_server(), "--dir", str(folder.path)]
    arguments += ["--unixsocket", folder.choose_socket()]
    arguments += ["--logfile", str(folder.log), "--pidfile", str(folder.path / "server.pid")]
    for name, value in _SETTINGS:
        arguments += [f"--{name}", value]
    # It puts itself into the background, so it is neither our child nor in our session.
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
        said = started.stdout.decode(errors="replace").strip()
        raise StoreError(f"{arguments[0]} cannot serve {folder.path}: {said}")


def _stop_when_abandoned(path: str, watch: int) -> None:
    """Let the kernel end the server with SIGTERM when nobody holds `users` any more."""
    if not hasattr(fcntl, "F_SETSIG") or not hasattr(socket, "SO_PEERCRED"):
        return  # Not Linux: a server whose users were all killed waits for the next one.
    with contextlib.suppress(OSError), _dial(path, _ASK_TIMEOUT) as connection:
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        fcntl.fcntl(watch, fcntl.F_SETOWN, _CREDENTIALS.unpack(peer)[0])
        fcntl.fcntl(watch, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(watch, fcntl.F_SETFL, fcntl.fcntl(watch, fcntl.F_GETFL) | os.O_ASYNC)


def _stop(folder: Folder) -> None:
    """Shut the server down, which writes out its file first, and wait until it has ended."""
    deadline = time.monotonic() + _STOP_TIMEOUT
    while time.monotonic() < deadline:
        with _lock(folder) as lock:
            if lock is not None:
                folder.forget_socket()
                return
        path = folder.socket()
        if path is not None:
            _ask(path, b"SHUTDOWN\r\n")
        time.sleep(_PAUSE)  # noqa: TID251 - the end of a process that is no child has no event


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


def _ask(path: str, command: bytes) -> bytes | None:
    """Send a command and give the beginning of the answer; None when nobody answers."""
    try:
        with _dial(path, _ASK_TIMEOUT) as connection:
            connection.sendall(command)
            return connection.recv(256)
    except OSError:
        return None


def _dial(path: str, timeout: float | None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _not_started(folder: Folder, why: str) -> StoreError:
    return StoreError(f"the server of {folder.path} {why}; its log ends:\n{folder.last_words()}")
