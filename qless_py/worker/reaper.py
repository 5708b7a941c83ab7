"""Reap orphaned processes, as the first process of a container must."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Collection
from typing import Final

_PR_GET_CHILD_SUBREAPER: Final = 37


def adopts_orphans() -> bool:
    """Return whether orphaned processes become children of this process."""
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    prctl: Callable[..., int] = ctypes.CDLL(None).prctl
    return prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0 and bool(answer.value)


def reap(known: Collection[int | None]) -> None:
    """Reap the processes that have ended, except those that are waited for elsewhere."""
    with contextlib.suppress(ChildProcessError):
        while True:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_ALL, 0, flags)
            if ended is None or ended.si_pid in known:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
