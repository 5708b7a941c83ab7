"""Jobs by their jids, and lists of jobs across queues."""

from collections.abc import Awaitable, Iterable
from typing import TypedDict, overload

from qless_py.aio.base import AsyncJobsBase
from qless_py.aio.drive import drive
from qless_py.aio.job import AsyncJob
from qless_py.aio.recurring import AsyncRecurringJob
from qless_py.client import search
from qless_py.client.search import SearchPage
from qless_py.protocol import JobRecord, Record, RecurringRecord, jobs
from qless_py.protocol.jobs import MAX_PAGE, SMALL_PAGE, TaggedJobs


class AsyncFailedJobs(TypedDict):
    """A page of a failure group, newest first, and how many jobs it has in all."""

    total: int
    jobs: list[AsyncJob]


class AsyncTrackedJobs(TypedDict):
    """The tracked jobs, and the jids of tracked jobs that are gone."""

    jobs: list[AsyncJob]
    expired: list[str]


class AsyncJobs(AsyncJobsBase[AsyncJob | AsyncRecurringJob]):
    """`client.jobs`: a job by its jid, and lists of jobs by what they have in common."""

    @overload
    async def get(self, jid: str, /) -> AsyncJob | None: ...  # type: ignore[overload-overlap]
    @overload
    async def get(
        self, *jids: str | Iterable[str], data_limit: int | None = None
    ) -> list[AsyncJob | AsyncRecurringJob]: ...

    async def get(
        self, *jids: str | Iterable[str], data_limit: int | None = None
    ) -> AsyncJob | list[AsyncJob | AsyncRecurringJob] | None:
        """Read one job, or None if there is none; or several, as a list or one by one.

        Several are returned in that order, recurring jobs too; missing ones are left out. With a
        `data_limit`, at most so many bytes of the data, result and progress of each of several jobs
        are read; an attribute that is longer then raises `UndecodableDataError`.
        """
        if len(jids) == 1 and isinstance(jids[0], str):
            record = await self._session.runner.run(jobs.read(jids[0]))
            return AsyncJob(self._session, record) if isinstance(record, JobRecord) else None
        return await self._all(jids, data_limit)

    async def _all(
        self, jids: tuple[str | Iterable[str], ...], data_limit: int | None
    ) -> list[AsyncJob | AsyncRecurringJob]:
        found: list[AsyncJob | AsyncRecurringJob] = []
        for names in jobs.in_pages(jids):
            records = await self._session.runner.run(jobs.read_many(names, data_limit))
            found += [job for job in map(self._made, records) if job is not None]
        return found

    async def search(
        self,
        text: str,
        *,
        limit: int = 25,
        cursor: str | None = None,
        budget: int = search.BUDGET,
        data_limit: int | None = None,
    ) -> SearchPage[AsyncJob]:
        """Find up to `limit` jobs (1 to 100), such as `state:failed queue:mail data.user.id:42`.

        At most `budget` jobs are examined; the next call continues from the `cursor` of the page.
        `data_limit` is that of `get`. Raises `SearchError`, which holds the position, for a search
        that cannot be parsed.
        """
        steps = search.steps(text, limit=limit, cursor=cursor, budget=budget, data_limit=data_limit)
        found = await drive(self._session, steps)
        made = [AsyncJob(self._session, one) for one in found.records]
        return SearchPage(made, found.scanned, found.total, found.skipped, found.cursor)

    def complete(self, offset: int = 0, count: int = 25) -> Awaitable[list[str]]:
        """List up to 1,000 complete jobs, newest first."""
        call = jobs.in_state("complete", "", offset, count)
        return self._session.runner.run(call.map(lambda found: found.jids))

    async def tracked(self, *, data_limit: int | None = None) -> AsyncTrackedJobs:
        """Read the tracked jobs; `data_limit` is that of `get`."""
        found: list[AsyncJob] = []
        expired: list[str] = []
        while True:
            call = jobs.tracked(len(found) + len(expired), SMALL_PAGE, data_limit)
            reply = await self._session.runner.run(call)
            found += [AsyncJob(self._session, record) for record in reply.jobs]
            expired += reply.expired
            if not (reply.jobs or reply.expired) or len(found) + len(expired) >= reply.total:
                return AsyncTrackedJobs(jobs=found, expired=expired)

    def tagged(self, tag: str, offset: int = 0, count: int = 25) -> Awaitable[TaggedJobs]:
        """List up to 1,000 of the jobs with a tag, in the order of tagging."""
        call = jobs.tagged(tag, offset, count)
        return self._session.runner.run(
            call.map(lambda found: TaggedJobs(total=found.total, jobs=found.jids))
        )

    @overload
    async def failed(self) -> dict[str, int]: ...
    @overload
    async def failed(
        self, group: str, offset: int = 0, count: int = 25, *, data_limit: int | None = None
    ) -> AsyncFailedJobs: ...

    async def failed(
        self,
        group: str | None = None,
        offset: int = 0,
        count: int = 25,
        *,
        data_limit: int | None = None,
    ) -> AsyncFailedJobs | dict[str, int]:
        """Read up to 1,000 jobs of a failure group, newest first; without a group, count all.

        `data_limit` is that of `get`.
        """
        if group is None:
            return await self._groups()
        found = await self._session.runner.run(jobs.failed(group, offset, count))
        read = await self._all((found.jids,), data_limit)
        made = [job for job in read if isinstance(job, AsyncJob)]
        return AsyncFailedJobs(total=found.total, jobs=made)

    async def _groups(self) -> dict[str, int]:
        groups: dict[str, int] = {}
        while True:
            total, rows = await self._session.runner.run(jobs.groups(len(groups), MAX_PAGE))
            groups |= {row.group: row.number for row in rows}
            if not rows or len(groups) >= total:
                return groups

    def _made(self, record: Record | None) -> AsyncJob | AsyncRecurringJob | None:
        if isinstance(record, RecurringRecord):
            return AsyncRecurringJob(self._session, record)
        return AsyncJob(self._session, record) if isinstance(record, JobRecord) else None
