"""Batches for asyncio; see `qless_py.batch`."""

from collections.abc import Awaitable, Iterable
from types import TracebackType
from typing import Any, Self, Unpack

from qless_py import protocol
from qless_py.client import batch
from qless_py.client.batch import BatchOptions, BatchStatus
from qless_py.client.session import AsyncSession
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import PutOptions, PutSpec
from qless_py.protocol.job_calls import JobVerbs


class AsyncBatch:
    """A batch by its name. As a context manager it is closed at the end of the block."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = checks.name("batch", name)

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Awaitable[str]:
        """Put a job that belongs to the batch."""
        settings, joined = self._session.settings, {**options, "batch": self.name}
        return self._session.run(
            puts.put(settings, checks.name("queue", queue), klass, data, joined)
        )

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> Awaitable[list[str]]:
        """Put up to 100 jobs that belong to the batch, all or none."""
        joined = puts.in_batch(jobs, self.name)
        settings = self._session.settings
        return self._session.run(puts.put_many(settings, checks.name("queue", queue), joined))

    def add(self, *jids: str) -> Awaitable[int]:
        """Add jobs that exist already; give how many are new in the batch."""
        return self._session.run(protocol.batches.add(self.name, checks.names("jids", jids)))

    def close(self) -> Awaitable[BatchStatus]:
        """Take no more jobs, so that the batch can end."""
        return self._session.run(batch.close_call(self.name))

    def status(self) -> Awaitable[BatchStatus | None]:
        """Tell how the batch stands, `None` when there is none of that name."""
        return self._session.run(batch.status_call(self.name))

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


class AsyncJobBatch(AsyncBatch):
    """A batch that a running job opened; see `qless_py.batch.JobBatch`."""

    def __init__(self, session: AsyncSession, name: str, job: JobVerbs) -> None:
        super().__init__(session, name)
        self._job = job

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Awaitable[str]:
        """Put a job that belongs to the batch, on behalf of the running job."""
        call = batch.owned_put_call(self._job, self.name, queue, klass, data, options)
        return self._session.run(call)

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> Awaitable[list[str]]:
        """Put up to 100 jobs that belong to the batch, all or none."""
        return self._session.run(batch.owned_puts_call(self._job, self.name, queue, jobs))


class AsyncBatches:
    """`client.batches`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> AsyncBatch:
        return AsyncBatch(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    async def open(self, name: str | None = None, **options: Unpack[BatchOptions]) -> AsyncBatch:
        """Open a batch; without a name it gets one of its own."""
        call = batch.open_call(self._session.settings, name, options)
        return AsyncBatch(self._session, await self._session.run(call))
