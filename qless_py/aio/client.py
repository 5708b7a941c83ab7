"""The client for asyncio: what `qless_py.Client` has, with await."""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

import redis.asyncio as redis_py

from qless_py import store
from qless_py.aio.batch import AsyncBatch, AsyncBatches
from qless_py.aio.events import AsyncEvents
from qless_py.aio.job import AsyncJob
from qless_py.aio.lists import AsyncConfig, AsyncJobs, AsyncStats, AsyncWorkers
from qless_py.aio.queue import AsyncQueues
from qless_py.aio.recurring import AsyncRecurringJobs
from qless_py.aio.throttles import AsyncThrottles, AsyncUsers
from qless_py.aio.workflow import AsyncWorkflows
from qless_py.client import connect as client_calls
from qless_py.client import explain, queue_calls, refill
from qless_py.client.batch import BatchOptions
from qless_py.client.explain import Explanation
from qless_py.client.pipeline import Pending, PipelineCalls, settle
from qless_py.client.session import AsyncSession
from qless_py.protocol import Call, JobRecord, reservers
from qless_py.protocol.arguments import Seconds
from qless_py.protocol.codec import Codec
from qless_py.protocol.settings import Settings, make_settings
from qless_py.store import settings_file as configuration
from qless_py.store.async_runner import AsyncRunner

T = TypeVar("T")


class Client:
    """A client of one namespace of one store, for the tasks of one event loop.

    The arguments are those of `qless_py.Client`. Whatever asks the store is awaited, and what is
    set as an attribute there is a method here.
    """

    def __init__(  # noqa: PLR0913 - everything a client can be told
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        codec: str | Codec = "json",
        codecs: Iterable[Codec] = (),
        worker_name: str | None = None,
        clock: Callable[[], float] | None = None,
        redis: redis_py.Redis | None = None,
        patience: Seconds = client_calls.PATIENCE,
        **connection: Any,
    ) -> None:
        policy = client_calls.policy(patience)
        namespace = configuration.namespace(namespace)
        self._settings = make_settings(namespace, codec, codecs, clock or time.time, worker_name)
        self._owns_connection = redis is None and "connection_pool" not in connection
        self._redis = client_calls.chosen(
            redis,
            lambda: store.connect_async(url, namespace=namespace, **connection),
            url,
            connection,
        )
        self._runner = AsyncRunner(self._redis, namespace, clock, policy=policy)
        self.queues = AsyncQueues(self)
        self.jobs = AsyncJobs(self)
        self.recurring = AsyncRecurringJobs(self)
        self.workers = AsyncWorkers(self)
        self.config = AsyncConfig(self)
        self.stats = AsyncStats(self)
        self.events = AsyncEvents(self)
        self.batches = AsyncBatches(self)
        self.workflows = AsyncWorkflows(self)
        self.throttles = AsyncThrottles(self)
        self.users = AsyncUsers(self)

    @property
    def settings(self) -> Settings:
        """What the client was told."""
        return self._settings

    @property
    def redis(self) -> redis_py.Redis:
        """The connection under it. Its own commands are never sent twice."""
        return self._redis

    @property
    def runner(self) -> AsyncRunner:
        """What sends the calls."""
        return self._runner

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self._settings.namespace

    @property
    def worker_name(self) -> str:
        """The name under which this client takes jobs."""
        return self._settings.worker_name

    def with_patience(self, patience: Seconds) -> "Client":
        """Give a client like this one, on its connections, with another patience.

        Closing that one leaves them open.
        """
        settings = self._settings
        return Client(
            namespace=settings.namespace,
            codec=settings.codec,
            codecs=settings.codecs.values(),
            worker_name=settings.given_worker_name,
            clock=self._runner.clock,
            redis=self._redis,
            patience=patience,
        )

    def run(self, call: Call[T]) -> Awaitable[T]:
        """Send one call of `qless_py.protocol` and read its reply."""
        return self._runner.run(call)

    def run_many(self, calls: Sequence[Call[Any]]) -> Awaitable[list[Any]]:
        """Send calls in one round trip; a refusal stands in the place of its reply."""
        return self._runner.run_many(calls)

    @overload
    async def pop(
        self, queues: reservers.Queues, count: None = None, *, worker: str | None = None
    ) -> AsyncJob | None: ...
    @overload
    async def pop(
        self, queues: reservers.Queues, count: int, *, worker: str | None = None
    ) -> list[AsyncJob]: ...

    async def pop(
        self, queues: reservers.Queues, count: int | None = None, *, worker: str | None = None
    ) -> AsyncJob | list[AsyncJob] | None:
        """Take one job, or `None`, from any of several queues; with a count, up to that many."""
        call = queue_calls.pop_any(self._settings, queues, count, worker, self._job)
        return queue_calls.one_or_all(await refill.apop(self, call), count)

    def pipeline(self) -> "AsyncPipeline":
        """Collect transitions and send them in one round trip: `async with client.pipeline()`."""
        return AsyncPipeline(self)

    def batch(
        self, name: str | None = None, **options: Unpack[BatchOptions]
    ) -> Awaitable[AsyncBatch]:
        """Open a batch of jobs; as an asynchronous context manager it closes at the end."""
        return self.batches.open(name, **options)

    def explain(self, jid: str) -> Awaitable[Explanation]:
        """Tell why a job is not running, as data and, by `str()`, in words."""
        return self.run(explain.call(jid))

    def track(self, jid: str) -> Awaitable[None]:
        """Have a job's steps published."""
        return self.run(client_calls.track(jid))

    def untrack(self, jid: str) -> Awaitable[bool]:
        """Stop tracking a job; tells whether it was tracked."""
        return self.run(client_calls.untrack(jid))

    def cancel(self, *jids: str) -> Awaitable[list[str]]:
        """Delete up to 100 jobs, all or none; give those that were there."""
        return self.run(client_calls.cancel(jids))

    async def tags(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the tags that at least two jobs have, most used first."""
        return [tag for tag, _ in await self.tag_counts(offset, count, minimum=2)]

    def tag_counts(
        self, offset: int = 0, count: int = 100, *, minimum: int = 1
    ) -> Awaitable[list[tuple[str, int]]]:
        """List tags with how many jobs have each, most used first."""
        return self.run(client_calls.tags(offset, count, minimum))

    async def unfail(self, group: str, queue: str, count: int = 500) -> int:
        """Move a group's oldest failures, at most that many, into a queue; give how many."""
        moved = 0
        for part in client_calls.unfails(group, queue, count):
            step = await self.run(part.call)
            moved += step
            if step < part.number:
                break
        return moved

    async def close(self) -> None:
        """Give the connections back, unless they were given to the client."""
        if self._owns_connection:
            await self._redis.aclose()
            await self._redis.connection_pool.disconnect()

    def _job(self, record: JobRecord) -> AsyncJob:
        return AsyncJob(self, record)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio.Client {self.namespace}>"


class AsyncPipeline(PipelineCalls):
    """A pipeline that is sent at the end of its block; see `qless_py.pipeline.Pipeline`."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session.settings)
        self._session = session

    def pop(
        self, queue: str, count: int | None = None, *, worker: str | None = None
    ) -> Pending[list[AsyncJob]]:
        """Collect a pop; it always gives a list."""
        return self.call(queue_calls.pop(self._settings, queue, count, worker, self._job))

    async def send(self) -> None:
        """Send what was collected so far."""
        pending = self.take()
        settle(pending, await self._session.run_many([one.call for one in pending]))

    def _job(self, record: JobRecord) -> AsyncJob:
        return AsyncJob(self._session, record)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.send()
