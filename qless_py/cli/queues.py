"""`qless-py queues`: the queues and how many jobs are in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.client import serialize
from qless_py.client.humanize import local_time


@command("queues", examples=("qless-py queues", "qless-py queues --json"))
@pass_cli
def queues(cli: CliContext) -> None:
    """List queues and how many jobs each has in each state."""
    answer = [serialize.queue(row) for row in cli.client.queues.counts]

    def show() -> None:
        rows = [
            (one["name"], *(one[name] for name in serialize.COUNTS), pause_text(one))
            for one in answer
        ]
        cli.out.table(("queue", *serialize.COUNTS, "paused"), rows)

    cli.out.answer({"queues": answer}, show)


def pause_text(one: Mapping[str, Any]) -> str:
    """Return since when, until when, by whom and why a queue is paused."""
    pause = one["pause"] or {}
    if not one["paused"]:
        return ""
    parts = ["since " + local_time(pause["since"])] if pause.get("since") else ["yes"]
    parts += [f"until {local_time(pause['until'])}"] if pause.get("until") else []
    parts += [f"by {pause['by']}"] if pause.get("by") else []
    parts += [pause["reason"]] if pause.get("reason") else []
    return ", ".join(parts)
