"""`qless-py recur`: recurring jobs, one by one or as a file lists them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from qless_py import protocol
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
from qless_py.client import schedules, serialize
from qless_py.client.client import Client
from qless_py.client.humanize import local_time, plural
from qless_py.client.recurring import RecurringJob
from qless_py.errors import BadArgumentError
from qless_py.protocol.jobs import SMALL_PAGE
from qless_py.protocol.recurring import MISFIRES, OVERLAPS, RecurSpec
from qless_py.store import settings_file

_CHILDREN: Final = (
    click.option("--zone", metavar="ZONE", help="The time zone of --cron, by default UTC."),
    click.option(
        "--misfire",
        type=click.Choice(MISFIRES),
        help="What to do about missed jobs: put all, only the last one, or none.",
    ),
    click.option(
        "--overlap",
        type=click.Choice(OVERLAPS),
        help="Whether to put a job while the one before has not completed or failed.",
    ),
    click.option("--start", type=MOMENT, help="No job before this time."),
    click.option("--end", type=MOMENT, help="Put no job after this time."),
    click.option("--times", "limit", type=click.IntRange(min=1), help="Put at most this many."),
    click.option("--expires", type=SPAN, help="Fail a job not started this long after its time."),
    click.option("--priority", type=Number(), help="The priority of each job."),
    click.option("--tag", "tags", type=TAG, multiple=True, help="A tag of each job. Repeatable."),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        help="How often each job may lose its lease before it fails; by default 0.",
    ),
    click.option(
        "--backlog",
        type=click.IntRange(min=0),
        help="Put at most this many missed jobs; 0 for all.",
    ),
)


# For each value of --unset, the parameter of the library and its empty value.
_EMPTY: Final[Mapping[str, tuple[str, Any]]] = {"tags": ("tags", []), "times": ("limit", None)}


def _of_children(function: Any) -> Any:
    for option in reversed(_CHILDREN):
        function = option(function)
    return run_options(function)


@group("recur")
def recur() -> None:
    """List, add, edit and remove recurring jobs, or sync them with a file."""


@recur.command("list", examples=("qless-py recur list", "qless-py recur list --queue reports"))
@click.option("--queue", type=QUEUE, help="Only recurring jobs of this queue.")
@pass_cli
def list_recurring(cli: CliContext, queue: str | None) -> None:
    """List recurring jobs and when each puts its next job."""
    answer = [serialize.recurring(one) for one in existing(cli.client, queue)]

    def show() -> None:
        rows = [
            (
                one["jid"],
                one["queue"],
                one["klass"],
                when(one),
                one["next"],
                one["count"],
                one["tags"],
                one.get("data_error") or brief(one["data"]),
            )
            for one in answer
        ]
        columns = ("jid", "queue", "klass", "when", "next", "made", "tags", "data")
        cli.out.table(columns, rows, has_text=True)

    cli.out.answer({"recurring": answer}, show)


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
@click.option("--every", type=SPAN, help="The time between two jobs: 90, 15m, 2h.")
@click.option("--cron", help="A cron expression: five fields, six with seconds first, or @daily.")
@click.option("--after", type=SPAN, default=0.0, help="Put the first job after this time.")
@click.option(
    "--jid",
    type=NAME,
    help="The jid, by default random; an existing one is replaced.",
)
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
    """Put a job of KLASS into QUEUE on a schedule, and print the jid of the recurring job."""
    if (every is None) == (more["cron"] is None):
        raise click.UsageError("give either --every or --cron")
    given = given_options(more)
    jid = cli.client.queues[queue].recur(klass, data, every, after, **given)
    cli.out.answer({"jid": jid}, lambda: cli.out.line(jid))


@recur.command(
    "edit",
    examples=("qless-py recur edit hourly --every 2h", "qless-py recur edit hourly --to slow"),
)
@click.argument("jid", type=RECURRING)
@click.option("--every", "interval", type=SPAN, help="The time between two jobs.")
@click.option("--cron", help="A cron expression instead of an interval.")
@click.option("--klass", help="The klass of each job.")
@click.option("--to", "queue", type=QUEUE, help="The queue of each job.")
@click.option("--data", type=JSON, help="The data of each job, in JSON.")
@click.option(
    "--unset", multiple=True, type=click.Choice(list(_EMPTY)), help="Remove this setting."
)
@_of_children
@pass_cli
def edit(cli: CliContext, jid: str, unset: tuple[str, ...], **options: Any) -> None:
    """Change a recurring job; jobs that it has already put stay as they are."""
    changes = given_options(options) | dict(_EMPTY[name] for name in unset)
    if not changes:
        raise click.UsageError("give at least one option to change")
    one = _find(cli, jid)
    one.update(**changes)
    _answer_one(cli, one)


@recur.command("pause", examples=("qless-py recur pause hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def pause(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Pause recurring jobs: they put no jobs until resumed."""
    for one in [_find(cli, jid) for jid in jids]:
        one.pause()
    cli.out.answer({"paused": list(jids)})


@recur.command("resume", examples=("qless-py recur resume hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def resume(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Resume paused recurring jobs."""
    for one in [_find(cli, jid) for jid in jids]:
        one.resume()
    cli.out.answer({"resumed": list(jids)})


@recur.command("run", examples=("qless-py recur run hourly",))
@click.argument("jid", type=RECURRING)
@pass_cli
def run(cli: CliContext, jid: str) -> None:
    """Put a job now, in addition to the schedule, and print its jid."""
    made = _find(cli, jid).run()
    cli.out.answer({"jid": made}, lambda: cli.out.line(made))


@recur.command("runs", examples=("qless-py recur runs hourly",))
@click.argument("jid", type=RECURRING)
@pass_cli
def runs(cli: CliContext, jid: str) -> None:
    """List the last 20 runs of a recurring job, newest first, and what became of their jobs."""
    found = [serialize.recurring_run(one) for one in _find(cli, jid).runs()]

    def show() -> None:
        rows = [
            (
                local_time(one["at"]),
                one["jid"] or plural(one["ticks"], "tick"),
                one["state"] or "not kept",
                local_time(one["started_at"]),
                local_time(one["ended_at"]),
            )
            for one in found
        ]
        cli.out.table(("time", "job", "state", "started", "ended"), rows)

    cli.out.answer({"runs": found}, show)


@recur.command(
    "preview",
    examples=(
        "qless-py recur preview --cron '30 9 * * mon-fri' --zone Europe/Berlin",
        "qless-py recur preview --every 90m --count 3",
    ),
)
@click.option("--every", "interval", type=SPAN, help="The time between two jobs.")
@click.option("--cron", help="A cron expression: five fields, six with seconds first, or @daily.")
@click.option("--zone", metavar="ZONE", help="The time zone of --cron, by default UTC.")
@click.option("--count", type=click.IntRange(1, 100), default=5, help="How many times; 5.")
@pass_cli
def preview(cli: CliContext, **given: Any) -> None:
    """Say a schedule in words, and list its next times as if it began now."""
    try:
        found = schedules.preview(cli.client.settings.clock(), **given)
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    times = [one.isoformat(sep=" ", timespec="seconds") for one in found.times]
    answer = {"words": found.words, "next": [one.timestamp() for one in found.times]}
    cli.out.answer(answer, lambda: cli.out.line("\n".join((found.words, *times))))


@recur.command("remove", examples=("qless-py recur remove hourly",))
@click.argument("jids", nargs=-1, required=True, type=RECURRING, metavar="JID...")
@pass_cli
def remove(cli: CliContext, jids: tuple[str, ...]) -> None:
    """Remove recurring jobs; jobs that they have put stay.

    It also removes one that nobody can read.
    """
    for one in [_find_or_remove(cli, jid) for jid in jids]:
        if one is not None:
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
@click.option("--group", type=NAME, help="The group that the file describes, by default its name.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@yes
@pass_cli
def sync(cli: CliContext, path: Path, group: str | None, *, dry_run: bool, yes: bool) -> None:
    """Sync the recurring jobs of a group with a TOML or JSON file, for example at each deployment.

    The file has a table for each jid, with queue, klass and either every or cron; optional are
    data, after, zone, misfire, overlap, start, end, times, priority, tags, retries, backlog,
    expires, user, throttles. Recurring jobs of the group that it does not name are removed.
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
        raise NotFoundError(f"{jid} is not a recurring job")
    return one


def _find_or_remove(cli: CliContext, jid: str) -> RecurringJob | None:
    """Return a recurring job; remove one that cannot be read, and return None."""
    try:
        return _find(cli, jid)
    except NotFoundError:
        if not cli.client.run(protocol.recurring.cancel(jid)):
            raise
        return None


def _answer_one(cli: CliContext, one: RecurringJob) -> None:
    answer = serialize.recurring(one)
    cli.out.answer(answer, lambda: recurring_page(cli.out, answer))


# Keys of the file that have another name in the library.
_NAMES: Final = {"every": "interval", "after": "offset", "times": "limit"}
_SPANS: Final = ("interval", "offset", "expires", "soft_limit", "hard_limit")
_KEYS: Final = frozenset(RecurSpec.__annotations__) - {"jid", "interval", "offset", "limit"}
_KNOWN: Final = _KEYS | frozenset(_NAMES)


def existing(client: Client, queue: str | None = None) -> Iterator[RecurringJob]:
    """Yield the recurring jobs of a queue, or of all queues."""
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
    """Read a file of recurring jobs; a mistake in it is a usage error."""
    import tomllib  # noqa: PLC0415 - only for such a file

    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"cannot read {path}: {error}") from error
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
