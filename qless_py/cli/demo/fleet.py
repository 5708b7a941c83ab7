"""The demo's workers: processes of the real command, some of which it kills on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import qless_py
from qless_py.worker import signals

_GRACE: Final = 2.0
_LEAVING: Final = 10.0


class Fleet:
    """Worker parents, each with its children. Leaving the `with` block stops all of them.

    They die with the process that started them, so a killed demo leaves nothing running.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._arguments = list(arguments)
        self._log = log
        self._parents: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for parent in self._parents.values():
            parent.terminate()
        for parent in self._parents.values():
            try:
                parent.wait(_LEAVING)
            except subprocess.TimeoutExpired:
                parent.kill()
                parent.wait()
        self._parents.clear()

    def start(self) -> int:
        """Start a worker; gives the process id of its parent."""
        demo = os.getpid()
        command = [sys.executable, "-m", "qless_py", "work", "--grace", str(_GRACE)]
        with self._log.open("ab") as log:
            started = subprocess.Popen(  # noqa: S603 - our own command with our own arguments
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": _python_path()},
                preexec_fn=lambda: signals.die_with_parent(demo),  # noqa: PLW1509 - one system call
            )
        self._parents[started.pid] = started
        return started.pid

    def kill(self, pid: int) -> None:
        """Kill one parent as a crash would; its children go with it."""
        parent = self._parents.pop(pid)
        parent.kill()
        parent.wait()

    @property
    def pids(self) -> list[int]:
        """The parents that run, the oldest first."""
        return list(self._parents)

    def ended(self) -> list[int]:
        """Give the parents that ended by themselves, which they should not."""
        return [pid for pid, parent in self._parents.items() if parent.poll() is not None]


def _python_path() -> str:
    """Let the workers import the very package that runs here, also from a checkout."""
    here = str(Path(qless_py.__file__).parents[1])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)
