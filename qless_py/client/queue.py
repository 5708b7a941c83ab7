# Generated from qless_py/aio/queue.py by bin/generate-sync: edit that file.
"""Queues, and their jobs by state."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Unpack, overload

from qless_py.client import refill
from qless_py.client.base import QueueBase, QueuesBase
from qless_py.client.job import Job
from qless_py.client.put_all import put_all
from qless_py.client.session import Session
from qless_py.client.throttles import Throttle
from qless_py.protocol import JobRecord, puts, queues, recurring, stats, users
from qless_py.protocol.options import (
    HttpOptions,
    PutOptions,
    PutSpec,
    RecurOptions,
    Resolution,
    Seconds,
)
from qless_py.protocol.queues import Counts
from qless_py.protocol.stats import DayStats, Sample
from qless_py.protocol.throttles import MAX_PAGE
from qless_py.protocol.users import Share, UserPage


class Queue(QueueBase):
    """A queue by its name; it comes into being with the first job that is put into it."""

    def put(self, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Put a job and return its jid; see `PutOptions` for the options.

        `klass` is a class, a function or a dotted name. When the put is ignored because of its jid
        or unique key, the jid is that of the existing job. Raises `BadArgumentError` for arguments
        that are not valid, and `AlreadyExistsError` with `on_conflict="raise"`.
        """
        # The whole way of a put to the socket: this method, `puts`, the runner.
        session = self._session
        return session.runner.run(puts.put(session.settings, self.name, klass, data, options))

    def put_http(self, url: str, **options: Unpack[HttpOptions]) -> str:
        """Put a job that is an HTTP request and return its jid; see `HttpOptions` for the options.

        A worker with `qless-py work --http` sends it. Raises `BadArgumentError` if it could not be
        sent; whether a worker may reach the target is decided by the worker.
        """
        session = self._session
        call = puts.put_http(session.settings, self.name, url, options)
        return session.runner.run(call)

    def put_many(self, jobs: Iterable[PutSpec]) -> list[str]:
        """Put any number of jobs and return their jids.

        Each hundred is one atomic step, all or none. Nothing is put if one of the jobs is not
        valid. If the server refuses a later hundred, those before it stay: a note of the error
        gives their number. A job that has a `queue` of its own goes into that.
        """
        session = self._session
        return put_all(session, puts.put_all(session.settings, self.name, jobs))

    @overload
    def pop(self, count: None = None, *, worker: str | None = None) -> Job | None: ...
    @overload
    def pop(self, count: int, *, worker: str | None = None) -> list[Job]: ...

    def pop(self, count: int | None = None, *, worker: str | None = None) -> Job | list[Job] | None:
        """Pop a job under a lease, or `None`; with a count (1 to 100), a list of up to that many.

        The lease lasts `heartbeat` seconds; `Job.heartbeat` renews it.
        """
        call = queues.pop(self._session.settings, self.name, count, worker, self._job)
        return queues.one_or_all(refill.pop(self._session, call), count)

    @overload
    def peek(self, count: None = None, *, offset: int = 0) -> Job | None: ...
    @overload
    def peek(self, count: int, *, offset: int = 0) -> list[Job]: ...

    def peek(self, count: int | None = None, *, offset: int = 0) -> Job | list[Job] | None:
        """Read the next job, or up to 100, in the order of pops, without taking them."""
        call = queues.peek(self.name, count, offset, self._job)
        return queues.one_or_all(self._session.runner.run(call), count)

    def recur(
        self,
        klass: Any,
        data: Any,
        interval: Seconds | None = None,
        offset: Seconds = 0,
        **options: Unpack[RecurOptions],
    ) -> str:
        """Put a job every `interval` seconds, first after `offset`; returns the recurring jid.

        Instead of an interval, `cron` and `zone` define the schedule, see `RecurOptions`. Replaces
        a recurring job with the same `jid`; without one each call adds another schedule. Raises
        `ScheduleError` for a schedule that never fires.
        """
        session = self._session
        call = recurring.recur(session.settings, self.name, klass, data, interval, offset, options)
        return session.runner.run(call)

    def pause(self, reason: str | None = None, until: float | datetime | None = None) -> None:
        """Pause the queue until `unpause`, or until a time (Unix seconds or a datetime).

        Running jobs continue, and jobs can still be put.
        """
        by = self._session.settings.worker_name
        return self._session.runner.run(queues.pause([self.name], reason, until, by))

    def unpause(self) -> None:
        """End the pause."""
        return self._session.runner.run(queues.unpause([self.name]))

    @property
    def counts(self) -> Counts:
        """Return how many jobs there are in each state, and whether the queue is paused."""
        return self._session.runner.run(queues.counts(self.name))

    def stats(self, day: date | float | None = None) -> DayStats:
        """Return the statistics of a day in UTC, by default of today."""
        return self._session.runner.run(stats.day(self.name, day))

    def series(
        self, start: float | datetime, end: float | datetime, resolution: Resolution = "minute"
    ) -> list[Sample]:
        """Return the counters by `minute` (kept for a day) or by `ten` minutes (for 14 days)."""
        return self._session.runner.run(stats.series(self.name, start, end, resolution))

    @property
    def throttle(self) -> Throttle:
        """The throttle that all jobs of the queue have."""
        return Throttle(self._session, queues.throttle_of(self.name))

    def users(self) -> list[Share]:
        """Return the users with ready jobs in the queue, and the share that each of them gets.

        All of them are read, page by page; if there may be very many, use `user_page`.
        """
        found: list[Share] = []
        cursor: str | None = None
        while True:
            page = self.user_page(cursor, MAX_PAGE)
            found += page.users
            cursor = page.cursor
            if cursor is None:
                return users.shares(found)

    def user_page(self, cursor: str | None = None, count: int = 100) -> UserPage[Share]:
        """Read a page of up to 250 users with ready jobs, from a `cursor` or the start.

        They come roughly in the order of their turns.
        """
        return self._session.runner.run(users.read_queue_page(self.name, cursor, count))

    @property
    def jobs(self) -> "QueueJobs":
        """The jobs of the queue by state."""
        return QueueJobs(self._session, self.name)

    def forget(self) -> bool:
        """Remove the queue from the list of known ones and return whether it was on it.

        Its jobs stay.
        """
        number = self._session.runner.run(queues.forget([self.name]))
        return bool(number)

    def _job(self, record: JobRecord) -> Job:
        return Job(self._session, record)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class QueueJobs:
    """The jids of a queue's jobs by state, in pages of up to 1,000."""

    def __init__(self, session: Session, queue: str) -> None:
        self._session = session
        self._queue = queue

    def waiting(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that can be taken, in order; those that have come due are last."""
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
        """List the jobs that wait for other jobs."""
        return self._list("depends", offset, count)

    def throttled(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the jobs that wait for a throttle."""
        return self._list("throttled", offset, count)

    def recurring(self, offset: int = 0, count: int = 25) -> list[str]:
        """List the recurring jobs, the next tick first."""
        return self._list("recurring", offset, count)

    def _list(self, state: str, offset: int, count: int) -> list[str]:
        return self._session.runner.run(queues.jids_in_state(self._queue, state, offset, count))


class Queues(QueuesBase[Queue]):
    """`client.queues`: a queue by its name, and all that are known."""

    def __getitem__(self, name: str) -> Queue:
        return Queue(self._session, name)

    @property
    def counts(self) -> list[Counts]:
        """Return the counts of all known queues, in the order in which they were first used."""
        found: list[Counts] = []
        while True:
            total, rows = self._session.runner.run(queues.all_counts(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found
