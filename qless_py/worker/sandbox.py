"""A folder for each job, empty when its handler starts and removed when the job has ended.

The process that runs the job keeps its folder locked, so a folder without a lock was left behind
by a killed process. The lock is visible on every machine and in every container that shares the
disk, unlike a process id.
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

_NO_FOLDER = contextlib.nullcontext()
# The names of these folders, and of nothing else that may be there: jid, lease, random suffix.
_NAME: Final = re.compile(r"[\w.:@~+-]+-\d+\.[0-9a-f]+-\w{8}", re.ASCII)


def prepare(folder: Folder) -> Path | None:
    """Create the folder that will hold the others and return its absolute path.

    A handler may change the current directory later. Raises BadArgumentError where no folders can
    be created.
    """
    if folder is None:
        return None
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(dir=path)).rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise BadArgumentError(f"sandbox: cannot create folders in {path}: {reason}") from None
    return path


def for_job(folder: Folder, job: Job) -> AbstractContextManager[None]:
    """Create a folder below this one, with its path in `job.sandbox`; None creates nothing."""
    return _NO_FOLDER if folder is None else _sandbox(Path(folder), job)


def remove_stale(folder: Folder) -> None:
    """Remove the folders that killed processes left behind."""
    if folder is None:
        return
    with contextlib.suppress(OSError):
        for path in Path(folder).iterdir():
            if _NAME.fullmatch(path.name):
                _remove_stale(path)


@contextlib.contextmanager
def _sandbox(folder: Path, job: Job) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    made, lock = _create(folder, job)
    job.sandbox = str(made)
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == process:  # A forked copy must not remove it.
            shutil.rmtree(made, ignore_errors=True)
        with contextlib.suppress(OSError):  # The handler may have closed every descriptor.
            os.close(lock)


def _create(folder: Path, job: Job) -> tuple[Path, int]:
    while True:
        # Not the jid alone: a lost job may still be running here when it is fetched again.
        made = Path(tempfile.mkdtemp(prefix=f"{job.jid}-{job.lease}-", dir=folder))
        # Until it is locked, another process may remove it as stale.
        with contextlib.suppress(FileNotFoundError):
            lock = _open(made)
            if _is_locked(made, lock) is not False:
                return made, lock
            os.close(lock)


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(OSError):
        lock = _open(path)
        if _is_locked(path, lock):
            logger.info("removing the folder of a killed process path=%s", path)
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _is_locked(path: Path, lock: int) -> bool | None:
    """Lock a folder; return False if another process has it or it is gone, None without locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        return None
