"""`qless-py recur`: recurring jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from qless_py.cli import recur_file
from qless_py.cli import serialize as shapes
from qless_py.cli.base import group, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.job import find
from qless_py.cli.names import NAME, QUEUE, RECURRING, TAG
from qless_py.cli.output import brief
from qless_py.cli.params import JSON, MOMENT, SPAN, Number, confirm, given_options, run_options, yes
from qless_py.cli.show import recurring_page, when
from qless_py.cli.state import State
from qless_py.client.humanize import local_time
from qless_py.client.recurring import RecurringJob
from qless_py.errors import BadArgumentError
from qless_py.protocol.recurring_calls import MISFIRES

_CHILDREN: Final = (
    click.option("--zone", metavar="ZONE", help="The time zone of --cron, by default UTC."),
    click.option(
        "--misfire",
        type=click.Choice(MISFIRES),
        help="What becomes of those missed: all made up for, only the last one, or skipped.",
    ),
    click.option("--start", type=MOMENT, help="None before."),
    click.option("--end", type=MOMENT, help="None after."),
    click.option("--times", "limit", type=click.IntRange(min=1), help="How many at most."),
    click.option("--expires", type=SPAN, help="How long after its time each may begin."),
    click.option("--priority", type=Number(), help="Of each job it makes."),
    click.option("--tag", "tags", type=TAG, multiple=True, help="Of each job it makes."),
    click.option("--retries", type=click.IntRange(min=0), help="Of each job it makes."),
    click.option(
        "--backlog",
        type=click.IntRange(min=0),
        help="How many missed ones are made up for; 0 is all.",
    ),
)


# How what may be left out again is called by the library, and what says so.
_EMPTY: Final[Mapping[str, tuple[str, Any]]] = {"tags": ("tags", []), "times": ("limit", None)}


def _of_children(function: Any) -> Any:
    for option in reversed(_CHILDREN):
        function = option(function)
    return run_options(function)


@group("recur")
def recur() -> None:
    """List, add, edit and remove recurring jobs, or keep them as a file says."""


@recur.command("list", examples=("qless-py recur list", "qless-py recur list --queue reports"))
@click.option("--queue", type=QUEUE, help="Only those of this queue.")
@pass_state
def list_recurring(state: State, queue: str | None) -> None:
    """List recurring jobs with when each makes its next job."""
    told = [shapes.recurring(one) for one in recur_file.existing(state.client, queue)]

    def show() -> None:
        rows = [
            (
                one["jid"],
                one["queue"],
                one["klass"],
                when(one),
                "paused"
                if one["paused"]
                else "over"
                if one["over"]
                else local_time(one["next_at"]),
                one["count"],
                one["tags"],
                one.get("data_error") or brief(one["data"]),
            )
            for one in told
        ]
        columns = ("jid", "queue", "klass", "when", "next", "made", "tags", "data")
        state.out.table(columns, rows, has_text=True)

    state.out.answer({"recurring": told}, show)


def _next(one: Mapping[str, Any]) -> str:
    if one["paused"]:
        return "paused"
    return "over" if one["over"] else local_time(one["next_at"])


@recur.command(
    "add",
    examples=(
        'qless-py recur add reports app.Report \'{"of": "sales"}\' --every 1h --jid hourly',
        "qless-py recur add reports app.Report --every 1d --after 30m --tag nightly",
        "qless-py recur add reports app.Report --cron '0 3 * * mon-fri' --zone Europe/Berlin",
    ),
)
@click.argument("queue", type=QUEUE)
@click.argument("klass")
@click.argument("data", type=JSON, required=False)
@click.option("--every", type=SPAN, help="From one job to the next: 90, 15m, 2h.")
@click.option("--cron", help="Five fields, six with seconds first, or as @daily.")
@click.option("--after", type=SPAN, default=0.0, help="How long until the first one.")
@click.option("--jid", type=NAME, help="An id of one's own; an existing one is replaced.")
@_of_children
@pass_state
def add(  # noqa: PLR0913, PLR0917 - one for each option
    state: State, queue: str, klass: str, data: Any, every: float | None, after: float, **more: Any
) -> None:
    """Put a job of KLASS into QUEUE again and again, and say the recurring jid."""
    if (every is None) == (more["cron"] is None):
        raise click.UsageError("say --every or --cron")
    given = given_options(more)
    jid = state.client.queues[queue].recur(klass, data, every, after, **given)
    state.out.answer({"jid": jid}, lambda: state.out.line(jid))


@recur.command(
    "edit",
    examples=("qless-py recur edit hourly --every 2h", "qless-py recur edit hourly --to slow"),
)
@click.argument("jid", type=RECURRING)
@click.option("--every", "interval", type=SPAN, help="From one job to the next.")
@click.option("--cron", help="Instead of an interval.")
@click.option("--klass", help="What performs each job.")
@click.option("--to", "queue", type=QUEUE, help="The queue that jobs are put into.")
@click.option("--data", type=JSON, help="The data of each job, in JSON.")
@click.option(
    "--unset", multiple=True, type=click.Choice(list(_EMPTY)), help="Leave out what was said."
)
@_of_children
@pass_state
def edit(state: State, jid: str, unset: tuple[str, ...], **options: Any) -> None:
    """Change a recurring job; jobs that exist already stay as they are."""
    changes = given_options(options) | dict(_EMPTY[name] for name in unset)
    if not changes:
        raise click.UsageError("say what to change")
    one = _find(state, jid)
    one.update(**changes)
    _answer_one(state, one)


@recur.command("pause", examples=("qless-py recur pause hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_state
def pause(state: State, jids: tuple[str, ...]) -> None:
    """Make no jobs until resumed."""
    for one in [_find(state, jid) for jid in jids]:
        one.pause()
    state.out.answer({"paused": list(jids)})


@recur.command("resume", examples=("qless-py recur resume hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_state
def resume(state: State, jids: tuple[str, ...]) -> None:
    """Make jobs again."""
    for one in [_find(state, jid) for jid in jids]:
        one.resume()
    state.out.answer({"resumed": list(jids)})


@recur.command("run", examples=("qless-py recur run hourly",))
@click.argument("jid", type=RECURRING)
@pass_state
def run(state: State, jid: str) -> None:
    """Put a job now, beside the schedule, and say its jid."""
    made = _find(state, jid).run()
    state.out.answer({"jid": made}, lambda: state.out.line(made))


@recur.command("remove", examples=("qless-py recur remove hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_state
def remove(state: State, jids: tuple[str, ...]) -> None:
    """Make no more jobs; those that exist stay."""
    for one in [_find(state, jid) for jid in jids]:
        one.cancel()
    state.out.answer({"removed": list(jids)})


@recur.command(
    "sync",
    examples=(
        "qless-py recur sync schedule.toml --dry-run",
        "qless-py recur sync schedule.toml --group nightly --yes",
    ),
)
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--group", type=NAME, help="What the file cares for, by default named like it.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@yes
@pass_state
def sync(state: State, path: Path, group: str | None, *, dry_run: bool, yes: bool) -> None:
    """Make the recurring jobs of a group what a TOML or JSON file says, at each deployment.

    The file has a table for each jid, with queue, klass and every or cron, and perhaps data, after,
    zone, misfire, start, end, times, priority, tags, retries, backlog, expires, user, throttles.
    Those of the group that it does not name are removed; others keep their schedule.
    """
    chosen = group or path.stem
    wanted = recur_file.read(path)
    there = {one.jid for one in recur_file.existing(state.client) if one.group == chosen}
    told: dict[str, Any] = {
        "group": chosen,
        "added": sorted(wanted.keys() - there),
        "kept": sorted(wanted.keys() & there),
        "removed": sorted(there - wanted.keys()),
        "dry_run": dry_run,
    }
    if told["removed"] and not dry_run:
        confirm(f"Remove {', '.join(told['removed'])}?", agreed=yes, out=state.out)
    if not dry_run:
        try:
            state.client.recurring.sync(wanted, group=chosen)
        except BadArgumentError as error:
            raise click.UsageError(f"{path}: {error}") from error

    def show() -> None:
        for name in ("added", "kept", "removed"):
            for jid in told[name]:
                state.out.line(f"{'would be ' if dry_run else ''}{name}: {jid}")

    state.out.answer(told, show)


def _find(state: State, jid: str) -> RecurringJob:
    one = find(state, jid)
    if not isinstance(one, RecurringJob):
        raise NotFoundError(f"{jid} is no recurring job")
    return one


def _answer_one(state: State, one: RecurringJob) -> None:
    told = shapes.recurring(one)
    state.out.answer(told, lambda: recurring_page(state.out, told))
