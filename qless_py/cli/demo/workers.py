"""The demo's workers, and the crashes that it causes on purpose."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import qless_py
from qless_py import Client, protocol
from qless_py.worker import signals

_GRACE: Final = 2.0
_LEAVING: Final = 10.0


class Fleet:
    """Workers: supervisors with their children. Leaving the `with` block stops all of them.

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
        """Start a worker; return the process id of its supervisor."""
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
        """Kill a supervisor as a crash would; its children die with it."""
        parent = self._parents.pop(pid)
        parent.kill()
        parent.wait()

    @property
    def pids(self) -> list[int]:
        """The process ids of the running supervisors, the oldest first."""
        return list(self._parents)

    def ended(self) -> list[int]:
        """Return the supervisors that have exited unexpectedly."""
        return [pid for pid, parent in self._parents.items() if parent.poll() is not None]


def _python_path() -> str:
    """Return a PYTHONPATH with which the workers import this package, also from a checkout."""
    here = str(Path(qless_py.__file__).parents[1])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


@dataclass(frozen=True, slots=True)
class Crash:
    """What was killed, and the jobs that it held at that moment."""

    what: str
    pid: int
    jids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Child:
    worker: str
    pid: int
    parent: int


def kill_child(client: Client) -> Crash | None:
    """Kill a child that holds a job; None if no child holds one."""
    for child in _children(client):
        with _stopped([child]):
            jids = _held(client, [child])
            if jids:
                os.kill(child.pid, signal.SIGKILL)
                return Crash("child", child.pid, jids)
    return None


def kill_supervisor(client: Client, fleet: Fleet) -> Crash | None:
    """Kill a supervisor whose children hold jobs; None if there is none."""
    children = _children(client)
    for parent in fleet.pids:
        siblings = [child for child in children if child.parent == parent]
        with _stopped(siblings):
            jids = _held(client, siblings)
            if jids:
                fleet.kill(parent)
                return Crash("supervisor", parent, jids)
    return None


def _children(client: Client) -> list[_Child]:
    """Read the workers and their processes from the store."""
    rows = client.run(protocol.workers.read_all(0, 250)).rows
    found = []
    for row in rows:
        info: dict[str, Any] = json.loads(row.get("info") or "{}")
        if info and row.get("jobs"):
            found.append(_Child(str(row["name"]), int(info["pid"]), int(info["parent"])))
    return found


def _held(client: Client, children: list[_Child]) -> tuple[str, ...]:
    """Return the jobs that stopped children hold.

    A call sent before the stop can still arrive, so only jobs seen by both of two reads count.
    """
    looks = [
        [
            jid
            for child in children
            for jid in client.run(protocol.workers.read(child.worker))["jobs"]
        ]
        for _ in range(2)
    ]
    return tuple(jid for jid in looks[1] if jid in looks[0])


@contextlib.contextmanager
def _stopped(children: list[_Child]) -> Iterator[None]:
    """Stop processes, so that the jobs they hold cannot change while they are read."""
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
