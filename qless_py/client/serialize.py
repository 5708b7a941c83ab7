"""Jobs and what belongs to them as JSON objects. Times are seconds since 1970, spans seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from qless_py.client.attempts import Past
from qless_py.client.explain import Explanation
from qless_py.client.humanize import size
from qless_py.client.job import Job
from qless_py.client.operations import Operation
from qless_py.client.recurring import RecurringJob
from qless_py.client.schedules import next_words, schedule_words
from qless_py.errors import UndecodableDataError
from qless_py.protocol.batches import CALLBACKS, BatchStatus
from qless_py.protocol.canceled import CanceledJob
from qless_py.protocol.recurring_runs import RecurringRun

COUNTS: Final = (
    "waiting",
    "running",
    "stalled",
    "scheduled",
    "depends",
    "throttled",
    "recurring",
)
_DEEPEST: Final = 300


def job(one: Job | RecurringJob, *, history: bool = False) -> dict[str, Any]:
    """Return a job or a recurring job as a JSON object."""
    if isinstance(one, RecurringJob):
        return recurring(one)
    shape = {
        **summary(one),
        **_data(one),
        "data_digest": None if one.is_cut() else one.data_digest,
        "costs": one.costs,
        "result": _decoded(one, "result"),
        "progress": _decoded(one, "progress"),
        "depends": one.dependencies,
        "parents": one.parents,
        "dependents": one.dependents,
        "codec": one.codec_name,
    }
    return {**shape, "history": one.history} if history else shape


def outline(one: Job | CanceledJob) -> dict[str, Any]:
    """Return what every list says of a job as a JSON object."""
    return {
        "jid": one.jid,
        "klass": one.klass_name,
        "queue": one.queue_name or None,
        "state": one.state,
        "priority": one.priority,
        "tags": one.tags,
        "user": one.user,
    }


def summary(one: Job) -> dict[str, Any]:
    """Return a job as a JSON object without what may be long: its data, result and edges."""
    return {
        **outline(one),
        "throttles": one.throttles,
        "gate": one.gate,
        "soft_limit": one.soft_limit,
        "hard_limit": one.hard_limit,
        "expires": one.not_after,
        "attempts": one.attempts,
        "attempts_failed": one.attempts_failed,
        "retries": one.original_retries,
        "retries_left": one.retries_left,
        "crashes": one.crashes,
        "stalls": one.stalls,
        "worker": one.worker_name or None,
        "expires_at": one.expires_at or None,
        "tracked": one.is_tracked,
        "put_at": one.put_at,
        "due_at": one.due_at,
        "popped_at": one.popped_at,
        "completed_at": one.completed_at,
        "failed_at": one.failed_at,
        "failure": one.failure or None,
        "batch": one.batch_name,
        "spawned_from": one.spawned_from,
        "unique_key": one.unique_key,
        "generation": one.generation,
        "context": one.context,
        "origins": one.origins,
    }


def attempts(past: Past) -> list[dict[str, Any]]:
    """Return the attempts of a job as JSON objects, oldest first."""
    return [{**asdict(one), "duration": one.duration} for one in past.attempts]


def recurring(one: RecurringJob) -> dict[str, Any]:
    """Return a recurring job as a JSON object."""
    return {
        "jid": one.jid,
        "klass": one.klass_name,
        "queue": one.queue_name,
        "state": "recurring",
        **_data(one),
        "interval": one.interval,
        "cron": one.cron,
        "zone": one.zone,
        "misfire": one.misfire,
        "overlap": one.overlap,
        "start": one.start,
        "end": one.end,
        "limit": one.limit,
        "next_at": one.next_at,
        "count": one.count,
        "paused": one.is_paused,
        "over": one.is_over,
        "ended_by": one.ended_by,
        "overdue": one.is_overdue,
        "dry": one.is_dry,
        "next": next_words(one),
        "words": schedule_words(one),
        "group": one.group,
        "priority": one.priority,
        "tags": one.tags,
        "user": one.user,
        "throttles": one.throttles,
        "costs": one.costs,
        "retries": one.retries,
        "backlog": one.backlog,
        "context": one.context,
    }


def recurring_run(one: RecurringRun) -> dict[str, Any]:
    """Return a run of a recurring job as a JSON object."""
    return {
        "at": one.at,
        "jid": one.jid,
        "state": one.state,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "ticks": one.ticks,
    }


def queue(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a queue as a JSON object."""
    return {
        "name": row["name"],
        **{name: int(row.get(name, 0)) for name in COUNTS},
        "head_age": row.get("head_age"),
        "paused": bool(row.get("paused")),
        "pause": dict(row.get("pause") or {}) or None,
    }


def explanation(found: Explanation) -> dict[str, Any]:
    """Return why a job is not running as a JSON object."""
    return {
        "jid": found.jid,
        "state": found.state,
        "queue": found.queue or None,
        "ready": found.is_ready,
        "reasons": [
            {"kind": type(one).__name__, **asdict(one), "words": words}
            for one, words in zip(found.reasons, found.words, strict=True)
        ],
    }


def operation(one: Operation) -> dict[str, Any]:
    """Return an operation as a JSON object."""
    return {
        "jid": one.jid,
        "state": one.state,
        "action": one.action,
        "params": dict(one.params),
        "search": one.search,
        "by": one.by,
        "reason": one.reason,
        "put_at": one.put_at,
        "started_at": one.started_at,
        "updated_at": one.updated_at,
        "expected": one.expected,
        "percent": one.percent,
        "done": one.done,
        "refused": one.refused,
        "scanned": one.scanned,
        "errors": list(one.errors),
        "aborted": one.is_aborted,
        "over": one.is_over,
    }


_OF_BATCHES: Final = (
    "name", "state", "phase", "owner", "within", "total", "pending", "completed", "failed",
    "canceled", "opened_at", "closed_at", "finished_at", "canceled_at",
)  # fmt: skip


def batch(status: BatchStatus) -> dict[str, Any]:
    """Return a batch as JSON; `callbacks` are the jids of its callbacks by their names.

    `conflicts` names the jobs because of which callbacks were not put.
    """
    named = [(name, status.get(name), status.get(f"{name}_conflict")) for name in CALLBACKS]
    return {
        **{name: status.get(name) for name in _OF_BATCHES},
        "callbacks": {name: jid for name, jid, _ in named if jid is not None},
        "conflicts": {name: holder for name, _, holder in named if holder is not None},
    }


def canceled_summary(one: CanceledJob) -> dict[str, Any]:
    """Return a canceled job as a JSON object, without its data."""
    return {
        **outline(one),
        "put_at": one.put_at,
        "canceled_at": one.canceled_at,
        "canceled_by": one.canceled_by,
        "reason": one.cancel_reason,
        "canceled_with": one.canceled_with,
    }


def canceled(one: CanceledJob) -> dict[str, Any]:
    """Return a canceled job as a JSON object, with all that is kept of it."""
    return {
        **canceled_summary(one),
        **_data(one),
        "throttles": one.throttles,
        "retries": one.original_retries,
        "retries_left": one.retries_left,
        "failure": one.failure or None,
        "depends": one.awaits,
        "dependents": one.dependents,
        "batch": one.batch_name,
        "unique_key": one.unique_key,
        "context": one.context,
        "history": one.history,
    }


def _data(one: Job | RecurringJob | CanceledJob) -> dict[str, Any]:
    if one.is_cut():
        return {"data": None, "data_error": f"{size(one.data_size)} of data"}
    try:
        return {"data": shallow(one.data)}
    except UndecodableDataError as error:
        return {"data": None, "data_error": str(error)}


def _decoded(one: Job, what: str) -> Any:
    try:
        return shallow(getattr(one, what))
    except UndecodableDataError as error:
        return {"undecodable": str(error)}


def plain(value: Any) -> Any:
    """Return what JSON can represent: data may have been put with another codec."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def shallow(value: Any) -> Any:
    """Return the value; raise `UndecodableDataError` if it is nested too deeply for JSON."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            below
            for one in level
            if isinstance(one, dict | list | tuple)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return value
    raise UndecodableDataError("data is nested too deeply to show")
