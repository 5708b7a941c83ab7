# Generated from qless_py/aio/jobs.py by bin/generate-sync: edit that file.
"""Jobs by their jids, and lists of jobs across queues."""

from collections.abc import Iterable
from typing import TypedDict, overload

from qless_py.client import search
from qless_py.client.base import JobsBase
from qless_py.client.drive import drive
from qless_py.client.job import Job
from qless_py.client.recurring import RecurringJob
from qless_py.client.search import SearchPage
from qless_py.protocol import JobRecord, Record, RecurringRecord, jobs
from qless_py.protocol.jobs import MAX_PAGE, SMALL_PAGE, TaggedJobs


class FailedJobs(TypedDict):
    """A page of a failure group, newest first, and how many jobs it has in all."""

    total: int
    jobs: list[Job]


class TrackedJobs(TypedDict):
    """The tracked jobs, and the jids of tracked jobs that are gone."""

    jobs: list[Job]
    expired: list[str]


class Jobs(JobsBase[Job | RecurringJob]):
    """`client.jobs`: a job by its jid, and lists of jobs by what they have in common."""

    @overload
    def get(self, jid: str, /) -> Job | None: ...  # type: ignore[overload-overlap]
    @overload
    def get(
        self, *jids: str | Iterable[str], data_limit: int | None = None
    ) -> list[Job | RecurringJob]: ...

    def get(
        self, *jids: str | Iterable[str], data_limit: int | None = None
    ) -> Job | list[Job | RecurringJob] | None:
        """Read one job, or None if there is none; or several, as a list or one by one.

        Several are returned in that order, recurring jobs too; missing ones are left out. With a
        `data_limit`, at most so many bytes of the data, result and progress of each of several jobs
        are read; an attribute that is longer then raises `UndecodableDataError`.
        """
        if len(jids) == 1 and isinstance(jids[0], str):
            record = self._session.runner.run(jobs.read(jids[0]))
            return Job(self._session, record) if isinstance(record, JobRecord) else None
        return self._all(jids, data_limit)

    def _all(
        self, jids: tuple[str | Iterable[str], ...], data_limit: int | None
    ) -> list[Job | RecurringJob]:
        found: list[Job | RecurringJob] = []
        for names in jobs.in_pages(jids):
            records = self._session.runner.run(jobs.read_many(names, data_limit))
            found += [job for job in map(self._made, records) if job is not None]
        return found

    def search(
        self,
        text: str,
        *,
        limit: int = 25,
        cursor: str | None = None,
        budget: int = search.BUDGET,
        data_limit: int | None = None,
    ) -> SearchPage[Job]:
        """Find up to `limit` jobs (1 to 100), such as `state:failed queue:mail data.user.id:42`.

        At most `budget` jobs are examined; the next call continues from the `cursor` of the page.
        `data_limit` is that of `get`. Raises `SearchError`, which holds the position, for a search
        that cannot be parsed.
        """
        steps = search.steps(text, limit=limit, cursor=cursor, budget=budget, data_limit=data_limit)
        found = drive(self._session, steps)
        made = [Job(self._session, one) for one in found.records]
        return SearchPage(made, found.scanned, found.total, found.skipped, found.cursor)

    def complete(self, offset: int = 0, count: int = 25) -> list[str]:
        """List up to 1,000 complete jobs, newest first."""
        call = jobs.in_state("complete", "", offset, count)
        return self._session.runner.run(call.map(lambda found: found.jids))

    def tracked(self, *, data_limit: int | None = None) -> TrackedJobs:
        """Read the tracked jobs; `data_limit` is that of `get`."""
        found: list[Job] = []
        expired: list[str] = []
        while True:
            call = jobs.tracked(len(found) + len(expired), SMALL_PAGE, data_limit)
            reply = self._session.runner.run(call)
            found += [Job(self._session, record) for record in reply.jobs]
            expired += reply.expired
            if not (reply.jobs or reply.expired) or len(found) + len(expired) >= reply.total:
                return TrackedJobs(jobs=found, expired=expired)

    def tagged(self, tag: str, offset: int = 0, count: int = 25) -> TaggedJobs:
        """List up to 1,000 of the jobs with a tag, in the order of tagging."""
        call = jobs.tagged(tag, offset, count)
        return self._session.runner.run(
            call.map(lambda found: TaggedJobs(total=found.total, jobs=found.jids))
        )

    @overload
    def failed(self) -> dict[str, int]: ...
    @overload
    def failed(
        self, group: str, offset: int = 0, count: int = 25, *, data_limit: int | None = None
    ) -> FailedJobs: ...

    def failed(
        self,
        group: str | None = None,
        offset: int = 0,
        count: int = 25,
        *,
        data_limit: int | None = None,
    ) -> FailedJobs | dict[str, int]:
        """Read up to 1,000 jobs of a failure group, newest first; without a group, count all.

        `data_limit` is that of `get`.
        """
        if group is None:
            return self._groups()
        found = self._session.runner.run(jobs.failed(group, offset, count))
        read = self._all((found.jids,), data_limit)
        made = [job for job in read if isinstance(job, Job)]
        return FailedJobs(total=found.total, jobs=made)

    def _groups(self) -> dict[str, int]:
        groups: dict[str, int] = {}
        while True:
            total, rows = self._session.runner.run(jobs.groups(len(groups), MAX_PAGE))
            groups |= {row.group: row.number for row in rows}
            if not rows or len(groups) >= total:
                return groups

    def _made(self, record: Record | None) -> Job | RecurringJob | None:
        if isinstance(record, RecurringRecord):
            return RecurringJob(self._session, record)
        return Job(self._session, record) if isinstance(record, JobRecord) else None
