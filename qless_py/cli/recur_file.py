"""Recurring jobs as a file wants them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from qless_py.cli.params import MOMENT, SPAN, policy
from qless_py.client.client import Client
from qless_py.client.queue_calls import SMALL_PAGE
from qless_py.client.recurring import RecurringJob
from qless_py.protocol import reads
from qless_py.protocol.recurring_calls import RecurSpec
from qless_py.store import settings_file as configuration

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
            total, records = client.run(reads.recurring(name, offset, SMALL_PAGE))
            yield from (RecurringJob(client, record) for record in records)
            offset += len(records)
            if not records or offset >= total:
                break


def read(path: Path) -> dict[str, RecurSpec]:
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
            raise click.UsageError(f"{where}: {configuration.unknown('key', key, _KNOWN)}")
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
