"""The queries, none of which can write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol import records
from qless_py.protocol.call import (
    Call,
    integer,
    mapping,
    numbered,
    pack,
    unpack,
    unpack_raw,
)
from qless_py.protocol.records import JobRecord, Record, RecurringRecord


@dataclass(frozen=True, slots=True)
class JidPage:
    """One page of jids and how many there are in all."""

    total: int
    jids: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows and how many there are in all."""

    total: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """A failure group, how many jobs are in it, and the instant of the last failure."""

    group: str
    number: int
    last_failed_at: int


@dataclass(frozen=True, slots=True)
class TrackedReply:
    """Tracked jobs, and the jids of those that are gone."""

    total: int
    jobs: list[JobRecord]
    expired: list[str]


def job(jid: str) -> Call[Record | None]:
    """Read one job or recurring job."""
    return Call("read/job", (jid,), lambda reply: records.either(unpack_raw(reply), jid))


def jobs(jids: Sequence[str]) -> Call[list[Record | None]]:
    """Read up to 100 jobs in the order asked, `None` for those that are not there."""
    names = list(jids)

    def decode(reply: bytes | None) -> list[Record | None]:
        pairs = zip(unpack_raw(reply), names, strict=True)
        return [records.either(view, jid) for view, jid in pairs]

    return Call("read/jobs", (pack(names),), decode)


def results(jids: Sequence[str]) -> Call[list[tuple[str, str, bytes]]]:
    """Read the jid, codec and result of up to 100 jobs, of those that have one."""

    def decode(reply: bytes | None) -> list[tuple[str, str, bytes]]:
        return [(jid.decode(), codec.decode(), result) for jid, codec, result in unpack_raw(reply)]

    return Call("read/results", (pack(list(jids)),), decode)


def _jid_page(reply: bytes | None) -> JidPage:
    value = unpack(reply)
    return JidPage(int(value["total"]), [str(jid) for jid in value["jids"]])


def state(state: str, queue: str = "", offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List the jobs of a queue in one state; complete jobs are in no queue."""
    return Call("read/state", (state, queue, offset, count), _jid_page)


def tagged(tag: str, offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List the jobs with a tag in the order of tagging."""
    return Call("read/tagged", (tag, offset, count), _jid_page)


def tags(offset: int = 0, count: int = 25, minimum: int = 2) -> Call[list[tuple[str, int]]]:
    """List tags with at least `minimum` jobs, most used first."""
    return Call("read/tags", (offset, count, minimum), _pairs)


def _pairs(reply: bytes | None) -> list[tuple[str, int]]:
    return [(str(name), int(number)) for name, number in unpack(reply)]


def failed(group: str, offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List a failure group, newest first."""
    return Call("read/failed", (group, offset, count), _jid_page)


def groups(offset: int = 0, count: int = 100) -> Call[tuple[int, list[FailureGroup]]]:
    """List the failure groups, the last to fail first, and how many there are in all."""
    return Call("read/groups", (offset, count), _groups)


def _groups(reply: bytes | None) -> tuple[int, list[FailureGroup]]:
    value = unpack(reply)
    rows = [FailureGroup(str(one[0]), int(one[1]), int(one[2])) for one in value["groups"]]
    return int(value["total"]), rows


def peek(queue: str, offset: int = 0, count: int = 1) -> Call[list[JobRecord]]:
    """Read the jobs that `pop` would take, in its order."""
    return Call("read/peek", (queue, offset, count), records.jobs)


def counts(queue: str) -> Call[dict[str, Any]]:
    """Count one queue's jobs by state."""
    return Call("read/counts", (queue,), mapping)


def queues(offset: int = 0, count: int = 100) -> Call[Page]:
    """Count the jobs of the known queues, in the order of first sight."""
    return Call("read/queues", (offset, count), lambda reply: _page(reply, "queues"))


def heads(queues: Sequence[str]) -> Call[list[int]]:
    """Read for how many ms the first job of each of up to 100 queues has been ready, else -1."""
    return Call(
        "read/heads", (pack(list(queues)),), lambda reply: [int(one) for one in unpack(reply)]
    )


def _page(reply: bytes | None, name: str) -> Page:
    value = unpack(reply)
    return Page(int(value["total"]), [dict(row) for row in value[name]])


def tracked(offset: int = 0, count: int = 25) -> Call[TrackedReply]:
    """Read the tracked jobs."""
    return Call("read/tracked", (offset, count), _tracked)


def _tracked(reply: bytes | None) -> TrackedReply:
    value = unpack_raw(reply)
    jobs = [records.job(view) for view in value[b"jobs"]]
    expired = [jid.decode() for jid in value[b"expired"]]
    return TrackedReply(int(value.get(b"total", len(jobs) + len(expired))), jobs, expired)


def workers(offset: int = 0, count: int = 100) -> Call[Page]:
    """List the workers, the last one seen first."""
    return Call("read/workers", (offset, count), lambda reply: _page(reply, "workers"))


def worker(name: str, offset: int = 0, count: int = 100) -> Call[dict[str, Any]]:
    """Read one worker and the jids that it holds."""
    return Call("read/worker", (name, offset, count), mapping)


def stats(queue: str, day: int | None = None) -> Call[dict[str, Any]]:
    """Read a queue's statistics of a day, counted since 1970; none given is today."""
    return Call("read/stats", (queue, "" if day is None else day), mapping)


def series(queue: str, start: int, end: int, resolution: str) -> Call[list[dict[str, Any]]]:
    """Read a queue's counters by minute or by ten minutes."""
    return Call("read/series", (queue, start, end, resolution), _series)


def series_rows(queue: str, start: int, end: int, resolution: str) -> Call[list[dict[str, Any]]]:
    """Read the same records as they were filed, for who reads a great many of them.

    Their `minute` or `ten` counts such stretches since 1970; what is 0 or empty may be missing, and
    a histogram is a map, or a list whose first bucket is 1.
    """
    return Call("read/series", (queue, start, end, resolution), unpack)


def _series(reply: bytes | None) -> list[dict[str, Any]]:
    return [_counted(dict(record)) for record in unpack(reply)]


def _counted(record: dict[str, Any]) -> dict[str, Any]:
    """Give a filed record the instant at which it begins, and its histograms their short names."""
    at = record["ten"] * 600_000 if "ten" in record else record["minute"] * 60_000
    histograms = {kind: numbered(record.get(f"{kind}_buckets")) for kind in ("wait", "run")}
    return {**record, "at": at, **histograms}


def recurring(
    queue: str, offset: int = 0, count: int = 25
) -> Call[tuple[int, list[RecurringRecord]]]:
    """Read a queue's recurring jobs by their next slot, and how many there are in all."""
    return Call("read/recurring", (queue, offset, count), _recurring)


def _recurring(reply: bytes | None) -> tuple[int, list[RecurringRecord]]:
    value = unpack_raw(reply)
    return int(value[b"total"]), [records.recurring(view) for view in value[b"jobs"]]


def explain(jid: str) -> Call[dict[str, Any]]:
    """Read why a job is not running: its state, and reasons by their kind."""
    return Call("read/explain", (jid,), mapping)


def length(queue: str) -> Call[int]:
    """Count the jobs waiting, running and scheduled."""
    return Call("read/length", (queue,), integer)


def batch(name: str) -> Call[dict[str, Any] | None]:
    """Read how a batch stands."""
    return Call("read/batch", (name,), lambda reply: dict(unpack(reply) or {}) or None)


def batch_data(name: str) -> Call[bytes | None]:
    """Read what a batch was told to remember."""
    return Call("read/batch_data", (name,), lambda reply: unpack_raw(reply) or None)


def outcomes(batch: str, jids: Sequence[str]) -> Call[list[tuple[str, str]]]:
    """Read the state and the failure group of up to 100 jobs of a batch.

    Besides the states of jobs there is `canceled`, and nothing for a job that is not there
    otherwise: complete and deleted since, or never put.
    """

    def decode(reply: bytes | None) -> list[tuple[str, str]]:
        return [(str(state), str(group)) for state, group in unpack(reply)]

    return Call("read/outcomes", (batch, pack(list(jids))), decode)


def meta() -> Call[dict[str, Any]]:
    """Read the schema version and the clock of the namespace."""
    return Call("read/meta", (), mapping)


def request(name: str) -> Call[dict[str, Any]]:
    """Ask whether a request was answered before; `reply` is the answer as bytes."""
    return Call("read/request", (name,), _request)


def _request(reply: bytes | None) -> dict[str, Any]:
    value = {key.decode(): one for key, one in dict(unpack_raw(reply) or {}).items()}
    return {**value, "state": value["state"].decode()}
