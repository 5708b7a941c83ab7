"""Batches: sets of jobs with callbacks, jobs that are put when all members have ended."""

from collections.abc import Awaitable, Iterable
from types import TracebackType
from typing import Any, ParamSpec, Self, Unpack, overload

from qless_py.aio.drive import drive
from qless_py.aio.put_all import put_all
from qless_py.client import batch_changes
from qless_py.client.session import AsyncSession
from qless_py.protocol import arguments, batches
from qless_py.protocol.batches import BatchPage, BatchStatus, Callbacks
from qless_py.protocol.job_state import JobState
from qless_py.protocol.options import PutOptions, PutSpec, SpecMaker

P = ParamSpec("P")


class AsyncBatchOptions(Callbacks, total=False):
    """Options of a new batch: its callbacks, and the batch that it is `within`.

    A batch within another one is a member of it: the outer batch waits for the inner one and for
    its callbacks, which become members of the outer one.
    """

    within: "str | AsyncBatch | None"


class AsyncBatch:
    """A batch by its name. As a context manager it is closed at the end of the block.

    If the block raises, the batch stays open, so its callbacks do not run for half of the jobs.
    """

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = arguments.name("batch", name)

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Awaitable[str]:
        """Put a job that belongs to the batch; returns its jid.

        Raises `BatchClosedError` if the batch is closed and `BatchNotFoundError` if it is unknown.
        """
        settings = self._session.settings
        call = batches.put(settings, self.name, queue, klass, data, options)
        return self._session.runner.run(call)

    async def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> list[str]:
        """Put any number of jobs that belong to the batch, as `Queue.put_many` does."""
        calls = batches.put_all(self._session.settings, self.name, queue, jobs)
        return await put_all(self._session, calls)

    @overload
    def add(self, *jids: str) -> Awaitable[int]: ...
    @overload
    def add(self, task: SpecMaker[P], *args: P.args, **kwargs: P.kwargs) -> Awaitable[str]: ...

    def add(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Put a job of a task that belongs to the batch, or add up to 100 existing jobs.

        `batch.add(send, to="ann")` puts the job into the queue of the task and returns its jid.
        `batch.add("jid", …)` returns how many of these jobs were not in the batch yet.
        """
        if not kwargs and (not args or isinstance(args[0], str)):
            return self._session.runner.run(batches.add(self.name, args))
        spec: Any = batches.spec_of(args, kwargs)
        return self.put(spec.pop("queue"), spec.pop("klass"), spec.pop("data"), **spec)

    def close(self) -> Awaitable[BatchStatus]:
        """Close the batch to new jobs, so that it can end and its callbacks can run."""
        return self._session.runner.run(batches.close(self.name))

    async def cancel(self, most: int | None = None) -> int:
        """Close the batch and delete its unfinished jobs; returns how many, workers lose theirs.

        So are those of the batches within it. Jobs that have failed stay. With `most` about so many
        are deleted; if it is interrupted, call it again to continue. A job outside that waits for
        one of the jobs prevents its deletion: raises `DependencyError` once all others are deleted.
        """
        return await drive(self._session, batch_changes.cancel(self.name, most))

    async def retry(self, most: int | None = None) -> list[str]:
        """Run its failed jobs again, with all their retries; returns the jids of `most` at a time.

        So are those of the batches within it. Raises `WrongStateError` if the batch was canceled.
        """
        return await drive(self._session, batch_changes.retry(self.name, most))

    # sync> @property
    def status(self) -> Awaitable[BatchStatus | None]:
        """Return the status of the batch; `None` if there is none of that name, or no more."""
        return self._session.runner.run(batches.read(self.name))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class AsyncJobBatch(AsyncBatch):
    """A batch that a running job opened, or belongs to, and puts jobs into.

    Puts take effect at once and need the job's lease. A batch that the job opened is closed at the
    latest when the job completes. Jids are derived from the running job, as those of follow-ups, so
    a second run of it puts nothing twice.
    """

    def __init__(self, session: AsyncSession, name: str, job: JobState) -> None:
        super().__init__(session, name)
        self._job = job

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Awaitable[str]:
        """Put a job that belongs to the batch; raises `LostLeaseError` without the lease."""
        call = batches.put_for(self._job, self.name, queue, klass, data, options)
        return self._session.runner.run(call)

    async def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> list[str]:
        """Put any number of jobs that belong to the batch, as `Queue.put_many` does."""
        calls = batches.put_all_for(self._job, self.name, queue, jobs)
        return await put_all(self._session, calls)


class AsyncBatches:
    """`client.batches`: a batch by its name, and lists of batches."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> AsyncBatch:
        return AsyncBatch(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    async def open(
        self, name: str | None = None, **options: Unpack[AsyncBatchOptions]
    ) -> AsyncBatch:
        """Open a batch; without a name it gets a random one.

        Raises `AlreadyExistsError` if there is a batch of that name.
        """
        call = batches.open_batch(self._session.settings, name, options)
        return AsyncBatch(self._session, await self._session.runner.run(call))

    async def page(  # noqa: PLR0913 - the conditions of a list
        self,
        cursor: str | None = None,
        count: int = 25,
        *,
        name: str | None = None,
        phases: Iterable[str] = (),
        within: str | None = None,
        workflows: bool | None = None,
        budget: int = batch_changes.BUDGET,
    ) -> BatchPage:
        """Read a page of up to 100 batches, the one opened or finished last in front.

        `name` is a pattern, in which `*` stands for any characters. `phases` are open, running,
        complete, failed and canceled. `within` is the batch around them. `workflows` selects the
        batches that belong to workflows, or all others. A page examines at most `budget` batches:
        if its `cursor` is not `None`, there may be more.
        """
        wanted = batches.conditions(name, phases, within, workflows=workflows)
        return await drive(self._session, batch_changes.page(cursor, count, wanted, budget))
