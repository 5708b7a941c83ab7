"""A folder for each job, empty when its handler is entered and gone when it has ended.

The process that runs the job keeps its folder locked, so a folder that is not locked belongs to
nobody who lives: it is what a killed process left behind. The kernel knows this on any machine
and in any container that shares the disk; a process id would not tell.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from qless_py.client.job import Job
from qless_py.errors import BadArgumentError

logger = logging.getLogger(__name__)

Folder = str | os.PathLike[str] | None

_NOTHING = contextlib.nullcontext()
# What we make, and nothing else that may lie there: a jid, a lease, a random end.
_OURS: Final = re.compile(r"[\w.:@~+-]+-\d+\.[0-9a-f]+-\w{8}", re.ASCII)


def prepared(folder: Folder) -> Path | None:
    """Make the folder in which the others will be, and give where it is; refuses what cannot be.

    Its place is fixed then: a handler may change the directory.
    """
    if folder is None:
        return None
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(dir=path)).rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise BadArgumentError(f"sandbox: no folders can be made in {path}: {reason}") from None
    return path


def of(folder: Folder, job: Job) -> AbstractContextManager[None]:
    """Make a folder below this one and name it to the job as `job.sandbox`; None makes nothing."""
    return _NOTHING if folder is None else _made(Path(folder), job)


def clear(folder: Folder) -> None:
    """Remove what killed processes left behind."""
    if folder is None:
        return
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if _OURS.fullmatch(path.name):
                _clear(path)


@contextlib.contextmanager
def _made(folder: Path, job: Job) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    made, lock = _fresh(folder, job)
    job.sandbox = str(made)
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == process:  # A copy that the handler has forked leaves it to the handler.
            shutil.rmtree(made, ignore_errors=True)
        with contextlib.suppress(OSError):  # The handler may have closed everything.
            os.close(lock)


def _fresh(folder: Path, job: Job) -> tuple[Path, int]:
    while True:
        # The jid alone would not do: a lost job may still be running here when it comes again.
        made = Path(tempfile.mkdtemp(prefix=f"{job.jid}-{job.lease}-", dir=folder))
        # Before it is locked, somebody may take it for one that was left behind.
        with contextlib.suppress(FileNotFoundError):
            lock = _opened(made)
            if _is_locked(made, lock) is not False:
                return made, lock
            os.close(lock)


def _clear(path: Path) -> None:
    with contextlib.suppress(OSError):
        lock = _opened(path)
        if _is_locked(path, lock):
            logger.info("removing %s, which a process that was killed has left", path)
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_locked(path: Path, lock: int) -> bool | None:
    """Lock a folder; false if it is somebody else's or gone, None where nothing can be locked."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        return None
