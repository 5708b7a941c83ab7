"""A queue, and what may be done with it."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Unpack, overload

from qless_py import protocol
from qless_py.client import queue_calls, refill, users
from qless_py.client import stats as statistics
from qless_py.client.config import Config
from qless_py.client.job import Job
from qless_py.client.queue_calls import Counts
from qless_py.client.session import Session
from qless_py.client.stats import DayStats, Sample
from qless_py.client.throttles import Throttle
from qless_py.client.users import Share, UserPage
from qless_py.protocol import JobRecord, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol import recurring_calls as recur_calls
from qless_py.protocol.arguments import PutOptions, PutSpec, RecurOptions, Seconds


class Queue:
    """A queue by its name; it comes into being with the first job that is put into it."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = checks.name("queue", name)

    @property
    def reach(self) -> Session:
        """How the queue reaches its store."""
        return self._session

    def put(self, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Put a job and give its jid; see `PutOptions` for what else may be said.

        When the put is ignored, because of its jid or unique key, the jid is that of the job which
        is there already.
        """
        call = puts.put(self._session.settings, self.name, klass, data, options)
        return self._session.run(call)

    def put_many(self, jobs: Iterable[PutSpec]) -> list[str]:
        """Put up to 100 jobs in one step, all or none, and give their jids."""
        return self._session.run(puts.put_many(self._session.settings, self.name, jobs))

    @overload
    def pop(self, count: None = None, *, worker: str | None = None) -> Job | None: ...
    @overload
    def pop(self, count: int, *, worker: str | None = None) -> list[Job]: ...

    def pop(self, count: int | None = None, *, worker: str | None = None) -> Job | list[Job] | None:
        """Take one job, or `None`; with a count take a list of up to that many, at most 100."""
        call = queue_calls.pop(self._session.settings, self.name, count, worker, self._job)
        return queue_calls.one_or_all(refill.pop(self._session, call), count)

    @overload
    def peek(self, count: None = None, *, offset: int = 0) -> Job | None: ...
    @overload
    def peek(self, count: int, *, offset: int = 0) -> list[Job]: ...

    def peek(self, count: int | None = None, *, offset: int = 0) -> Job | list[Job] | None:
        """Look at the next job, or at several, in the order in which they would be taken."""
        call = queue_calls.peek(self.name, count, offset, self._job)
        return queue_calls.one_or_all(self._session.run(call), count)

    def recur(
        self,
        klass: Any,
        data: Any,
        interval: Seconds | None = None,
        offset: Seconds = 0,
        **options: Unpack[RecurOptions],
    ) -> str:
        """Put a job every `interval` seconds, first after `offset`; give the recurring jid.

        Instead of an interval, `cron` and `zone` say when: see `RecurOptions`.
        """
        call = recur_calls.recur_call(
            self._session.settings, self.name, klass, data, interval, offset, options
        )
        return self._session.run(call)

    def pause(self, reason: str | None = None, until: float | datetime | None = None) -> None:
        """Hand out no jobs until unpaused, or until an instant; everything else goes on."""
        call = queue_calls.pause(self._session.settings, self.name, reason, until)
        self._session.run(call)

    def unpause(self) -> None:
        """Hand out jobs again."""
        self._session.run(protocol.queues.unpause([self.name]))

    @property
    def counts(self) -> Counts:
        """How many jobs there are in each state, and whether the queue is paused."""
        return self._session.run(queue_calls.counts(self.name))

    @property
    def is_paused(self) -> bool:
        """Whether no jobs are handed out."""
        return self.counts["paused"]

    def stats(self, day: date | float | None = None) -> DayStats:
        """Give the statistics of a day, by default of today."""
        return self._session.run(statistics.day_call(self.name, day))

    def series(
        self, start: float | datetime, end: float | datetime, resolution: str = "minute"
    ) -> list[Sample]:
        """Give the counters by `minute` (kept for a day) or by `ten` minutes (14 days)."""
        return self._session.run(statistics.series_call(self.name, start, end, resolution))

    @property
    def heartbeat(self) -> float:
        """The length of a lease in seconds; setting it overrides the general one, del undoes it."""
        return queue_calls.heartbeat_of(self.name, Config(self._session).all)

    @heartbeat.setter
    def heartbeat(self, value: float) -> None:
        Config(self._session)[queue_calls.heartbeat_option(self.name)] = value

    @heartbeat.deleter
    def heartbeat(self) -> None:
        Config(self._session).unset(queue_calls.heartbeat_option(self.name))

    @property
    def throttle(self) -> Throttle:
        """The throttle that all jobs of the queue have."""
        return Throttle(self._session, queue_calls.throttle_of(self.name))

    def users(self) -> list[Share]:
        """Give the users with ready jobs in the queue, and the share that each of them gets.

        It reads all of them, page by page; where there may be very many, read pages.
        """
        found: list[Share] = []
        cursor: str | None = None
        while True:
            page = self.user_page(cursor, protocol.throttles.LARGEST_PAGE)
            found += page.users
            cursor = page.cursor
            if cursor is None:
                return users.shares(found)

    def user_page(self, cursor: str | None = None, count: int = 100) -> UserPage[Share]:
        """Read up to 250 users with ready jobs in the queue, from where another page ended.

        They come about in the order of their turns.
        """
        return self._session.run(users.of_queue_call(self.name, cursor, count))

    @property
    def jobs(self) -> "QueueJobs":
        """The jobs of the queue by state."""
        return QueueJobs(self._session, self.name)

    def __len__(self) -> int:
        """Count the jobs waiting, running and scheduled."""
        return self._session.run(reads.length(self.name))

    def __bool__(self) -> bool:
        # An empty queue is a queue; without this, len() would be asked of the server.
        return True

    def forget(self) -> bool:
        """Take the queue off the list of known ones; its jobs stay. Tells whether it was on it."""
        return bool(self._session.run(protocol.queues.forget([self.name])))

    def _job(self, record: JobRecord) -> Job:
        return Job(self._session, record)

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"


class QueueJobs:
    """Jids of a queue's jobs by state, a page at a time."""

    def __init__(self, session: Session, queue: str) -> None:
        self._session = session
        self._queue = queue

    def waiting(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that can be taken, in that order, those that have come due last."""
        return self._list("waiting", offset, count)

    def running(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs under a lease, the first to expire first."""
        return self._list("running", offset, count)

    def stalled(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs whose lease has lapsed or was taken away."""
        return self._list("stalled", offset, count)

    def scheduled(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that wait for their time, the next one first."""
        return self._list("scheduled", offset, count)

    def depends(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that wait for others."""
        return self._list("depends", offset, count)

    def throttled(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that wait for a throttle."""
        return self._list("throttled", offset, count)

    def recurring(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the recurring jobs, the next slot first."""
        return self._list("recurring", offset, count)

    def _list(self, state: str, offset: int, count: int) -> list[str]:
        return self._session.run(queue_calls.state(self._queue, state, offset, count))


class Queues:
    """`client.queues`: a queue by name, and all that are known."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> Queue:
        return Queue(self._session, name)

    @property
    def counts(self) -> list[Counts]:
        """The counts of all known queues in the order of first sight."""
        found: list[Counts] = []
        while True:
            total, rows = self._session.run(queue_calls.all_counts(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found

    def __contains__(self, name: object) -> bool:
        return any(row["name"] == name for row in self.counts)

    def __iter__(self) -> Iterator[Queue]:
        return iter([self[row["name"]] for row in self.counts])
