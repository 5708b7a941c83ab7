"""Status boards as files in memory, from which another worker of the machine takes over.

A supervisor and its child keep the file of their board locked, and so does every process that the
child forks, as long as it lives. A file that nobody locks was left behind by processes that were
killed together. The lock shows that without a process id: a number that is used again, or another
container with the same host name, is not mistaken for them. The files do not outlast the machine.
Where there is no such folder, a board is memory without a name, and jobs return when their leases
expire.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qless_py.store import urls
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import SIZE, StatusBoard

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder below it belongs to this user alone
_STORE: Final = 16  # Characters of the hash of a store.


@dataclass(frozen=True, slots=True)
class AbandonedBoard:
    """The board of a child whose supervisor is gone too; it is locked until `remove`."""

    worker: str
    nonce: str
    board: StatusBoard
    path: Path

    def remove(self) -> None:
        """Remove the file: its jobs were reported."""
        self.path.unlink(missing_ok=True)
        self.board.close()


class BoardFiles:
    """The files of one user's workers on one store and namespace."""

    def __init__(self, options: WorkerOptions) -> None:
        url = urls.redacted(urls.resolve(options.url, is_shown=True))
        text = f"{url} {options.namespace}".encode()
        self._store = hashlib.sha256(text).hexdigest()[:_STORE]
        self._folder = _private_folder()
        self._own: set[str] = set()

    def create(self, worker: str, nonce: str) -> StatusBoard:
        """Create the locked board of a child."""
        if self._folder is None:
            return StatusBoard()
        path = self._path(worker, nonce)
        hidden = path.with_name(f".{path.name}")  # until it is locked
        try:
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:  # Full, or removed by an operator.
            return StatusBoard()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, SIZE)
            hidden.rename(path)
        except OSError:
            hidden.unlink(missing_ok=True)
            os.close(descriptor)
            return StatusBoard()
        self._own.add(path.name)
        return StatusBoard(descriptor)

    def remove(self, worker: str, nonce: str) -> None:
        """Remove the file of a child that has ended and was reported, if there is one."""
        if self._folder is not None:
            path = self._path(worker, nonce)
            path.unlink(missing_ok=True)
            self._own.discard(path.name)

    def abandoned(self) -> Iterator[AbandonedBoard]:
        """Lock and yield the boards whose processes are gone."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):  # noqa: PTH208 - names, every second
                store, _, rest = name.partition(".")
                nonce, _, worker = rest.partition(".")
                if store == self._store and name not in self._own:
                    board = _take_over(self._folder / name)
                    if board is not None:
                        yield AbandonedBoard(worker, nonce, board, self._folder / name)

    def _path(self, worker: str, nonce: str) -> Path:
        return Path(self._folder or _MEMORY) / f"{self._store}.{nonce}.{worker}"


def _take_over(path: Path) -> StatusBoard | None:
    """Lock and open a board; return None if a process has it or it is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(descriptor)
        # It may have been reported and removed before it could be locked.
        if found.st_nlink and found.st_size == SIZE:
            return StatusBoard(descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None


def _private_folder() -> Path | None:
    """Return the folder of this user's boards, or None where nobody else could be kept out."""
    folder = _MEMORY / f"qless-py-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return folder if is_private and found.st_uid == os.getuid() else None
