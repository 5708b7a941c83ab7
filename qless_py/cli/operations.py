"""`qless-py operations`: what the workers do to all jobs that a search finds."""

from __future__ import annotations

import threading
from typing import Any, Final

import click

from qless_py.cli import serialize
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.cli.output import brief
from qless_py.cli.params import OPERATION, SPAN
from qless_py.client.bulk import Operation
from qless_py.client.humanize import local_time

_LOOK: Final = 0.5


@group("operations")
def operations() -> None:
    """See and abort operations: one thing done to all jobs that a search finds, by the workers.

    `job retry` and others start one with --in-background.
    """


@operations.command(
    "list", examples=("qless-py operations list", "qless-py operations list --json")
)
@click.option("--count", type=click.IntRange(1, 1000), default=25, help="How many to show.")
@pass_cli
def list_operations(cli: CliContext, count: int) -> None:
    """List the operations that are remembered, the newest first."""
    answer = [serialize.operation(one) for one in cli.client.operations.recent(count)]

    def show() -> None:
        rows = [
            (
                one["jid"],
                one["action"],
                one["search"] or "everything",
                _state(one),
                one["done"],
                one["refused"],
                one["by"],
                local_time(one["put_at"]),
            )
            for one in answer
        ]
        columns = ("operation", "action", "search", "state", "done", "refused", "by", "begun")
        cli.out.table(columns, rows)

    cli.out.answer({"operations": answer}, show)


@operations.command(
    "show",
    examples=(
        "qless-py operations show 0123456789abcdef0123456789abcdef",
        "qless-py operations show 0123456789abcdef0123456789abcdef --wait 10m",
    ),
)
@click.argument("jid", type=OPERATION)
@click.option("--wait", type=SPAN, help="Follow it until it is over, for so long at most.")
@pass_cli
def show(cli: CliContext, jid: str, wait: float | None) -> int:
    """Show how an operation stands: how many jobs it changed, which refused, how many it saw.

    With --wait the exit code is 1 unless it came to its end.
    """
    one = cli.client.operations[jid] if wait is None else _followed(cli, jid, wait)
    answer = serialize.operation(one)
    cli.out.answer(answer, lambda: _page(cli, answer))
    return 0 if wait is None or one.state == "complete" else FAILED


@operations.command("abort", examples=("qless-py operations abort 0123456789abcdef",))
@click.argument("jids", nargs=-1, required=True, type=OPERATION, metavar="JID...")
@pass_cli
def abort(cli: CliContext, jids: tuple[str, ...]) -> None:
    """End operations after what they are just doing; what was done stays."""
    for jid in jids:
        cli.client.operations[jid]  # So that none is aborted if one of them is unknown.
    answer = [serialize.operation(cli.client.operations.abort(jid)) for jid in jids]

    def shown() -> None:
        for one in answer:
            cli.out.line(f"{one['jid']} is over: {one['done']} jobs were changed")

    cli.out.answer({"operations": answer}, shown)


def _followed(cli: CliContext, jid: str, wait: float) -> Operation:
    """Read it again and again until it is over; on a terminal, say how far it is."""
    one = cli.client.operations[jid]
    waiting = threading.Event()
    with cli.out.following() as say:
        while wait > 0 and not one.is_over:
            say(f"{one.state}: {one.done} done, {one.refused} refused, {one.scanned} looked at")
            waiting.wait(min(_LOOK, wait))
            wait -= _LOOK
            one = cli.client.operations[jid]
    return one


def _page(cli: CliContext, answer: dict[str, Any]) -> None:
    cli.out.facts(
        {
            "operation": answer["jid"],
            "action": answer["action"],
            "with": brief(answer["params"]) if answer["params"] else None,
            "search": answer["search"] or "everything",
            "state": _state(answer),
            "by": answer["by"],
            "begun": local_time(answer["put_at"]),
            "done": answer["done"],
            "refused": answer["refused"],
            "looked at": answer["scanned"],
            "errors": "\n".join(answer["errors"]),
        }
    )


def _state(one: dict[str, Any]) -> str:
    return "aborted" if one["aborted"] else str(one["state"])
