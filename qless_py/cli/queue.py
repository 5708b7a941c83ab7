"""`qless-py queue`: show, pause, configure, purge and forget one queue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import click

from qless_py.cli import bulk
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.filters import QUEUE_STATES, Filters
from qless_py.cli.params import MOMENT, OF_QUEUES, QUEUE, SPAN, confirm, yes
from qless_py.cli.queues import pause_text
from qless_py.client import serialize
from qless_py.client.humanize import plural
from qless_py.protocol import arguments
from qless_py.store import settings_file


@group("queue")
def queue() -> None:
    """Show, pause, configure, purge and forget a queue."""


@queue.command("show", examples=("qless-py queue show mail",))
@click.argument("name", type=QUEUE)
@pass_cli
def show_queue(cli: CliContext, name: str) -> None:
    """Show how many jobs a queue has in each state, its pause and its options."""
    known = {row["name"]: row for row in cli.client.queues.counts}
    if name not in known:
        raise NotFoundError(_unknown(name, known))
    answer = serialize.queue(known[name]) | {"options": _options(cli, name)}

    def show() -> None:
        cli.out.facts({"queue": name, **{what: answer[what] for what in serialize.COUNTS}})
        cli.out.facts({"paused": pause_text(answer), **answer["options"]})

    cli.out.answer(answer, show)


def _options(cli: CliContext, name: str) -> dict[str, Any]:
    config = cli.client.config.all
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
@click.option("--reason", help="Why it is paused, shown to everybody.")
@click.option("--until", type=MOMENT, help="Unpause it at this time.")
@click.option("--for", "span", type=SPAN, help="Unpause it after this time.")
@click.option("--new", is_flag=True, help="Also pause a queue that has never had a job.")
@pass_cli
def pause(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    names: tuple[str, ...],
    reason: str | None,
    until: float | None,
    span: float | None,
    *,
    new: bool,
) -> None:
    """Pause queues: no job starts, running jobs continue, new jobs are accepted."""
    if until is not None and span is not None:
        raise click.UsageError("--until and --for exclude each other")
    if not new:
        _refuse_unknown(cli, names, "--new pauses it all the same")
    end = time.time() + span if span is not None else until
    for name in names:
        cli.client.queues[name].pause(reason, until=end)
    _answer_paused(cli, names, paused=True)


@queue.command("unpause", examples=("qless-py queue unpause mail",))
@click.argument("names", nargs=-1, required=True, type=QUEUE, metavar="NAME...")
@pass_cli
def unpause(cli: CliContext, names: tuple[str, ...]) -> None:
    """Unpause queues."""
    _refuse_unknown(cli, names)
    for name in names:
        cli.client.queues[name].unpause()
    _answer_paused(cli, names, paused=False)


def _refuse_unknown(cli: CliContext, names: tuple[str, ...], hint: str = "") -> None:
    known = {row["name"] for row in cli.client.queues.counts}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise NotFoundError("; ".join(filter(None, (_unknown(missing, known), hint))))


def _unknown(name: str, known: Iterable[str]) -> str:
    near = arguments.nearest(name, sorted(known))
    hint = f": did you mean {near}?" if near else ""
    return f"queue {name} does not exist{hint}"


def _answer_paused(cli: CliContext, names: tuple[str, ...], *, paused: bool) -> None:
    def show() -> None:
        for name in names:
            cli.out.line(f"{name} {'paused' if paused else 'unpaused'}")

    answer = [{"name": name, "paused": paused} for name in names]
    cli.out.answer({"queues": answer}, show)


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
@pass_cli
def set_options(cli: CliContext, name: str, settings: tuple[str, ...]) -> None:
    """Set options of one queue; an empty value resets an option to its default.

    They are heartbeat, the seconds that a lease lasts, and retry-policy, in JSON, for jobs that
    have none of their own. Limits are set with `qless-py throttles set queue:NAME`.
    """
    pairs = [setting.partition("=") for setting in settings]
    for option, equals, _ in pairs:
        if not option or not equals:
            raise click.UsageError(f"{option!r} must have the form OPTION=VALUE")
        if option not in OF_QUEUES:
            raise click.UsageError(settings_file.unknown("option", option, OF_QUEUES))
    for option, _, value in pairs:
        if value:
            cli.client.config.set(f"{name}-{option}", value)
        else:
            cli.client.config.unset(f"{name}-{option}")
    answer = _options(cli, name)
    cli.out.answer({"name": name, "options": answer}, lambda: cli.out.facts(answer))


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
@click.option("--dry-run", is_flag=True, help="Only count the jobs.")
@bulk.in_background
@pass_cli
def purge(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    name: str,
    states: tuple[str, ...],
    *,
    yes: bool,
    dry_run: bool,
    in_background: bool,
) -> int:
    """Cancel the jobs in a queue, also running ones, but not complete or failed ones."""
    _refuse_unknown(cli, (name,))
    filters = Filters(states=states or QUEUE_STATES, queue=name)
    mode = bulk.Mode(agreed=yes, dry_run=dry_run, in_background=in_background)
    return bulk.run_on(cli, bulk.canceling(), (), filters, mode)


@queue.command("forget", examples=("qless-py queue forget trial --yes",))
@click.argument("names", nargs=-1, required=True, type=QUEUE, metavar="NAME...")
@yes
@pass_cli
def forget(cli: CliContext, names: tuple[str, ...], *, yes: bool) -> None:
    """Remove queues from the list; jobs stay, and a queue without jobs loses its pause."""
    left = {name: len(cli.client.queues[name]) for name in names}
    busy = [f"{name} with {plural(number, 'job')}" for name, number in left.items() if number]
    if busy:
        confirm(f"Forget {', '.join(busy)}?", agreed=yes, out=cli.out)
    known = [name for name in names if cli.client.queues[name].forget()]
    missing = [name for name in names if name not in known]
    cli.out.answer({"forgotten": known, "missing": missing})
    if missing:
        raise NotFoundError(f"queue {', '.join(missing)} does not exist")
