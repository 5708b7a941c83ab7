"""`qless-py recur`: recurring jobs, one by one or as a file lists them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from qless_py import protocol
from qless_py.cli import serialize
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.job import find
from qless_py.cli.output import brief
from qless_py.cli.params import (
    JSON,
    MOMENT,
    NAME,
    QUEUE,
    RECURRING,
    SPAN,
    TAG,
    Number,
    confirm,
    given_options,
    policy,
    run_options,
    yes,
)
from qless_py.cli.views import recurring_page, when
from qless_py.client.client import Client
from qless_py.client.humanize import local_time
from qless_py.client.recurring import RecurringJob
from qless_py.errors import BadArgumentError
from qless_py.protocol.jobs import SMALL_PAGE
from qless_py.protocol.recurring import MISFIRES, RecurSpec
from qless_py.store import settings_file

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
@pass_cli
def list_recurring(cli: CliContext, queue: str | None) -> None:
    """List recurring jobs with when each makes its next job."""
    answer = [serialize.recurring(one) for one in existing(cli.client, queue)]

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
            for one in answer
        ]
        columns = ("jid", "queue", "klass", "when", "next", "made", "tags", "data")
        cli.out.table(columns, rows, has_text=True)

    cli.out.answer({"recurring": answer}, show)


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
@pass_cli
def add(  # noqa: PLR0913, PLR0917 - one for each option
    cli: CliContext,
    queue: str,
    klass: str,
    data: Any,
    every: float | None,
    after: float,
    **more: Any,
) -> None:
    """Put a job of KLASS into QUEUE again and again, and say the recurring jid."""
    if (every is None) == (more["cron"] is None):
        raise click.UsageError("say --every or --cron")
    given = given_options(more)
    jid = cli.client.queues[queue].recur(klass, data, every, after, **given)
    cli.out.answer({"jid": jid}, lambda: cli.out.line(jid))


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
@pass_cli
def edit(cli: CliContext, jid: str, unset: tuple[str, ...], **options: Any) -> None:
    """Change a recurring job; jobs that exist already stay as they are."""
    changes = given_options(options) | dict(_EMPTY[name] for name in unset)
    if not changes:
        raise click.UsageError("say what to change")
    one = _find(cli, jid)
    one.update(**changes)
    _answer_one(cli, one)


@recur.command("pause", examples=("qless-py recur pause hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def pause(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Make no jobs until resumed."""
    for one in [_find(cli, jid) for jid in jids]:
        one.pause()
    cli.out.answer({"paused": list(jids)})


@recur.command("resume", examples=("qless-py recur resume hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def resume(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Make jobs again."""
    for one in [_find(cli, jid) for jid in jids]:
        one.resume()
    cli.out.answer({"resumed": list(jids)})


@recur.command("run", examples=("qless-py recur run hourly",))
@click.argument("jid", type=RECURRING)
@pass_cli
def run(cli: CliContext, jid: str) -> None:
    """Put a job now, beside the schedule, and say its jid."""
    made = _find(cli, jid).run()
    cli.out.answer({"jid": made}, lambda: cli.out.line(made))


@recur.command("remove", examples=("qless-py recur remove hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def remove(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Make no more jobs; those that exist stay."""
    for one in [_find(cli, jid) for jid in jids]:
        one.cancel()
    cli.out.answer({"removed": list(jids)})


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
@pass_cli
def sync(cli: CliContext, path: Path, group: str | None, *, dry_run: bool, yes: bool) -> None:
    """Make the recurring jobs of a group what a TOML or JSON file says, at each deployment.

    The file has a table for each jid, with queue, klass and every or cron, and perhaps data, after,
    zone, misfire, start, end, times, priority, tags, retries, backlog, expires, user, throttles.
    Those of the group that it does not name are removed; others keep their schedule.
    """
    chosen = group or path.stem
    wanted = read_file(path)
    there = {one.jid for one in existing(cli.client) if one.group == chosen}
    answer: dict[str, Any] = {
        "group": chosen,
        "added": sorted(wanted.keys() - there),
        "kept": sorted(wanted.keys() & there),
        "removed": sorted(there - wanted.keys()),
        "dry_run": dry_run,
    }
    if answer["removed"] and not dry_run:
        confirm(f"Remove {', '.join(answer['removed'])}?", agreed=yes, out=cli.out)
    if not dry_run:
        try:
            cli.client.recurring.sync(wanted, group=chosen)
        except BadArgumentError as error:
            raise click.UsageError(f"{path}: {error}") from error

    def show() -> None:
        for name in ("added", "kept", "removed"):
            for jid in answer[name]:
                cli.out.line(f"{'would be ' if dry_run else ''}{name}: {jid}")

    cli.out.answer(answer, show)


def _find(cli: CliContext, jid: str) -> RecurringJob:
    one = find(cli, jid)
    if not isinstance(one, RecurringJob):
        raise NotFoundError(f"{jid} is no recurring job")
    return one


def _answer_one(cli: CliContext, one: RecurringJob) -> None:
    answer = serialize.recurring(one)
    cli.out.answer(answer, lambda: recurring_page(cli.out, answer))


# The words of the file that are not those of the library.
_NAMES: Final = {"every": "interval", "after": "offset", "times": "limit"}
_SPANS: Final = ("interval", "offset", "expires", "soft_limit", "hard_limit")
_KEYS: Final = frozenset(RecurSpec.__annotations__) - {"jid", "interval", "offset", "limit"}
_KNOWN: Final = _KEYS | frozenset(_NAMES)


def existing(client: Client, queue: str | None = None) -> Iterator[RecurringJob]:
    """Give the recurring jobs of a queue, or of all."""
    names = [queue] if queue else [row["name"] for row in client.queues.counts]
    for name in names:
        offset = 0
        while True:
            total, records = client.run(protocol.recurring.in_queue(name, offset, SMALL_PAGE))
            yield from (RecurringJob(client, record) for record in records)
            offset += len(records)
            if not records or offset >= total:
                break


def read_file(path: Path) -> dict[str, RecurSpec]:
    """Read the file; what is wrong in it is wrong use."""
    import tomllib  # noqa: PLC0415 - only for such a file

    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError(f"{path} is not a table of recurring jobs")
    return {jid: _spec(f"{path}: {jid}", entry) for jid, entry in value.items()}


def _spec(where: str, entry: Any) -> RecurSpec:
    if not isinstance(entry, dict):
        raise click.UsageError(f"{where} is not a table")
    for key in entry:
        if key.replace("-", "_") not in _KNOWN:
            raise click.UsageError(f"{where}: {settings_file.unknown('key', key, _KNOWN)}")
    named = {key.replace("-", "_"): value for key, value in entry.items()}
    spec: dict[str, Any] = {_NAMES.get(key, key): value for key, value in named.items()}
    missing = [key for key in ("queue", "klass") if key not in spec]
    if missing:
        raise click.UsageError(f"{where} has no {' and no '.join(missing)}")
    if ("interval" in spec) == ("cron" in spec):
        raise click.UsageError(f"{where} needs either every or cron")
    try:
        spec |= {key: SPAN.convert(spec[key], None, None) for key in _SPANS if key in spec}
        spec |= {key: _instant(spec[key]) for key in ("start", "end") if key in spec}
        if "retry" in spec:
            spec["retry"] = policy(spec["retry"])
        json.dumps(spec.get("data"))
    except (click.BadParameter, TypeError) as error:
        raise click.UsageError(f"{where}: {error}") from error
    return spec  # type: ignore[return-value]


def _instant(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone() if value.tzinfo is None else value
    return MOMENT.convert(value, None, None)
