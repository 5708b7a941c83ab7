"""`qless-py queues` and `queue`: what is in them, pausing, options, purging."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from qless_py.cli import bulk
from qless_py.cli.base import command, group, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.filters import QUEUE_STATES, Filters
from qless_py.cli.names import QUEUE
from qless_py.cli.params import MOMENT, OF_QUEUES, SPAN, confirm, yes
from qless_py.cli.state import State
from qless_py.client.humanize import local_time
from qless_py.store import settings_file as configuration

COUNTS: Final = (
    "waiting",
    "running",
    "stalled",
    "scheduled",
    "depends",
    "throttled",
    "recurring",
)


def shape(row: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a queue."""
    counts = {name: int(row.get(name, 0)) for name in COUNTS}
    return {
        "name": row["name"],
        **counts,
        "paused": bool(row.get("paused")),
        "pause": dict(row.get("pause") or {}) or None,
    }


@command("queues", examples=("qless-py queues", "qless-py queues --json"))
@pass_state
def queues(state: State) -> None:
    """List the known queues with how many jobs each has in each state."""
    told = [shape(row) for row in state.client.queues.counts]

    def show() -> None:
        rows = [(one["name"], *(one[name] for name in COUNTS), _paused(one)) for one in told]
        state.out.table(("queue", *COUNTS, "paused"), rows)

    state.out.answer({"queues": told}, show)


def _paused(one: Mapping[str, Any]) -> str:
    pause = one["pause"] or {}
    if not one["paused"]:
        return ""
    parts = ["since " + local_time(pause["since"])] if pause.get("since") else ["yes"]
    parts += [f"until {local_time(pause['until'])}"] if pause.get("until") else []
    parts += [f"by {pause['by']}"] if pause.get("by") else []
    parts += [pause["reason"]] if pause.get("reason") else []
    return ", ".join(parts)


@group("queue")
def queue() -> None:
    """Show, pause, configure, purge and forget a queue."""


@queue.command("show", examples=("qless-py queue show mail",))
@click.argument("name", type=QUEUE)
@pass_state
def show_queue(state: State, name: str) -> None:
    """Show how many jobs a queue has in each state, its options, and its pause."""
    known = {row["name"]: row for row in state.client.queues.counts}
    if name not in known:
        raise NotFoundError(f"there is no queue {name}")
    told = shape(known[name]) | {"options": _options(state, name)}

    def show() -> None:
        state.out.facts({"queue": name, **{what: told[what] for what in COUNTS}})
        state.out.facts({"paused": _paused(told), **told["options"]})

    state.out.answer(told, show)


def _options(state: State, name: str) -> dict[str, Any]:
    config = state.client.config.all
    own = {
        option.removeprefix(f"{name}-"): value
        for option, value in config.items()
        if option.startswith(f"{name}-")
    }
    return {"heartbeat": config.get("heartbeat", 60), **own}


@queue.command(
    "pause",
    examples=(
        "qless-py queue pause mail --reason 'the mail server is down'",
        "qless-py queue pause mail reports --for 30m",
    ),
)
@click.argument("names", nargs=-1, required=True, type=QUEUE, metavar="NAME...")
@click.option("--reason", help="Why, for everybody to see.")
@click.option("--until", type=MOMENT, help="When it ends by itself.")
@click.option("--for", "span", type=SPAN, help="After how long it ends by itself.")
@pass_state
def pause(
    state: State,
    names: tuple[str, ...],
    reason: str | None,
    until: float | None,
    span: float | None,
) -> None:
    """Hand out no more jobs of queues; running ones go on, and new ones are accepted."""
    if until is not None and span is not None:
        raise click.UsageError("--until and --for exclude each other")
    end = time.time() + span if span is not None else until
    for name in names:
        state.client.queues[name].pause(reason, until=end)
    _answer_paused(state, names, paused=True)


@queue.command("unpause", examples=("qless-py queue unpause mail",))
@click.argument("names", nargs=-1, required=True, type=QUEUE, metavar="NAME...")
@pass_state
def unpause(state: State, names: tuple[str, ...]) -> None:
    """Hand out jobs again."""
    for name in names:
        state.client.queues[name].unpause()
    _answer_paused(state, names, paused=False)


def _answer_paused(state: State, names: tuple[str, ...], *, paused: bool) -> None:
    def show() -> None:
        for name in names:
            state.out.line(f"{name} {'paused' if paused else 'unpaused'}")

    told = [{"name": name, "paused": paused} for name in names]
    state.out.answer({"queues": told}, show)


@queue.command(
    "set",
    examples=(
        "qless-py queue set mail heartbeat=300",
        """qless-py queue set mail 'retry-policy={"backoff": {"first": 5, "factor": 2}}'""",
        "qless-py queue set mail heartbeat=",
    ),
)
@click.argument("name", type=QUEUE)
@click.argument("settings", nargs=-1, required=True, metavar="OPTION=VALUE...")
@pass_state
def set_options(state: State, name: str, settings: tuple[str, ...]) -> None:
    """Set options of a queue, which hold for it alone; an empty value goes back to the default.

    They are heartbeat, the seconds that a lease lasts, and retry-policy, in JSON, for jobs that
    have none of their own. Limits are set with `qless-py throttles set queue:NAME`.
    """
    pairs = [setting.partition("=") for setting in settings]
    for option, equals, _ in pairs:
        if not option or not equals:
            raise click.UsageError(f"{option!r} is not of the form OPTION=VALUE")
        if option not in OF_QUEUES:
            raise click.UsageError(configuration.unknown("option", option, OF_QUEUES))
    for option, _, value in pairs:
        if value:
            state.client.config.set(f"{name}-{option}", value)
        else:
            state.client.config.unset(f"{name}-{option}")
    told = _options(state, name)
    state.out.answer({"name": name, "options": told}, lambda: state.out.facts(told))


@queue.command(
    "purge",
    examples=(
        "qless-py queue purge trial --yes",
        "qless-py queue purge trial --state scheduled --yes",
    ),
)
@click.argument("name", type=QUEUE)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(QUEUE_STATES),
    help="Only jobs in this state. May be repeated.",
)
@yes
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@bulk.in_background
@pass_state
def purge(  # noqa: PLR0913 - one for each option
    state: State,
    name: str,
    states: tuple[str, ...],
    *,
    yes: bool,
    dry_run: bool,
    in_background: bool,
) -> int:
    """Cancel the jobs of a queue, running ones too; complete and failed ones are in no queue."""
    filters = Filters(states=states or QUEUE_STATES, queue=name)
    mode = bulk.Mode(agreed=yes, dry_run=dry_run, in_background=in_background)
    return bulk.run_on(state, bulk.CANCEL, (), filters, mode)


@queue.command("forget", examples=("qless-py queue forget trial --yes",))
@click.argument("names", nargs=-1, required=True, type=QUEUE, metavar="NAME...")
@yes
@pass_state
def forget(state: State, names: tuple[str, ...], *, yes: bool) -> None:
    """Take queues off the list of known ones; their jobs stay."""
    left = {name: len(state.client.queues[name]) for name in names}
    busy = [f"{name} with {number} jobs" for name, number in left.items() if number]
    if busy:
        confirm(f"Forget {', '.join(busy)}?", agreed=yes, out=state.out)
    known = [name for name in names if state.client.queues[name].forget()]
    missing = [name for name in names if name not in known]
    state.out.answer({"forgotten": known, "missing": missing})
    if missing:
        raise NotFoundError(f"there is no queue {', '.join(missing)}")
