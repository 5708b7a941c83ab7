"""A folder for each job, empty when its handler is entered and gone when it has ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from qless_py.job import Job

Folder = str | os.PathLike[str] | None

_NOTHING = contextlib.nullcontext()


def of(folder: Folder, job: Job) -> AbstractContextManager[None]:
    """Make a folder below this one and name it to the job as `job.sandbox`; None makes nothing."""
    return _NOTHING if folder is None else _made(Path(folder), job)


@contextlib.contextmanager
def _made(folder: Path, job: Job) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    # The jid alone would not do: a lost job may still be running here when it comes again.
    made = tempfile.mkdtemp(prefix=f"{job.jid}-", dir=folder)
    job.sandbox = made
    try:
        yield
    finally:
        shutil.rmtree(made, ignore_errors=True)
