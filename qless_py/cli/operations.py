"""`qless-py operations`: bulk actions that the workers carry out."""

from __future__ import annotations

import threading
from typing import Any, Final

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.bulk import user_name
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.cli.output import brief
from qless_py.cli.params import OPERATION, SPAN
from qless_py.client import serialize
from qless_py.client.humanize import local_time, plural
from qless_py.client.operations import Operation

_LOOK: Final = 0.5


@group("operations")
def operations() -> None:
    """List and abort operations: bulk actions on all jobs that match a search, run by the workers.

    `job retry` and others start one with --in-background.
    """


@operations.command(
    "list", examples=("qless-py operations list", "qless-py operations list --json")
)
@click.option("--count", type=click.IntRange(1, 1000), default=25, help="Show at most this many.")
@pass_cli
def list_operations(cli: CliContext, count: int) -> None:
    """List operations, the newest first."""
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
        columns = ("operation", "action", "search", "state", "done", "refused", "by", "started")
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
@click.option("--wait", type=SPAN, help="Wait until it is over, at most this long.")
@pass_cli
def show(cli: CliContext, jid: str, wait: float | None) -> int:
    """Show the progress of an operation: how many jobs it changed, refused and scanned.

    With --wait the exit code is 1 unless it has completed.
    """
    one = cli.client.operations[jid] if wait is None else _followed(cli, jid, wait)
    answer = serialize.operation(one)
    cli.out.answer(answer, lambda: _page(cli, answer))
    return 0 if wait is None or one.state == "complete" else FAILED


@operations.command("abort", examples=("qless-py operations abort 0123456789abcdef",))
@click.argument("jids", nargs=-1, required=True, type=OPERATION, metavar="JID...")
@pass_cli
def abort(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Abort operations after their present slice; what they have changed stays changed."""
    for jid in jids:
        cli.client.operations[jid]  # So that none is aborted if one of them is unknown.
    answer = [serialize.operation(cli.client.operations.abort(jid)) for jid in jids]

    def shown() -> None:
        for one in answer:
            cli.out.line(f"{one['jid']} ended after changing {plural(one['done'], 'job')}")

    cli.out.answer({"operations": answer}, shown)


@operations.command(
    "undo",
    examples=(
        "qless-py operations undo 0123456789abcdef0123456789abcdef",
        "qless-py operations undo 0123456789abcdef0123456789abcdef --wait 10m",
    ),
)
@click.argument("jid", type=OPERATION)
@click.option("--wait", type=SPAN, help="Wait until it is over, at most this long.")
@pass_cli
def undo(cli: CliContext, jid: str, wait: float | None) -> int:
    """Undo an operation that is over, and print the jid of the operation that does it.

    Canceled jobs are restored, jobs are moved back, and get back their tags and priorities, unless
    they were changed again since. Only what was changed within the last day can be undone.
    """
    started = cli.client.operations.undo(jid, by=user_name())
    if wait is None:
        answer = serialize.operation(cli.client.operations[started])
        cli.out.answer(answer, lambda: cli.out.line(started))
        return 0
    one = _followed(cli, started, wait)
    answer = serialize.operation(one)
    cli.out.answer(answer, lambda: _page(cli, answer))
    return 0 if one.state == "complete" else FAILED


def _followed(cli: CliContext, jid: str, wait: float) -> Operation:
    """Wait until the operation is over; on a terminal, show its progress."""
    one = cli.client.operations[jid]
    waiting = threading.Event()
    with cli.out.following() as say:
        while wait > 0 and not one.is_over:
            percent = "" if one.percent is None else f" {one.percent} %"
            counts = f"{one.done} done, {one.refused} refused, {one.scanned} scanned"
            say(f"{one.state}{percent}: {counts}")
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
            "progress": None if answer["percent"] is None else f"{answer['percent']} %",
            "by": answer["by"],
            "reason": answer["reason"],
            "started": local_time(answer["put_at"]),
            "done": answer["done"],
            "refused": answer["refused"],
            "scanned": answer["scanned"],
            "errors": "\n".join(answer["errors"]),
        }
    )


def _state(one: dict[str, Any]) -> str:
    return "aborted" if one["aborted"] else str(one["state"])
