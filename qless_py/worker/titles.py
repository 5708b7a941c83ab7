"""The titles that `ps` and `top` show for the processes of a worker."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Final

_PREFIX: Final = "qless-py"
_PR_SET_NAME: Final = 15


def set_title(text: str) -> None:
    """Set the title of this process, as far as the system allows."""
    _setter()(f"{_PREFIX}: {text}")


def _do_nothing(_title: str) -> None:
    """Do nothing: there is neither the package setproctitle nor a system call for it."""


class _Cache:
    setter: Callable[[str], None] | None = None


def _setter() -> Callable[[str], None]:
    if _Cache.setter is None:
        _Cache.setter = _find()
    return _Cache.setter


def _find() -> Callable[[str], None]:
    with contextlib.suppress(ImportError):
        found: Callable[[str], None] = importlib.import_module("setproctitle").setproctitle
        return found
    return _set_comm if sys.platform == "linux" else _do_nothing


def _set_comm(title: str) -> None:
    """Set the name that Linux keeps for a process, of which the kernel takes 15 bytes."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as comm:  # noqa: PTH123 - no buffer
        comm.write(title.encode()[:15])
