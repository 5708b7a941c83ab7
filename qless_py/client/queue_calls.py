"""Make the calls of a queue; shared by the synchronous and the asyncio queue and by pipelines."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict, TypeVar

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, JobRecord, reads, reservers
from qless_py.protocol import arguments as checks
from qless_py.protocol.queues import PopReply
from qless_py.protocol.reservers import Queues
from qless_py.protocol.settings import Settings

J = TypeVar("J")

LONGEST_REASON: Final = 1024
LARGEST_PAGE: Final = 1000
LATEST: Final = 2**52
SMALL_PAGE: Final = 100


class Pause(TypedDict, total=False):
    """Since when, until when (seconds), why and by whom a queue is paused."""

    since: float
    until: float
    reason: str
    by: str


class Counts(TypedDict, total=False):
    """How many jobs a queue has in each state; lapsed leases count as stalled."""

    name: str
    waiting: int
    running: int
    stalled: int
    scheduled: int
    depends: int
    recurring: int
    throttled: int
    paused: bool
    pause: Pause


def pop(
    settings: Settings,
    queue: str,
    count: int | None,
    worker: str | None,
    make: Callable[[JobRecord], J],
) -> Call[list[J]]:
    """Take jobs from one queue."""
    queues = [checks.name("queue", queue)]
    return _taken(settings, protocol.queues.pop(queues, *_taker(settings, count, worker)), make)


def pop_any(
    settings: Settings,
    queues: Queues,
    count: int | None,
    worker: str | None,
    make: Callable[[JobRecord], J],
) -> Call[list[J]]:
    """Take jobs from several queues, as a reserver says."""
    reserver = reservers.reserver(queues)
    entries, choice = reserver.entries(), reserver.options()
    taker = _taker(settings, count, worker)
    return _taken(settings, protocol.queues.pop(entries, *taker, choice=choice), make)


def _taker(settings: Settings, count: int | None, worker: str | None) -> tuple[str, int]:
    return (
        settings.worker_name if worker is None else checks.name("worker", worker),
        1 if count is None else checks.whole("count", count, 1, checks.MOST_AT_ONCE),
    )


def _taken(
    settings: Settings, call: Call[PopReply], make: Callable[[JobRecord], J]
) -> Call[list[J]]:
    def made(reply: PopReply) -> list[J]:
        settings.questions.extend(reply.questions)
        return [make(record) for record in reply.jobs]

    return call.map(made)


def one_or_all(jobs: list[J], count: int | None) -> J | list[J] | None:
    """Give what a pop gives: a list when a count was asked for, else one job or none."""
    if count is not None:
        return jobs
    return jobs[0] if jobs else None


def peek(
    queue: str, count: int | None, offset: int, make: Callable[[JobRecord], J]
) -> Call[list[J]]:
    """Look at the jobs that pop would take."""
    first = checks.whole("offset", offset, 0, LATEST)
    number = 1 if count is None else checks.whole("count", count, 0, SMALL_PAGE)
    return reads.peek(queue, first, number).map(lambda found: [make(record) for record in found])


def pause(
    settings: Settings, queue: str, reason: str | None, until: float | datetime | None
) -> Call[None]:
    """Hand out no more jobs of a queue."""
    return protocol.queues.pause(
        [queue],
        None if reason is None else checks.text("reason", reason, LONGEST_REASON),
        None if until is None else checks.instant("until", until),
        settings.worker_name,
    )


def counts(queue: str) -> Call[Counts]:
    """Count one queue."""
    return reads.counts(queue).map(in_seconds)


def in_seconds(row: Mapping[str, Any]) -> Counts:
    """Give counts as users see them."""
    seen: Counts = dict(row)  # type: ignore[assignment]
    if "pause" in row:
        told = dict(row["pause"] or {})
        for name in ("since", "until"):
            if name in told:
                told[name] = told[name] / 1000
        seen["pause"] = Pause(**told)  # type: ignore[typeddict-item]
    return seen


def all_counts(offset: int) -> Call[tuple[int, list[Counts]]]:
    """Count a page of the known queues; gives also how many there are."""
    call = reads.queues(offset, SMALL_PAGE)
    return call.map(lambda page: (page.total, [in_seconds(row) for row in page.rows]))


def state(queue: str, name: str, offset: int, count: int) -> Call[list[str]]:
    """List the jids of a queue's jobs in one state."""
    call = reads.state(name, queue, *page(offset, count))
    return call.map(lambda found: found.jids)


def page(offset: int, count: int) -> tuple[int, int]:
    """Check which page is asked for."""
    return (
        checks.whole("offset", offset, 0, LATEST),
        checks.whole("count", count, 0, LARGEST_PAGE),
    )


def throttle_of(queue: str) -> str:
    """Give the id of the throttle that all jobs of a queue have."""
    return f"queue:{queue}"


def heartbeat_option(queue: str) -> str:
    """Give the option that overrides the length of leases in one queue."""
    return f"{queue}-heartbeat"


def heartbeat_of(queue: str, config: Mapping[str, Any]) -> float:
    """Give the length of a lease in one queue."""
    return float(config.get(heartbeat_option(queue), config.get("heartbeat", 60)))


def unfail_counts(count: int) -> list[int]:
    """Split a number of jobs into what one call may move."""
    if checks.whole("count", count, 1, LATEST) <= checks.MOST_AT_ONCE:
        return [count]
    if count > LARGEST_UNFAIL:
        raise BadArgumentError(f"count {count} is over {LARGEST_UNFAIL}")
    whole, rest = divmod(count, checks.MOST_AT_ONCE)
    return [checks.MOST_AT_ONCE] * whole + [rest] * (rest > 0)


LARGEST_UNFAIL: Final = 1_000_000
