"""How a child hears of the processes of its jobs: a pipe, and the end of the process itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Final

import msgpack

SIZE: Final = 4  # Bytes in front of what a process tells.
_SPARE: Final = 4  # Descriptors that are left free when a process is started.


def make() -> tuple[int, int]:
    """Make a pipe; OSError where it would leave too few descriptors for all else.

    Without one for the store nothing could be told any more, and so no job would ever end.
    """
    reader, writer = os.pipe()
    spare = []
    try:
        for _ in range(_SPARE):
            spare.append(os.dup(reader))  # noqa: PERF401 - each is closed, whatever the next does
    except OSError:
        spare += [reader, writer]
        raise
    finally:
        for one in spare:
            os.close(one)
    return reader, writer


def end_of(process: int) -> int | None:
    """Give what is readable when a process has ended, where there is such a thing."""
    with contextlib.suppress(AttributeError, OSError):
        return os.pidfd_open(process)
    return None


def ending(process: int) -> str:
    """Wait for the end of a process, and tell how it was: `signal 9` or `exit 1`."""
    with contextlib.suppress(ChildProcessError):
        _, status = os.waitpid(process, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit {code}"
    return "exit unknown"  # What was imported has SIGCHLD ignored, or waits for any process.


def write(pipe: int, told: Sequence[Any]) -> None:
    """Tell something, as a whole and with its size in front."""
    packed = msgpack.packb(told)
    left = memoryview(len(packed).to_bytes(SIZE, "big") + packed)
    while left:
        left = left[os.write(pipe, left) :]
