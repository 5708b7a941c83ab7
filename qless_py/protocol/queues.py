"""Transitions and queries of queues."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict, TypeVar

from qless_py.protocol import arguments, jobs, records, reservers
from qless_py.protocol.call import (
    Call,
    done,
    given,
    integer,
    mapping,
    pack,
    unpack,
    unpack_raw,
)
from qless_py.protocol.jobs import LATEST, SMALL_PAGE
from qless_py.protocol.records import JobRecord
from qless_py.protocol.recurring import tick_request
from qless_py.protocol.settings import Settings, TickRequest

J = TypeVar("J")

MAX_REASON: Final = 1024


class Pause(TypedDict, total=False):
    """Since when, until when (Unix seconds), why and by whom a queue is paused."""

    since: float
    until: float
    reason: str
    by: str


class Counts(TypedDict, total=False):
    """How many jobs a queue has in each state; jobs whose lease has lapsed count as stalled.

    `head_age` is for how many seconds the first job has been ready, None where none waits.
    """

    name: str
    waiting: int
    running: int
    stalled: int
    scheduled: int
    depends: int
    recurring: int
    throttled: int
    head_age: float | None
    paused: bool
    pause: Pause


@dataclass(frozen=True, slots=True)
class PopReply:
    """Leased jobs, ms until more becomes due, whether to pop again at once, and keys to wait on.

    `tick_requests` are cron jobs whose next ticks are to be computed; nearly always none.
    """

    jobs: list[JobRecord]
    next_in: int | None
    more: bool
    wake: list[str]
    tick_requests: Sequence[TickRequest] = ()


@dataclass(frozen=True, slots=True)
class TickReply:
    """Milliseconds until something becomes due, and whether maintenance work is left over."""

    next_in: int | None
    more: bool


def pop(
    settings: Settings,
    queue: str,
    count: int | None,
    worker: str | None,
    make: Callable[[JobRecord], J],
) -> Call[list[J]]:
    """Pop up to `count` jobs (default 1) from one queue."""
    return _pop(settings, [arguments.name("queue", queue)], {}, count, worker, make)


def pop_any(
    settings: Settings,
    queues: reservers.Queues,
    count: int | None,
    worker: str | None,
    make: Callable[[JobRecord], J],
) -> Call[list[J]]:
    """Pop up to `count` jobs (default 1) from several queues, in the order of a reserver."""
    reserver = reservers.reserver(queues)
    return _pop(settings, reserver.entries(), reserver.options(), count, worker, make)


def _pop(  # noqa: PLR0913, PLR0917 - queues, worker and decoder
    settings: Settings,
    entries: Sequence[str],
    choice: Mapping[str, Any],
    count: int | None,
    worker: str | None,
    make: Callable[[JobRecord], J],
) -> Call[list[J]]:
    name = settings.worker_name if worker is None else arguments.name("worker", worker)
    number = 1 if count is None else arguments.whole("count", count, 1, arguments.MAX_PER_CALL)

    def decode(reply: PopReply) -> list[J]:
        settings.tick_requests.extend(reply.tick_requests)
        return [make(record) for record in reply.jobs]

    return pop_records(entries, name, number, choice=choice).map(decode)


def pop_records(
    queues: Sequence[str],
    worker: str,
    count: int,
    nonce: str | None = None,
    choice: Mapping[str, Any] | None = None,
) -> Call[PopReply]:
    """Pop up to `count` jobs from the queues in their order, each under a lease.

    The queues may hold patterns and exclusions; `choice` has the options order, turn and weights.
    """
    options = {**given(nonce=nonce), **(choice or {})}
    return Call("pop", (pack(list(queues)), worker, count, pack(options)), _pop_reply)


def _pop_reply(reply: list[bytes]) -> PopReply:
    value: dict[bytes, Any] = unpack_raw(reply[0])
    views = value.get(b"jobs") or ()
    for view, stored in zip(views, reply[1:], strict=True):
        view[b"value"] = stored
    soon = value.get(b"next")
    return PopReply(
        [records.job(view) for view in views],
        None if soon is None else int(soon),
        bool(value.get(b"more")),
        [key.decode() for key in value.get(b"wake") or ()],
        [tick_request(one) for one in value.get(b"refill") or ()],
    )


def one_or_all(found: list[J], count: int | None) -> J | list[J] | None:
    """Return the list when a count was given, else its first job or `None`."""
    if count is not None:
        return found
    return found[0] if found else None


def tick() -> Call[TickReply]:
    """Run the maintenance that is due without popping a job."""
    return Call("tick", (), _tick_reply)


def _tick_reply(reply: bytes | None) -> TickReply:
    value = dict(unpack(reply) or {})
    soon = value.get("next")
    return TickReply(None if soon is None else int(soon), bool(value.get("more")))


def pause(
    queues: Sequence[str],
    reason: str | None = None,
    until: float | datetime | None = None,
    by: str | None = None,
) -> Call[None]:
    """Pause queues until they are unpaused, or until a time."""
    options = given(
        reason=None if reason is None else arguments.text("reason", reason, MAX_REASON),
        until=None if until is None else arguments.instant("until", until),
        by=by,
    )
    return Call("pause", (pack(list(queues)), pack(options)), done)


def unpause(queues: Sequence[str]) -> Call[None]:
    """End the pause."""
    return Call("unpause", (pack(list(queues)),), done)


def forget(queues: Sequence[str]) -> Call[int]:
    """Remove queues from the list of known ones; their jobs stay."""
    return Call("queue_forget", (pack(list(queues)),), integer)


# Queries.


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows and how many there are in all."""

    total: int
    rows: list[dict[str, Any]]


def rows_page(reply: bytes | None, name: str) -> Page:
    """Decode a page of rows."""
    value = unpack(reply)
    return Page(int(value["total"]), [dict(row) for row in value[name]])


def peek(
    queue: str, count: int | None, offset: int, make: Callable[[JobRecord], J]
) -> Call[list[J]]:
    """Read the jobs that pop would take, in its order, without taking them."""
    first = arguments.whole("offset", offset, 0, LATEST)
    number = 1 if count is None else arguments.whole("count", count, 0, SMALL_PAGE)
    return peek_records(queue, first, number).map(lambda found: [make(record) for record in found])


def peek_records(queue: str, offset: int = 0, count: int = 1) -> Call[list[JobRecord]]:
    """Read the records of the jobs that pop would take."""
    return Call("read/peek", (queue, offset, count), records.jobs)


def counts(queue: str) -> Call[Counts]:
    """Count one queue's jobs by state."""
    return Call("read/counts", (queue,), mapping).map(in_seconds)


def all_counts(offset: int = 0, count: int = SMALL_PAGE) -> Call[tuple[int, list[Counts]]]:
    """Count the jobs of a page of the known queues, oldest queue first; returns also the total."""
    call = Call("read/queues", (offset, count), lambda reply: rows_page(reply, "queues"))
    return call.map(lambda page: (page.total, [in_seconds(row) for row in page.rows]))


def in_seconds(row: Mapping[str, Any]) -> Counts:
    """Return counts with their times in seconds."""
    seen: Counts = dict(row)  # type: ignore[assignment]
    seen["head_age"] = row["head_age"] / 1000 if row["head_age"] >= 0 else None
    if "pause" in row:
        paused = dict(row["pause"] or {})
        for name in ("since", "until"):
            if name in paused:
                paused[name] = paused[name] / 1000
        seen["pause"] = Pause(**paused)  # type: ignore[typeddict-item]
    return seen


def jids_in_state(queue: str, state: str, offset: int, count: int) -> Call[list[str]]:
    """List the jids of a queue's jobs in one state."""
    return jobs.in_state(state, queue, offset, count).map(lambda found: found.jids)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job in the state running; times are Unix seconds, `hard_limit` is 0 if it has none."""

    jid: str
    klass: str
    worker: str
    popped_at: float
    hard_limit: float


def running(
    queue: str, offset: int = 0, count: int = SMALL_PAGE
) -> Call[tuple[int, list[RunningJob]]]:
    """Read a page of a queue's running jobs, and how many there are in all."""

    def decode(reply: bytes | None) -> tuple[int, list[RunningJob]]:
        value = unpack(reply)
        rows = [
            RunningJob(str(jid), str(klass), str(worker), (at or 0) / 1000, (limit or 0) / 1000)
            for jid, klass, worker, at, limit in value["jobs"]
        ]
        return int(value["total"]), rows

    return Call("read/running", (queue, offset, count), decode)


@dataclass(frozen=True, slots=True)
class BlockedPage:
    """Jobs that wait for a failed one, each with such a parent, among `looked_at` of a page."""

    total: int
    looked_at: int
    jobs: list[tuple[str, str]]


def blocked(queue: str, offset: int = 0, count: int = SMALL_PAGE) -> Call[BlockedPage]:
    """Read which of a queue's jobs that wait for others wait for a failed one."""

    def decode(reply: bytes | None) -> BlockedPage:
        value = unpack(reply)
        pairs = [(str(jid), str(parent)) for jid, parent in value["jobs"]]
        return BlockedPage(int(value["total"]), int(value["looked_at"]), pairs)

    return Call("read/blocked", (queue, offset, count), decode)


def length(queue: str) -> Call[int]:
    """Count the waiting, stalled, throttled, running and scheduled jobs of a queue."""
    return Call("read/length", (queue,), integer)


def throttle_of(queue: str) -> str:
    """Return the id of the throttle that all jobs of a queue have."""
    return f"queue:{queue}"


def heartbeat_option(queue: str) -> str:
    """Return the name of the option that overrides the length of leases in one queue."""
    return f"{queue}-heartbeat"


def heartbeat_of(queue: str, config: Mapping[str, Any]) -> float:
    """Return the length of a lease in one queue, in seconds."""
    return float(config.get(heartbeat_option(queue), config.get("heartbeat", 60)))
