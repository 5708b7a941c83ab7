"""A queue for asyncio; see `qless_py.queue`."""

from collections.abc import Awaitable, Iterable
from datetime import date, datetime
from typing import Any, Unpack, overload

from qless_py import protocol
from qless_py.aio.job import AsyncJob
from qless_py.aio.throttles import AsyncThrottle
from qless_py.client import config, queue_calls, refill, users
from qless_py.client import stats as statistics
from qless_py.client.queue_calls import Counts
from qless_py.client.session import AsyncSession
from qless_py.client.stats import DayStats, Sample
from qless_py.client.users import Share, UserPage
from qless_py.protocol import JobRecord, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol import recurring_calls as recur_calls
from qless_py.protocol.arguments import PutOptions, PutSpec, RecurOptions, Seconds


class AsyncQueue:
    """A queue by its name."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = checks.name("queue", name)

    def put(self, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> Awaitable[str]:
        """Put a job and give its jid; see `PutOptions` for what else may be said."""
        call = puts.put(self._session.settings, self.name, klass, data, options)
        return self._session.run(call)

    def put_many(self, jobs: Iterable[PutSpec]) -> Awaitable[list[str]]:
        """Put up to 100 jobs in one step, all or none, and give their jids."""
        return self._session.run(puts.put_many(self._session.settings, self.name, jobs))

    @overload
    async def pop(self, count: None = None, *, worker: str | None = None) -> AsyncJob | None: ...
    @overload
    async def pop(self, count: int, *, worker: str | None = None) -> list[AsyncJob]: ...

    async def pop(
        self, count: int | None = None, *, worker: str | None = None
    ) -> AsyncJob | list[AsyncJob] | None:
        """Take one job, or `None`; with a count take a list of up to that many, at most 100."""
        call = queue_calls.pop(self._session.settings, self.name, count, worker, self._job)
        return queue_calls.one_or_all(await refill.apop(self._session, call), count)

    @overload
    async def peek(self, count: None = None, *, offset: int = 0) -> AsyncJob | None: ...
    @overload
    async def peek(self, count: int, *, offset: int = 0) -> list[AsyncJob]: ...

    async def peek(
        self, count: int | None = None, *, offset: int = 0
    ) -> AsyncJob | list[AsyncJob] | None:
        """Look at the next job, or at several, in the order in which they would be taken."""
        call = queue_calls.peek(self.name, count, offset, self._job)
        return queue_calls.one_or_all(await self._session.run(call), count)

    def recur(
        self,
        klass: Any,
        data: Any,
        interval: Seconds | None = None,
        offset: Seconds = 0,
        **options: Unpack[RecurOptions],
    ) -> Awaitable[str]:
        """Put a job every `interval` seconds, first after `offset`, or by `cron` and `zone`."""
        call = recur_calls.recur_call(
            self._session.settings, self.name, klass, data, interval, offset, options
        )
        return self._session.run(call)

    def pause(
        self, reason: str | None = None, until: float | datetime | None = None
    ) -> Awaitable[None]:
        """Hand out no jobs until unpaused, or until an instant."""
        return self._session.run(
            queue_calls.pause(self._session.settings, self.name, reason, until)
        )

    def unpause(self) -> Awaitable[None]:
        """Hand out jobs again."""
        return self._session.run(protocol.queues.unpause([self.name]))

    def counts(self) -> Awaitable[Counts]:
        """Count the jobs in each state."""
        return self._session.run(queue_calls.counts(self.name))

    def stats(self, day: date | float | None = None) -> Awaitable[DayStats]:
        """Give the statistics of a day, by default of today."""
        return self._session.run(statistics.day_call(self.name, day))

    def series(
        self, start: float | datetime, end: float | datetime, resolution: str = "minute"
    ) -> Awaitable[list[Sample]]:
        """Give the counters by `minute` (kept for a day) or by `ten` minutes (14 days)."""
        return self._session.run(statistics.series_call(self.name, start, end, resolution))

    async def heartbeat(self) -> float:
        """Give the length of a lease in seconds."""
        options = await self._session.run(config.all_call())
        return queue_calls.heartbeat_of(self.name, options)

    def set_heartbeat(self, value: float) -> Awaitable[None]:
        """Override the length of a lease in this queue."""
        return self._session.run(config.set_call(queue_calls.heartbeat_option(self.name), value))

    def unset_heartbeat(self) -> Awaitable[None]:
        """Go back to the general length of a lease."""
        return self._session.run(config.unset_call(queue_calls.heartbeat_option(self.name)))

    @property
    def throttle(self) -> AsyncThrottle:
        """The throttle that all jobs of the queue have."""
        return AsyncThrottle(self._session, queue_calls.throttle_of(self.name))

    async def users(self) -> list[Share]:
        """Give the users with ready jobs in the queue, and the share that each of them gets."""
        found: list[Share] = []
        cursor: str | None = None
        while True:
            page = await self.user_page(cursor, protocol.throttles.LARGEST_PAGE)
            found += page.users
            cursor = page.cursor
            if cursor is None:
                return users.shares(found)

    def user_page(self, cursor: str | None = None, count: int = 100) -> Awaitable[UserPage[Share]]:
        """Read up to 250 users with ready jobs in the queue, from where another page ended."""
        return self._session.run(users.of_queue_call(self.name, cursor, count))

    @property
    def jobs(self) -> "AsyncQueueJobs":
        """The jobs of the queue by state."""
        return AsyncQueueJobs(self._session, self.name)

    def length(self) -> Awaitable[int]:
        """Count the jobs waiting, running and scheduled."""
        return self._session.run(reads.length(self.name))

    async def forget(self) -> bool:
        """Take the queue off the list of known ones; its jobs stay."""
        number = await self._session.run(protocol.queues.forget([self.name]))
        return bool(number)

    def _job(self, record: JobRecord) -> AsyncJob:
        return AsyncJob(self._session, record)

    def __repr__(self) -> str:
        return f"<AsyncQueue {self.name}>"


class AsyncQueueJobs:
    """Jids of a queue's jobs by state, a page at a time; see `qless_py.queue.QueueJobs`."""

    def __init__(self, session: AsyncSession, queue: str) -> None:
        self._session = session
        self._queue = queue

    def waiting(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs that can be taken."""
        return self._list("waiting", offset, count)

    def running(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs under a lease."""
        return self._list("running", offset, count)

    def stalled(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs whose lease has lapsed or was taken away."""
        return self._list("stalled", offset, count)

    def scheduled(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs that wait for their time."""
        return self._list("scheduled", offset, count)

    def depends(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs that wait for others."""
        return self._list("depends", offset, count)

    def throttled(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the jobs that wait for a throttle."""
        return self._list("throttled", offset, count)

    def recurring(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List the recurring jobs."""
        return self._list("recurring", offset, count)

    def _list(self, state: str, offset: int, count: int) -> Awaitable[list[str]]:
        return self._session.run(queue_calls.state(self._queue, state, offset, count))


class AsyncQueues:
    """`client.queues`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> AsyncQueue:
        return AsyncQueue(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    async def counts(self) -> list[Counts]:
        """Give the counts of all known queues in the order of first sight."""
        found: list[Counts] = []
        while True:
            total, rows = await self._session.run(queue_calls.all_counts(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found
