"""Crashes on purpose: a child, then a whole worker, each while it holds jobs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qless_py import Client
from qless_py.cli.demo.fleet import Fleet
from qless_py.protocol import reads


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
    """Kill one child that holds a job; None when just now none does."""
    for child in _children(client):
        with _stopped([child]):
            jids = _held(client, [child])
            if jids:
                os.kill(child.pid, signal.SIGKILL)
                return Crash("child", child.pid, jids)
    return None


def kill_parent(client: Client, fleet: Fleet) -> Crash | None:
    """Kill the parent of children that hold jobs, and them with it; None when none does."""
    children = _children(client)
    for parent in fleet.pids:
        family = [child for child in children if child.parent == parent]
        with _stopped(family):
            jids = _held(client, family)
            if jids:
                fleet.kill(parent)
                return Crash("parent", parent, jids)
    return None


def _children(client: Client) -> list[_Child]:
    """Read from the store which workers there are and which processes they say to be."""
    rows = client.run(reads.workers(0, 1000)).rows
    found = []
    for row in rows:
        info: dict[str, Any] = json.loads(row.get("info") or "{}")
        if info and row.get("jobs"):
            found.append(_Child(str(row["name"]), int(info["pid"]), int(info["parent"])))
    return found


def _held(client: Client, children: list[_Child]) -> tuple[str, ...]:
    """Give the jobs that stopped children hold.

    What they had sent before they were stopped still arrives; the first look lets it.
    """
    looks = [
        [jid for child in children for jid in client.run(reads.worker(child.worker))["jobs"]]
        for _ in range(2)
    ]
    return tuple(jid for jid in looks[1] if jid in looks[0])


@contextlib.contextmanager
def _stopped(children: list[_Child]) -> Iterator[None]:
    """Freeze processes, so that what they hold cannot change while it is looked at."""
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
