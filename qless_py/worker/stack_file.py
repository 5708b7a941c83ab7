"""A file in memory into which a child writes the stacks of its threads, for its supervisor to log.

faulthandler writes even while native code holds the interpreter, but only plain text to a
descriptor. The supervisor reads it and logs it as an entry of its own, with the child and its jobs.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Final

_MAX: Final = 1 << 20  # bytes


class StackFile:
    """The file of one child, made before the fork; or one that is open as `descriptor`."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = _open() if descriptor is None else descriptor
        self._at = os.fstat(self.descriptor).st_size

    def read(self) -> str:
        """Return what was written since the last call."""
        data = os.pread(self.descriptor, _MAX, self._at)
        self._at += len(data)
        return data.decode(errors="replace").strip()

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def _open() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("qless-stacks")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
