"""Handlers of workflow tests with real workers: steps that report and wait to continue."""

import os
from pathlib import Path
from typing import Any

from qless_py import Job
from qless_py.client.workflow import Branch, Decider, Next, parent_results


def _wait(data: dict[str, Any], name: str) -> None:
    with Path(data["pipe"]).open("ab", buffering=0) as pipe:
        pipe.write(f"{name} {os.getpid()}\n".encode())
    with Path(data["go"]).open("rb", buffering=0) as go:
        go.read(3)


def link(job: Job) -> list[str]:
    """Return the names of the steps so far."""
    before = [name for names in parent_results(job).values() for name in names]
    name = job.jid.partition(":")[2]
    _wait(job.data, name)
    return [*before, name]


class Machine(Decider):
    """Two steps in a row, two side by side, and one in which they meet."""

    def start(self, data: dict[str, Any]) -> Next:
        _wait(data, "start")
        return Next("fan", data)

    def fan(self, data: dict[str, Any]) -> Branch:
        decision = Branch(Next("left", data), Next("right", data), join=Next("meet", data))
        _wait(data, "fan")
        return decision

    def left(self, data: dict[str, Any]) -> Next:
        _wait(data, "left")
        return Next("further", data)

    def further(self, data: dict[str, Any]) -> None:
        _wait(data, "further")

    def right(self, data: dict[str, Any]) -> None:
        _wait(data, "right")

    def meet(self, data: dict[str, Any]) -> str:
        _wait(data, "meet")
        return "met"
