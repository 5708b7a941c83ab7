"""Jobs, workers, configuration and statistics of a client for asyncio."""

from collections.abc import Awaitable, Iterable
from datetime import date
from typing import Any, TypedDict, overload

from qless_py.aio.job import AsyncJob
from qless_py.aio.recurring import AsyncRecurringJob
from qless_py.client import config, jobs, stats, workers
from qless_py.client import search as searching
from qless_py.client.jobs import TaggedJobs
from qless_py.client.queue_calls import LARGEST_PAGE, SMALL_PAGE
from qless_py.client.session import AsyncSession, drive_async
from qless_py.client.stats import DayStats
from qless_py.client.workers import WorkerCounts, WorkerJobs
from qless_py.protocol import JobRecord, Record, RecurringRecord, reads
from qless_py.protocol import arguments as checks


class AsyncFailedJobs(TypedDict):
    """A page of a failure group, the newest first, and how many there are in all."""

    total: int
    jobs: list[AsyncJob]


class AsyncTrackedJobs(TypedDict):
    """The tracked jobs, and the jids of tracked jobs that are gone."""

    jobs: list[AsyncJob]
    expired: list[str]


class AsyncJobs:
    """`client.jobs`; see `qless_py.client.jobs`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def __call__(self, jid: str) -> AsyncJob | AsyncRecurringJob | None:
        """Read a job or recurring job; `None` if there is none."""
        return self._made(await self._session.run(reads.job(checks.name("jid", jid))))

    def __getitem__(self, jid: str) -> Awaitable[AsyncJob | AsyncRecurringJob | None]:
        return self(jid)

    # Without this, "in" would go on asking for ever: item 0, item 1, …
    __iter__ = None

    async def get(self, *jids: str | Iterable[str]) -> list[AsyncJob | AsyncRecurringJob]:
        """Read several jobs in that order, without those that are not there."""
        found: list[AsyncJob | AsyncRecurringJob] = []
        for names in jobs.in_pages(jids):
            records = await self._session.run(reads.jobs(names))
            found += [job for job in map(self._made, records) if job is not None]
        return found

    async def search(
        self,
        text: str,
        *,
        limit: int = 25,
        cursor: str | None = None,
        budget: int = searching.BUDGET,
    ) -> jobs.SearchPage[AsyncJob]:
        """Find jobs; see `qless_py.client.jobs.Jobs.search`."""
        steps = searching.steps(text, limit=limit, cursor=cursor, budget=budget)
        found = await drive_async(self._session, steps)
        made = [AsyncJob(self._session, one) for one in found.records]
        return jobs.search_page(found, made)

    async def exists(self, jid: str) -> bool:
        """Tell whether there is a job or recurring job with this jid."""
        return await self(jid) is not None

    def complete(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List complete jobs, the newest first."""
        return self._session.run(jobs.complete_call(offset, count))

    async def tracked(self) -> AsyncTrackedJobs:
        """Read the tracked jobs."""
        found: list[AsyncJob] = []
        expired: list[str] = []
        while True:
            reply = await self._session.run(reads.tracked(len(found) + len(expired), SMALL_PAGE))
            found += [AsyncJob(self._session, record) for record in reply.jobs]
            expired += reply.expired
            if not (reply.jobs or reply.expired) or len(found) + len(expired) >= reply.total:
                return AsyncTrackedJobs(jobs=found, expired=expired)

    def tagged(self, tag: str, offset: int = 0, count: int = 25) -> Awaitable[TaggedJobs]:
        """List the jobs with a tag, in the order of tagging."""
        return self._session.run(jobs.tagged_call(tag, offset, count))

    @overload
    async def failed(self) -> dict[str, int]: ...
    @overload
    async def failed(self, group: str, offset: int = 0, count: int = 25) -> AsyncFailedJobs: ...

    async def failed(
        self, group: str | None = None, offset: int = 0, count: int = 25
    ) -> AsyncFailedJobs | dict[str, int]:
        """Read the jobs of a failure group, the newest first; of no group, count all groups."""
        if group is None:
            return await self._groups()
        found = await self._session.run(jobs.failed_call(group, offset, count))
        made = [job for job in await self.get(found.jids) if isinstance(job, AsyncJob)]
        return AsyncFailedJobs(total=found.total, jobs=made)

    async def _groups(self) -> dict[str, int]:
        groups: dict[str, int] = {}
        while True:
            total, rows = await self._session.run(reads.groups(len(groups), LARGEST_PAGE))
            groups |= {row.group: row.number for row in rows}
            if not rows or len(groups) >= total:
                return groups

    def _made(self, record: Record | None) -> AsyncJob | AsyncRecurringJob | None:
        if isinstance(record, RecurringRecord):
            return AsyncRecurringJob(self._session, record)
        return AsyncJob(self._session, record) if isinstance(record, JobRecord) else None


class AsyncWorkers:
    """`client.workers`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def get(self, name: str, offset: int = 0, count: int = 100) -> Awaitable[WorkerJobs]:
        """Give a page of a worker's jobs; an unknown worker has none."""
        return self._session.run(workers.worker_call(name, offset, count))

    def __getitem__(self, name: str) -> Awaitable[WorkerJobs]:
        return self.get(name)

    # Without this, "in" would go on asking for ever: item 0, item 1, …
    __iter__ = None

    async def counts(self) -> list[WorkerCounts]:
        """Give all workers, the last seen first."""
        found: list[WorkerCounts] = []
        while True:
            total, rows = await self._session.run(workers.counts_call(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found

    def deregister(self, *names: str) -> Awaitable[int]:
        """Take workers off the list."""
        return self._session.run(workers.deregister_call(names))

    async def quiet(self, *names: str) -> list[str]:
        """Have workers take no more jobs, by name or by what their names begin with; or all."""
        return await self._tell("quiet", names)

    async def resume(self, *names: str) -> list[str]:
        """Have workers take jobs again."""
        return await self._tell("resume", names)

    async def stop(self, *names: str) -> list[str]:
        """Have workers leave when their jobs have ended; nobody takes their place."""
        return await self._tell("stop", names)

    async def restart(self, *names: str) -> list[str]:
        """Have workers replaced by fresh processes; jobs that run may finish."""
        return await self._tell("restart", names)

    async def _tell(self, what: str, names: tuple[str, ...]) -> list[str]:
        told = workers.addressed(await self.counts(), names)
        for call in workers.command_calls(told, what):
            await self._session.run(call)
        return told


class AsyncConfig:
    """`client.config`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def all(self) -> Awaitable[dict[str, Any]]:
        """Give every option and its value."""
        return self._session.run(config.all_call())

    async def get(self, option: str, default: Any = None) -> Any:
        """Give one option."""
        return (await self.all()).get(option, default)

    def set(self, option: str, value: Any) -> Awaitable[None]:
        """Override an option."""
        return self._session.run(config.set_call(option, value))

    def unset(self, option: str) -> Awaitable[None]:
        """Go back to the default."""
        return self._session.run(config.unset_call(option))


class AsyncStats:
    """`client.stats`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def get(self, queue: str, day: date | float | None = None) -> Awaitable[DayStats]:
        """Give a queue's statistics of a day."""
        return self._session.run(stats.day_call(queue, day))
