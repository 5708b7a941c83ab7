"""What `ps` and `top` show of a worker's processes."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Final

_PREFIX: Final = "qless-py"
_PR_SET_NAME: Final = 15


def show(text: str) -> None:
    """Show this of the present process, as far as there are means to."""
    _setter()(f"{_PREFIX}: {text}")


def _nothing(_title: str) -> None:
    """Show nothing: neither the package setproctitle is there, nor a system that has a call."""


class _Chosen:
    setter: Callable[[str], None] | None = None


def _setter() -> Callable[[str], None]:
    if _Chosen.setter is None:
        _Chosen.setter = _find()
    return _Chosen.setter


def _find() -> Callable[[str], None]:
    with contextlib.suppress(ImportError):
        found: Callable[[str], None] = importlib.import_module("setproctitle").setproctitle
        return found
    return _short if sys.platform == "linux" else _nothing


def _short(title: str) -> None:
    """Set the name that Linux keeps for a process; the kernel takes its first 15 bytes."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as comm:  # noqa: PTH123 - no buffer
        comm.write(title.encode()[:15])
