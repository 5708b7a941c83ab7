"""`qless-py throttles` and `users`: how many jobs run at once, how fast they start, whose turn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from qless_py.cli.base import group, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.names import JID, QUEUE, THROTTLE, USER
from qless_py.cli.paging import by_cursor, note_rest, read_page
from qless_py.cli.params import SPAN, Number, paged
from qless_py.cli.state import State
from qless_py.client.humanize import exact_duration, local_time
from qless_py.client.throttles import ThrottleState
from qless_py.client.users import UserPage


@group("throttles")
def throttles() -> None:
    """List, set and lift limits on how many jobs run at once and on how fast they start.

    A throttle is named when a job is put. Every queue and every user has one more, queue:NAME and
    user:NAME.
    """


@throttles.command("list", examples=("qless-py throttles list", "qless-py throttles list --json"))
@by_cursor
@pass_state
def list_throttles(state: State, count: int, cursor: str | None) -> None:
    """List the throttles that have limits or are blocked, the one first set first."""
    page = read_page(state.client.throttles.page, cursor, count)
    told = [asdict(one) for one in page.throttles]

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
            for one in told
        ]
        state.out.table(columns, rows)
        note_rest(state.out, page)

    state.out.answer({"throttles": told, "total": page.total, "cursor": page.cursor}, show)


def _rate(one: dict[str, Any]) -> str:
    if one["rate"] is None:
        return ""
    per, burst = exact_duration(one["per"] or 1.0), one["burst"] or one["rate"]
    return f"{one['rate']:g} per {per}, burst {burst:g}"


@throttles.command("show", examples=("qless-py throttles show github-api",))
@click.argument("throttle", type=THROTTLE)
@paged(25)
@pass_state
def show_throttle(state: State, throttle: str, count: int, offset: int) -> None:
    """Show the limits of a throttle, who holds it and who waits for it."""
    one = state.client.throttles[throttle]
    told = asdict(one.get())
    told |= {"holders": one.holders(offset, count), "parked": one.waiting(offset, count)}
    state.out.answer(told, lambda: _show(state, told))


def _show(state: State, told: dict[str, Any]) -> None:
    state.out.facts(
        {
            "throttle": told["id"],
            "at once": told["concurrency"],
            "rate": _rate(told),
            "tokens": told["tokens"],
            "holding": told["holding"],
            "waiting": told["waiting"],
            "blocked until": local_time(told["blocked_until"]),
            "kept for": told["reserved_for"],
            "holders": told.get("holders"),
            "parked": told.get("parked"),
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
@click.option("--concurrency", type=click.IntRange(min=0), help="How many jobs run at once.")
@click.option("--rate", type=Number(), help="How many may start in every --per.")
@click.option("--per", type=SPAN, help="By default a second.")
@click.option("--burst", type=Number(), help="How many may start at once after a pause.")
@pass_state
def set_limits(state: State, throttle: str, **limits: Any) -> None:
    """Replace the limits of a throttle: what is not given is no limit any more."""
    given = {name: value for name, value in limits.items() if value is not None}
    if not given:
        raise click.UsageError("no limit is given; `qless-py throttles delete` drops all of them")
    _answer(state, state.client.throttles[throttle].set(**given))


def _answer(state: State, found: ThrottleState) -> None:
    told = asdict(found)
    state.out.answer(told, lambda: _show(state, told))


@throttles.command("delete", examples=("qless-py throttles delete github-api",))
@click.argument("throttle", type=THROTTLE)
@pass_state
def delete(state: State, throttle: str) -> None:
    """Drop all limits of a throttle, so that the jobs that wait for it may run."""
    if not state.client.throttles[throttle].delete():
        raise NotFoundError(f"throttle {throttle} has no limits")
    state.out.answer({"deleted": throttle})


@throttles.command("release", examples=("qless-py throttles release github-api letter-1",))
@click.argument("throttle", type=THROTTLE)
@click.argument("jids", nargs=-1, required=True, type=JID, metavar="JID...")
@pass_state
def release(state: State, throttle: str, jids: tuple[str, ...]) -> None:
    """Take slots away from running jobs, which go on, so that others may start."""
    number = state.client.throttles[throttle].release(*jids)
    told = {"throttle": throttle, "released": number}
    state.out.answer(told, lambda: state.out.line(f"{number} released"))


@throttles.command(
    "block",
    examples=("qless-py throttles block github-api 15m", "qless-py throttles block github-api 0"),
)
@click.argument("throttle", type=THROTTLE)
@click.argument("seconds", type=SPAN, metavar="SPAN")
@pass_state
def block(state: State, throttle: str, seconds: float) -> None:
    """Start nothing of a throttle for that long; 0 takes a block back. Running jobs go on."""
    one = state.client.throttles[throttle]
    if seconds:
        one.block(seconds)
    else:
        one.unblock()
    _answer(state, one.get())


@group("users")
def users() -> None:
    """List users, and give them a share of their queues."""


@users.command("list", examples=("qless-py users list", "qless-py users list --queue mail"))
@click.option("--queue", type=QUEUE, help="Those with ready jobs here, and what share they get.")
@by_cursor
@pass_state
def list_users(state: State, queue: str | None, count: int, cursor: str | None) -> None:
    """List the users with a setting, or those with ready jobs in a queue.

    The share of a queue is told where all of its users fit on a page.
    """
    client = state.client
    page: UserPage[Any]
    if queue is None:
        page = read_page(client.users.page, cursor, count)
        columns = ["name", "weight", "max_running", "running"]
    else:
        page = read_page(client.queues[queue].user_page, cursor, count)
        columns = ["name", "share", "waiting", "weight", "max_running", "running"]
    told = [asdict(one) for one in page.users]

    def show() -> None:
        state.out.table(columns, [[one[name] for name in columns] for one in told])
        note_rest(state.out, page)

    state.out.answer({"users": told, "total": page.total, "cursor": page.cursor}, show)


@users.command("show", examples=("qless-py users show alice",))
@click.argument("name", type=USER)
@pass_state
def show_user(state: State, name: str) -> None:
    """Show the weight of a user and how many of its jobs run."""
    told = asdict(state.client.users[name].get())
    state.out.answer(told, lambda: state.out.facts(told))


@users.command(
    "set",
    examples=("qless-py users set alice --weight 3", "qless-py users set alice --max-running 10"),
)
@click.argument("name", type=USER)
@click.option("--weight", type=Number(), help="The share of a queue, beside that of others.")
@click.option(
    "--max-running", type=click.IntRange(min=0), help="How many jobs may run at once, anywhere."
)
@pass_state
def set_user(state: State, name: str, weight: float | None, max_running: int | None) -> None:
    """Change the weight of a user, or how many of its jobs may run at once."""
    if weight is None and max_running is None:
        raise click.UsageError("give --weight or --max-running")
    told = asdict(state.client.users[name].set(weight=weight, max_running=max_running))
    state.out.answer(told, lambda: state.out.facts(told))


@users.command("unset", examples=("qless-py users unset alice",))
@click.argument("name", type=USER)
@pass_state
def unset(state: State, name: str) -> None:
    """Go back to weight 1 and no limit."""
    if not state.client.users[name].unset():
        raise NotFoundError(f"user {name} has no setting")
    state.out.answer({"unset": name})
