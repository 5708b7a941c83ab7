"""Jobs by their jids, and lists of them across queues."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, overload

from qless_py.client import search as searching
from qless_py.client.job import Job
from qless_py.client.queue_calls import LARGEST_PAGE, SMALL_PAGE, page
from qless_py.client.recurring import RecurringJob
from qless_py.client.session import Session, drive
from qless_py.protocol import Call, JobRecord, Record, RecurringRecord, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import job_calls as verbs


class TaggedJobs(TypedDict):
    """A page of jids, and how many there are in all."""

    total: int
    jobs: list[str]


class FailedJobs(TypedDict):
    """A page of a failure group, the newest first, and how many there are in all."""

    total: int
    jobs: list[Job]


class TrackedJobs(TypedDict):
    """The tracked jobs, and the jids of tracked jobs that are gone."""

    jobs: list[Job]
    expired: list[str]


AnyJob = TypeVar("AnyJob")


@dataclass(frozen=True, slots=True)
class SearchPage(Generic[AnyJob]):
    """What a search found. `cursor` is where it goes on, `None` when all has been seen.

    `scanned` of the `total` jobs in the lists that were opened were looked at; of `skipped` ones
    the data was too long to be looked into.
    """

    jobs: list[AnyJob]
    scanned: int
    total: int
    skipped: int
    cursor: str | None


class Jobs:
    """`client.jobs`: a job by its jid, and lists of jobs by what they have in common."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, jid: str) -> Job | RecurringJob | None:
        """Read a job or recurring job; `None` if there is none."""
        return self._made(self._session.run(reads.job(checks.name("jid", jid))))

    def get(self, *jids: str | Iterable[str]) -> list[Job | RecurringJob]:
        """Read several jobs in that order, without those that are not there."""
        found: list[Job | RecurringJob] = []
        for names in in_pages(jids):
            made = [self._made(record) for record in self._session.run(reads.jobs(names))]
            found += [job for job in made if job is not None]
        return found

    def search(
        self,
        text: str,
        *,
        limit: int = 25,
        cursor: str | None = None,
        budget: int = searching.BUDGET,
    ) -> SearchPage[Job]:
        """Find up to `limit` jobs by a search like `state:failed queue:mail data.user.id:42`.

        At most `budget` jobs are looked at; with the cursor of a page the next call goes on. Raises
        `SearchError`, which tells the position, for what cannot be read.
        """
        steps = searching.steps(text, limit=limit, cursor=cursor, budget=budget)
        found = drive(self._session, steps)
        return search_page(found, [Job(self._session, one) for one in found.records])

    def exists(self, jid: str) -> bool:
        """Tell whether there is a job or recurring job with this jid."""
        return self[jid] is not None

    def __contains__(self, jid: object) -> bool:
        return checks.is_name(jid) and self.exists(jid)

    # Without this, __getitem__ would make the jobs look like a sequence to iterate.
    __iter__ = None

    def complete(self, offset: int = 0, count: int = 25) -> list[str]:
        """List complete jobs, the newest first."""
        return self._session.run(complete_call(offset, count))

    def tracked(self) -> TrackedJobs:
        """Read the tracked jobs."""
        jobs: list[Job] = []
        expired: list[str] = []
        while True:
            reply = self._session.run(reads.tracked(len(jobs) + len(expired), SMALL_PAGE))
            jobs += [Job(self._session, record) for record in reply.jobs]
            expired += reply.expired
            if not (reply.jobs or reply.expired) or len(jobs) + len(expired) >= reply.total:
                return TrackedJobs(jobs=jobs, expired=expired)

    def tagged(self, tag: str, offset: int = 0, count: int = 25) -> TaggedJobs:
        """List the jobs with a tag, in the order of tagging."""
        return self._session.run(tagged_call(tag, offset, count))

    @overload
    def failed(self) -> dict[str, int]: ...
    @overload
    def failed(self, group: str, offset: int = 0, count: int = 25) -> FailedJobs: ...

    def failed(
        self, group: str | None = None, offset: int = 0, count: int = 25
    ) -> FailedJobs | dict[str, int]:
        """Read the jobs of a failure group, the newest first; of no group, count all groups."""
        if group is None:
            return self._groups()
        found = self._session.run(failed_call(group, offset, count))
        jobs = [job for job in self.get(found.jids) if isinstance(job, Job)]
        return FailedJobs(total=found.total, jobs=jobs)

    def _groups(self) -> dict[str, int]:
        groups: dict[str, int] = {}
        while True:
            total, rows = self._session.run(reads.groups(len(groups), LARGEST_PAGE))
            groups |= {row.group: row.number for row in rows}
            if not rows or len(groups) >= total:
                return groups

    def _made(self, record: Record | None) -> Job | RecurringJob | None:
        if isinstance(record, RecurringRecord):
            return RecurringJob(self._session, record)
        return Job(self._session, record) if isinstance(record, JobRecord) else None


def search_page(found: searching.Found, made: list[AnyJob]) -> SearchPage[AnyJob]:
    """Give what was found with the jobs made of the records."""
    return SearchPage(made, found.scanned, found.total, found.skipped, found.cursor)


def in_pages(jids: tuple[Any, ...]) -> list[list[str]]:
    """Split jids, given one by one or as one list, into what one call may ask for."""
    given = jids[0] if len(jids) == 1 and not isinstance(jids[0], str) else jids
    return verbs.in_hundreds(checks.names("jids", given, None))


def complete_call(offset: int, count: int) -> Call[list[str]]:
    """Make the call that lists complete jobs."""
    return reads.state("complete", "", *page(offset, count)).map(lambda found: found.jids)


def tagged_call(tag: str, offset: int, count: int) -> Call[TaggedJobs]:
    """Make the call that lists the jobs with a tag."""
    call = reads.tagged(checks.name("tag", tag), *page(offset, count))
    return call.map(lambda found: TaggedJobs(total=found.total, jobs=found.jids))


def failed_call(group: str, offset: int, count: int) -> Call[reads.JidPage]:
    """Make the call that lists a failure group."""
    return reads.failed(checks.line("group", group), *page(offset, count))
