"""Run in the background, and the pid file of a worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from qless_py.errors import BadArgumentError
from qless_py.worker import reexec


def daemonize(log: str | os.PathLike[str] | None = None) -> None:
    """Continue in the background, with all output appended to `log`.

    The calling process exits with code 0. Call it before anything is opened or started.
    """
    if reexec.is_reexec() or reexec.is_trial():
        return  # Already a daemon, with its output redirected.
    # Opened first: an error could not be shown later.
    with open(os.devnull if log is None else log, "ab", buffering=0) as out:  # noqa: PTH123
        _fork_away()
        os.setsid()
        _fork_away()  # A session leader could acquire a terminal again.
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device
            os.dup2(nothing.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)


def _fork_away() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.fork():
        os._exit(0)


class PidFile:
    """A file with the process id, locked while the process runs.

    A file that a killed process left behind is taken over; one that a living process has locked
    raises BadArgumentError.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else Path(path)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._descriptor = self._lock(self._path)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self.close_inherited()

    def close_inherited(self) -> None:
        """Close the file without removing it, as a new child does to release the lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _lock(self, path: Path) -> int:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The previous holder may have removed the file that is locked now.
                if os.fstat(descriptor).st_ino == path.stat().st_ino:
                    return descriptor
            except FileNotFoundError:
                pass
            except OSError:
                held_by = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise BadArgumentError(f"pidfile {path} is locked by process {held_by}") from None
            os.close(descriptor)
