"""`qless-py operations`: what the workers do to all jobs that a search finds."""

from __future__ import annotations

import threading
from typing import Any, Final

import click

from qless_py.cli import serialize as shapes
from qless_py.cli.base import group, pass_state
from qless_py.cli.errors import FAILED
from qless_py.cli.names import OPERATION
from qless_py.cli.output import brief
from qless_py.cli.params import SPAN
from qless_py.cli.state import State
from qless_py.client.bulk import Operation
from qless_py.client.humanize import local_time

_LOOK: Final = 0.5


@group("operations")
def operations() -> None:
    """See and abort operations: one thing done to all jobs that a search finds, by the workers.

    `job retry` and others begin one when they are told --in-background.
    """


@operations.command(
    "list", examples=("qless-py operations list", "qless-py operations list --json")
)
@click.option("--count", type=click.IntRange(1, 1000), default=25, help="How many to show.")
@pass_state
def list_operations(state: State, count: int) -> None:
    """List the operations that are remembered, the newest first."""
    told = [shapes.operation(one) for one in state.client.operations.recent(count)]

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
            for one in told
        ]
        columns = ("operation", "action", "search", "state", "done", "refused", "by", "begun")
        state.out.table(columns, rows)

    state.out.answer({"operations": told}, show)


@operations.command(
    "show",
    examples=(
        "qless-py operations show 0123456789abcdef0123456789abcdef",
        "qless-py operations show 0123456789abcdef0123456789abcdef --wait 10m",
    ),
)
@click.argument("jid", type=OPERATION)
@click.option("--wait", type=SPAN, help="Follow it until it is over, for so long at most.")
@pass_state
def show(state: State, jid: str, wait: float | None) -> int:
    """Show how an operation stands: how many jobs it changed, which refused, how many it saw.

    With --wait the exit code is 1 unless it came to its end.
    """
    one = state.client.operations[jid] if wait is None else _followed(state, jid, wait)
    told = shapes.operation(one)
    state.out.answer(told, lambda: _page(state, told))
    return 0 if wait is None or one.state == "complete" else FAILED


@operations.command("abort", examples=("qless-py operations abort 0123456789abcdef",))
@click.argument("jids", nargs=-1, required=True, type=OPERATION, metavar="JID...")
@pass_state
def abort(state: State, jids: tuple[str, ...]) -> None:
    """End operations after what they are just doing; what was done stays."""
    for jid in jids:
        state.client.operations[jid]  # So that none is aborted if one of them is unknown.
    told = [shapes.operation(state.client.operations.abort(jid)) for jid in jids]

    def shown() -> None:
        for one in told:
            state.out.line(f"{one['jid']} is over: {one['done']} jobs were changed")

    state.out.answer({"operations": told}, shown)


def _followed(state: State, jid: str, wait: float) -> Operation:
    """Read it again and again until it is over; on a terminal, say how far it is."""
    one = state.client.operations[jid]
    waiting = threading.Event()
    with state.out.following() as say:
        while wait > 0 and not one.is_over:
            say(f"{one.state}: {one.done} done, {one.refused} refused, {one.scanned} looked at")
            waiting.wait(min(_LOOK, wait))
            wait -= _LOOK
            one = state.client.operations[jid]
    return one


def _page(state: State, told: dict[str, Any]) -> None:
    state.out.facts(
        {
            "operation": told["jid"],
            "action": told["action"],
            "with": brief(told["params"]) if told["params"] else None,
            "search": told["search"] or "everything",
            "state": _state(told),
            "by": told["by"],
            "begun": local_time(told["put_at"]),
            "done": told["done"],
            "refused": told["refused"],
            "looked at": told["scanned"],
            "errors": "\n".join(told["errors"]),
        }
    )


def _state(one: dict[str, Any]) -> str:
    return "aborted" if one["aborted"] else str(one["state"])
