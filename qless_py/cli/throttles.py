"""`qless-py throttles`: limits on how many jobs run at once and how fast they start."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.paging import by_cursor, note_rest, read_page
from qless_py.cli.params import JID, SPAN, THROTTLE, Number, paged
from qless_py.client.humanize import exact_duration, local_time
from qless_py.protocol.throttles import ThrottleState


@group("throttles")
def throttles() -> None:
    """List, set and delete limits on how many jobs run at once and how fast they start.

    A job names its throttles when it is put. Every queue and user has one, too: queue:NAME and
    user:NAME.
    """


@throttles.command("list", examples=("qless-py throttles list", "qless-py throttles list --json"))
@by_cursor
@pass_cli
def list_throttles(cli: CliContext, count: int, cursor: str | None) -> None:
    """List throttles that have limits or are blocked, the oldest first."""
    page = read_page(cli.client.throttles.page, cursor, count)
    answer = [asdict(one) for one in page.throttles]

    def show() -> None:
        columns = ("throttle", "at once", "rate", "holding", "waiting", "blocked until")
        rows = [
            (
                one["id"],
                one["concurrency"],
                _rate(one),
                one["holding"],
                one["waiting"],
                local_time(one["blocked_until"]),
            )
            for one in answer
        ]
        cli.out.table(columns, rows)
        note_rest(cli.out, page)

    cli.out.answer({"throttles": answer, "total": page.total, "cursor": page.cursor}, show)


def _rate(one: dict[str, Any]) -> str:
    if one["rate"] is None:
        return ""
    per, burst = exact_duration(one["per"] or 1.0), one["burst"] or one["rate"]
    return f"{one['rate']:g} per {per}, burst {burst:g}"


@throttles.command("show", examples=("qless-py throttles show github-api",))
@click.argument("throttle", type=THROTTLE)
@paged(25)
@pass_cli
def show_throttle(cli: CliContext, throttle: str, count: int, offset: int) -> None:
    """Show the limits of a throttle, its holders and the jobs that wait for it."""
    one = cli.client.throttles[throttle]
    answer = asdict(one.get())
    answer |= {"holders": one.holders(offset, count), "parked": one.waiting(offset, count)}
    cli.out.answer(answer, lambda: _show(cli, answer))


def _show(cli: CliContext, answer: dict[str, Any]) -> None:
    cli.out.facts(
        {
            "throttle": answer["id"],
            "at once": answer["concurrency"],
            "rate": _rate(answer),
            "tokens": answer["tokens"],
            "holding": answer["holding"],
            "waiting": answer["waiting"],
            "blocked until": local_time(answer["blocked_until"]),
            "kept for": answer["reserved_for"],
            "holders": answer.get("holders"),
            "parked": answer.get("parked"),
        }
    )


@throttles.command(
    "set",
    examples=(
        "qless-py throttles set github-api --concurrency 5",
        "qless-py throttles set github-api --rate 100 --per 1m --burst 20",
        "qless-py throttles set queue:mail --concurrency 10",
    ),
)
@click.argument("throttle", type=THROTTLE)
@click.option("--concurrency", type=click.IntRange(min=0), help="How many jobs may run at once.")
@click.option("--rate", type=Number(), help="How many jobs may start per --per.")
@click.option("--per", type=SPAN, help="The interval of --rate, by default 1s.")
@click.option("--burst", type=Number(), help="How many jobs may start at once after a pause.")
@pass_cli
def set_limits(cli: CliContext, throttle: str, **limits: Any) -> None:
    """Replace the limits of a throttle; a limit that is not given is removed."""
    given = {name: value for name, value in limits.items() if value is not None}
    if not given:
        raise click.UsageError("give at least one limit; `qless-py throttles delete` removes all")
    _answer(cli, cli.client.throttles[throttle].set(**given))


def _answer(cli: CliContext, found: ThrottleState) -> None:
    answer = asdict(found)
    cli.out.answer(answer, lambda: _show(cli, answer))


@throttles.command("delete", examples=("qless-py throttles delete github-api",))
@click.argument("throttle", type=THROTTLE)
@pass_cli
def delete(cli: CliContext, throttle: str) -> None:
    """Delete the limits of a throttle; jobs that wait for it can run."""
    if not cli.client.throttles[throttle].delete():
        raise NotFoundError(f"throttle {throttle} has no limits")
    cli.out.answer({"deleted": throttle})


@throttles.command("release", examples=("qless-py throttles release github-api letter-1",))
@click.argument("throttle", type=THROTTLE)
@click.argument("jids", nargs=-1, required=True, type=JID, metavar="JID...")
@pass_cli
def release(cli: CliContext, throttle: str, jids: tuple[str, ...]) -> None:
    """Release the slots of running jobs, so that others can start. The jobs continue."""
    number = cli.client.throttles[throttle].release(*jids)
    answer = {"throttle": throttle, "released": number}
    cli.out.answer(answer, lambda: cli.out.line(f"{number} released"))


@throttles.command(
    "block",
    examples=("qless-py throttles block github-api 15m", "qless-py throttles block github-api 0"),
)
@click.argument("throttle", type=THROTTLE)
@click.argument("seconds", type=SPAN, metavar="SPAN")
@pass_cli
def block(cli: CliContext, throttle: str, seconds: float) -> None:
    """Start no job of a throttle for this time; 0 unblocks it. Running jobs continue."""
    one = cli.client.throttles[throttle]
    if seconds:
        one.block(seconds)
    else:
        one.unblock()
    _answer(cli, one.get())
