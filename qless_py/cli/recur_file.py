"""Recurring jobs as a file wants them: read it, compare, and carry out the difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from qless_py import configuration
from qless_py import options as checks
from qless_py.cli.options import SPAN
from qless_py.client import Client
from qless_py.errors import BadArgumentError, UndecodableDataError
from qless_py.protocol import reads
from qless_py.queue_calls import SMALL_PAGE
from qless_py.recurring import RecurringJob

_NEEDED: Final = ("queue", "klass", "every")
_DEFAULTS: Final[Mapping[str, Any]] = {
    "data": None,
    "priority": 0,
    "tags": [],
    "retries": 0,
    "backlog": 0,
}
_KEYS: Final = (*_NEEDED, *_DEFAULTS, "after")


def existing(client: Client, queue: str | None = None) -> Iterator[RecurringJob]:
    """Give the recurring jobs of a queue, or of all."""
    names = [queue] if queue else [row["name"] for row in client.queues.counts]
    for name in names:
        offset = 0
        while True:
            total, records = client.run(reads.recurring(name, offset, SMALL_PAGE))
            yield from (RecurringJob(client, record) for record in records)
            offset += len(records)
            if not records or offset >= total:
                break


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Read the file; what is wrong in it is wrong use."""
    import tomllib  # noqa: PLC0415 - only for such a file

    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError(f"{path} is not a table of recurring jobs")
    return {jid: _entry(f"{path}: {jid}", jid, entry) for jid, entry in value.items()}


def _entry(where: str, jid: str, entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise click.UsageError(f"{where} is not a table")
    for key in entry:
        if key not in _KEYS:
            raise click.UsageError(f"{where}: {configuration.unknown('key', key, _KEYS)}")
    missing = [key for key in _NEEDED if key not in entry]
    if missing:
        raise click.UsageError(f"{where} has no {', '.join(missing)}")
    wanted = {**_DEFAULTS, "after": 0, **entry}
    try:
        checks.name("jid", jid)
        checks.name("queue", wanted["queue"])
        wanted["every"] = SPAN.convert(wanted["every"], None, None)
        wanted["after"] = SPAN.convert(wanted["after"], None, None)
        checks.span("every", wanted["every"], 0.001)
        wanted["tags"] = checks.names("tags", wanted["tags"])
        options = {name: wanted[name] for name in ("klass", "priority", "retries", "backlog")}
        checks.recur_options(options)
        json.dumps(wanted["data"])
    except (BadArgumentError, click.BadParameter, TypeError) as error:
        raise click.UsageError(f"{where}: {error}") from error
    return wanted


class Plan:
    """The difference between a file and the store, as lists of jids."""

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {
            "added": [],
            "changed": [],
            "removed": [],
            "unchanged": [],
        }
        self._steps: list[Callable[[], object]] = []

    def __getitem__(self, name: str) -> list[str]:
        return self.told[name]

    def note(self, what: str, jid: str, step: Callable[[], object] | None = None) -> None:
        """Note what is to become of a recurring job."""
        self.told[what].append(jid)
        if step is not None:
            self._steps.append(step)

    def carry_out(self) -> None:
        """Do it, one after the other."""
        for step in self._steps:
            step()


def plan(client: Client, wanted: Mapping[str, dict[str, Any]], prune: str | None) -> Plan:
    """Compare what the file wants with what there is."""
    made = Plan()
    there = {one.jid: one for one in client.jobs.get(*wanted)} if wanted else {}
    for jid, entry in wanted.items():
        one = there.get(jid)
        if one is None:
            made.note("added", jid, partial(_add, client, jid, entry))
        elif not isinstance(one, RecurringJob):
            raise click.UsageError(f"{jid} is a job already, and not a recurring one")
        elif changes := _changes(one, entry):
            made.note("changed", jid, partial(one.update, **changes))
        else:
            made.note("unchanged", jid)
    if prune is not None:
        for one in existing(client):
            if one.jid.startswith(prune) and one.jid not in wanted:
                made.note("removed", one.jid, one.cancel)
    return made


def _add(client: Client, jid: str, entry: Mapping[str, Any]) -> None:
    options = {name: entry[name] for name in ("priority", "tags", "retries", "backlog")}
    queue = client.queues[entry["queue"]]
    queue.recur(entry["klass"], entry["data"], entry["every"], entry["after"], jid=jid, **options)


def _changes(one: RecurringJob, entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data = one.data
    except UndecodableDataError:
        data = object()  # equal to nothing that a file can say
    now = {
        "klass": one.klass_name,
        "queue": one.queue_name,
        "interval": one.interval,
        "data": data,
        "priority": one.priority,
        "tags": one.tags,
        "retries": one.retries,
        "backlog": one.backlog,
    }
    wanted = {**entry, "interval": entry["every"]}
    return {name: wanted[name] for name, value in now.items() if value != wanted[name]}
