"""`qless-py listen`: print events and forward them."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
from redis.exceptions import RedisError

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.notify import STYLES, Forwarder, command_sink, desktop_sink, webhook_sink
from qless_py.cli.output import as_json_line, brief, safe
from qless_py.cli.params import JID, QUEUE, SPAN
from qless_py.client import serialize
from qless_py.client.events import LOG, PLAIN, Event, Listener, Resubscribed
from qless_py.client.humanize import local_time
from qless_py.client.job import Job
from qless_py.errors import StoreError, UndecodableDataError
from qless_py.protocol import events as stored
from qless_py.store import settings_file

_LOOK = 0.2
# Published for tracked jobs only: they would be most of the log.
_NOT_LOGGED = ("popped", "stalled")


@command(
    "listen",
    examples=(
        "qless-py listen",
        "qless-py listen --all --event failed --json",
        "qless-py listen --event failed --webhook https://example.org/hooks/x --style slack",
        "qless-py listen --exec 'logger -t jobs'",
        "qless-py listen --event completed --notify",
        "qless-py listen --from 0 --event job.failed",
    ),
)
@click.option("--all", "everything", is_flag=True, help="Events of all jobs.")
@click.option(
    "--event",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only events of this name: put, popped, completed, failed … (with --from a type such as "
    "job.failed or job.*). May be repeated.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    type=QUEUE,
    help="Only of this queue. Repeatable.",
)
@click.option("--jid", "jids", multiple=True, type=JID, help="Only of this job. Repeatable.")
@click.option(
    "--from",
    "after",
    metavar="ID",
    help="Read the events that the event stream keeps behind this id, 0 for all, then go on.",
)
@click.option("--exec", "execute", metavar="COMMAND", help="Run a command for each event.")
@click.option("--webhook", metavar="URL", help="POST each event to this URL.")
@click.option(
    "--style",
    type=click.Choice(STYLES),
    help="The format of the webhook, by default known from the URL, else json.",
)
@click.option("--notify", is_flag=True, help="Show each event as a desktop notification.")
@click.option("--count", type=click.IntRange(min=1), help="Exit after this many events.")
@click.option("--for", "span", type=SPAN, help="Exit after this time.")
@pass_cli
def listen(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    *,
    everything: bool,
    names: tuple[str, ...],
    queues: tuple[str, ...],
    jids: tuple[str, ...],
    after: str | None,
    execute: str | None,
    webhook: str | None,
    style: str | None,
    notify: bool,
    count: int | None,
    span: float | None,
) -> None:
    """Print events as they happen, one a line, and forward them.

    By default the events of tracked jobs, with --all those of all jobs, queues and workers. Only
    tracked jobs publish that they were popped or stalled; the klass is shown if the event has it.

    With --from, the events of all jobs are read from the event stream (`config set event-stream`),
    with their ids, klasses and workers; a gap says that some are no longer kept.

    A command gets the event as JSON on standard input and the jid as its last argument; --style
    shapes the message for Slack, Mattermost or Discord.
    """
    if style is not None and webhook is None:
        raise click.UsageError("--style needs --webhook")
    if after is None:
        _check_names(names, _all_names() if everything else PLAIN)
    else:
        stored.check_types("--event", names)
    sinks = [
        *([command_sink(execute)] if execute else []),
        *([webhook_sink(webhook, style)] if webhook else []),
        *([desktop_sink()] if notify else []),
    ]
    channels = (LOG, *_NOT_LOGGED) if everything else (names or PLAIN)
    until = None if span is None else time.monotonic() + span
    with (
        Forwarder(sinks, cli.out.note) as forwarder,
        contextlib.ExitStack() as stack,
        stop_on(signal.SIGTERM) as is_over,
    ):
        found: Iterator[dict[str, Any]]
        if after is None:
            listener = stack.enter_context(cli.client.events.listen(*channels))
            live = (describe(cli, event) for event in _events(listener, is_over, until))
            found = (fields for fields in live if _wanted(fields, names, queues, jids))
        else:
            found = _stored(cli, stored.position("--from", after), names, is_over, until)
            found = (
                one for one in found if one["event"] == stored.GAP or _wanted(one, (), queues, jids)
            )
        cli.out.note("Listening")
        for seen, fields in enumerate(found, 1):
            click.echo(as_json_line(fields) if cli.is_json else safe(sentence(fields)))
            forwarder.forward(fields)
            if seen == count:
                break


def _all_names() -> list[str]:
    """Return the names of all events, from the headers of the scripts."""
    from qless_py.scripts import assemble, protocol_doc  # noqa: PLC0415 - wanted for this alone

    found = {event for name in assemble.names() for event in protocol_doc.read(name).events}
    return sorted({*found, Resubscribed.NAME})


def _check_names(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            message = settings_file.unknown("event", name, known)
            raise click.UsageError(f"{message} ({', '.join(known)})")


class End(threading.Event):
    """Set when a signal asks the program to stop; `by` is the number of the signal."""

    by = 0


@contextlib.contextmanager
def stop_on(*numbers: int) -> Iterator[End]:
    """Yield an event that the first of these signals sets; the second one interrupts."""
    is_over = End()

    def end(number: int, _: object) -> None:
        if is_over.is_set():
            raise KeyboardInterrupt
        is_over.by = number
        is_over.set()

    before = [signal.signal(number, end) for number in numbers]
    try:
        yield is_over
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _events(listener: Listener, is_over: threading.Event, until: float | None) -> Iterator[Event]:
    while not is_over.is_set():
        left = _LOOK if until is None else min(_LOOK, until - time.monotonic())
        if left <= 0:
            return
        event = listener.get(left)
        if event is not None:
            yield event


def _stored(
    cli: CliContext,
    after: str,
    types: Sequence[str],
    is_over: threading.Event,
    until: float | None,
) -> Iterator[dict[str, Any]]:
    """Yield the events of the stream behind an id and then new ones, in the shape of `describe`."""
    while not is_over.is_set():
        left = _LOOK if until is None else min(_LOOK, until - time.monotonic())
        if left <= 0:
            return
        page = cli.client.events.read(after, limit=stored.MAX_LIMIT, wait=left)
        after = page.last
        for event in page.events:
            if event.type == stored.GAP or stored.matches(event.type, types):
                yield _described(event)


def _described(event: stored.StoredEvent | stored.Gap) -> dict[str, Any]:
    if isinstance(event, stored.Gap):
        details = {"after": event.after, "lost": event.lost}
        where = {"at": stored.time_of(event.id), "jid": None, "queue": None, "klass": None}
        return {"id": event.id, "event": stored.GAP, **where, "details": details}
    worker = {"worker": event.worker} if event.worker else {}
    return {
        "id": event.id,
        "event": event.type,
        "at": event.time,
        "jid": event.jid or None,
        "queue": event.queue or None,
        "klass": event.klass or None,
        "details": {**worker, **event.details},
    }


def _wanted(
    fields: dict[str, Any], names: Sequence[str], queues: Sequence[str], jids: Sequence[str]
) -> bool:
    pairs = (("event", names), ("queue", queues), ("jid", jids))
    return all(not allowed or fields[what] in allowed for what, allowed in pairs)


def describe(cli: CliContext, event: Event) -> dict[str, Any]:
    """Return an event as a JSON object. Events of tracked jobs have only a jid, so read the job."""
    fields = {
        "event": event.name,
        "at": time.time(),
        "jid": event.jid or None,
        "queue": event.queue or None,
        "klass": event.details.get("klass"),
        "details": {k: v for k, v in event.details.items() if k not in ("event", "jid", "queue")},
    }
    if event.channel in PLAIN:
        one = None
        with contextlib.suppress(
            RedisError, OSError, StoreError
        ):  # The event is shown all the same.
            one = cli.client.jobs[event.jid]
        if isinstance(one, Job):
            fields |= {"queue": one.queue_name or None, "klass": one.klass_name}
            fields["details"] = _more(event.name, one)
    return fields


def _more(name: str, one: Job) -> dict[str, Any]:
    if name == "failed":
        return {key: one.failure[key] for key in ("group", "message") if key in one.failure}
    with contextlib.suppress(UndecodableDataError):
        if name == "completed" and one.result is not None:
            return {"result": serialize.shallow(one.result)}
    return {"worker": one.worker_name} if name == "popped" and one.worker_name else {}


def sentence(fields: dict[str, Any]) -> str:
    """Return an event as one line."""
    rest = brief(fields["details"], 200) if fields["details"] else ""
    parts = (
        local_time(fields["at"]),
        fields["event"],
        fields["jid"],
        fields["klass"],
        fields["queue"],
        rest,
    )
    return "  ".join(str(part) for part in parts if part)
