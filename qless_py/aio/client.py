"""The client of a store: every other object is reached from it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import redis.asyncio as redis_py

from qless_py import store
from qless_py.aio import refill
from qless_py.aio.base import AsyncClientBase
from qless_py.aio.job import AsyncJob
from qless_py.aio.pipeline import AsyncPipeline
from qless_py.aio.put_all import put_all
from qless_py.aio.queue import AsyncQueues
from qless_py.client.connection import PATIENCE, choose_connection, resend_policy
from qless_py.client.parts import Part
from qless_py.protocol import Call, JobRecord, arguments, jobs, puts
from qless_py.protocol.codec import Codec
from qless_py.protocol.options import PutSpec, Seconds
from qless_py.protocol.queues import one_or_all, pop_any
from qless_py.protocol.reservers import Queues as QueueChoice
from qless_py.protocol.settings import make_settings
from qless_py.store import settings_file
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.runner import database_of

if TYPE_CHECKING:
    from qless_py.aio.audit import AsyncAudit
    from qless_py.aio.batch import AsyncBatch, AsyncBatches, AsyncBatchOptions
    from qless_py.aio.canceled import AsyncCanceled
    from qless_py.aio.config import AsyncConfig
    from qless_py.aio.deploys import AsyncDeploys
    from qless_py.aio.events import AsyncEvents
    from qless_py.aio.failures import AsyncFailures
    from qless_py.aio.jobs import AsyncJobs
    from qless_py.aio.recurring import AsyncRecurringJobs
    from qless_py.aio.stats import AsyncStats
    from qless_py.aio.throttles import AsyncThrottles
    from qless_py.aio.tokens import AsyncTokens
    from qless_py.aio.users import AsyncUsers
    from qless_py.aio.webhooks import AsyncWebhooks
    from qless_py.aio.workers import AsyncWorkers
    from qless_py.aio.workflow import AsyncWorkflows
    from qless_py.client.explain import Explanation
    # sync> from qless_py.client.operations import Operations

T = TypeVar("T")


class AsyncClient(AsyncClientBase):
    """A client of one namespace of one store.

    Threads and forked processes may share a synchronous client. A client for asyncio belongs to
    one event loop; methods that ask the store are awaited, and values that are attributes of the
    synchronous objects are methods of its objects.

    `url` names the store; by default QLESS_PY_URL, REDIS_URL, the settings file or this user's
    embedded store. `namespace` defaults to QLESS_PY_NAMESPACE, the settings file, or `ql`.
    Instead, `redis` takes a client of redis-py and `connection_pool` a pool; other keyword
    arguments are passed to redis-py.

    `codec` writes the data of jobs: "json" (the default), "msgpack" or a `Codec`; `codecs` are
    further ones that can be read. `worker_name` is the name under which jobs are popped, by default
    made of the host and the process id. `patience` is for how many seconds, at most 120, a call is
    sent again while the store does not answer; then the error of redis-py is raised. A call takes
    effect at most once, however often it is sent.

    `clock`, a function that returns Unix seconds, creates or uses a namespace with a test clock.
    Such a namespace is not for production, and the server refuses to mix the two.
    """

    jobs: Part[AsyncJobs] = Part("qless_py.aio.jobs:AsyncJobs")
    recurring: Part[AsyncRecurringJobs] = Part("qless_py.aio.recurring:AsyncRecurringJobs")
    workers: Part[AsyncWorkers] = Part("qless_py.aio.workers:AsyncWorkers")
    config: Part[AsyncConfig] = Part("qless_py.aio.config:AsyncConfig")
    stats: Part[AsyncStats] = Part("qless_py.aio.stats:AsyncStats")
    events: Part[AsyncEvents] = Part("qless_py.aio.events:AsyncEvents")
    batches: Part[AsyncBatches] = Part("qless_py.aio.batch:AsyncBatches")
    canceled: Part[AsyncCanceled] = Part("qless_py.aio.canceled:AsyncCanceled")
    # sync> operations: Part[Operations] = Part("qless_py.client.operations:Operations")
    workflows: Part[AsyncWorkflows] = Part("qless_py.aio.workflow:AsyncWorkflows")
    throttles: Part[AsyncThrottles] = Part("qless_py.aio.throttles:AsyncThrottles")
    users: Part[AsyncUsers] = Part("qless_py.aio.users:AsyncUsers")
    webhooks: Part[AsyncWebhooks] = Part("qless_py.aio.webhooks:AsyncWebhooks")
    deploys: Part[AsyncDeploys] = Part("qless_py.aio.deploys:AsyncDeploys")
    failures: Part[AsyncFailures] = Part("qless_py.aio.failures:AsyncFailures")
    tokens: Part[AsyncTokens] = Part("qless_py.aio.tokens:AsyncTokens")
    audit: Part[AsyncAudit] = Part("qless_py.aio.audit:AsyncAudit")

    def __init__(  # noqa: PLR0913 - everything that can be configured
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        codec: str | Codec = "json",
        codecs: Iterable[Codec] = (),
        worker_name: str | None = None,
        clock: Callable[[], float] | None = None,
        redis: redis_py.Redis | None = None,
        patience: Seconds = PATIENCE,
        **connection: Any,
    ) -> None:
        policy = resend_policy(patience)
        namespace = settings_file.namespace(namespace)
        self.settings = make_settings(namespace, codec, codecs, clock or time.time, worker_name)
        self._owns_connection = redis is None and "connection_pool" not in connection
        self.redis = choose_connection(
            redis,
            lambda: store.connect_async(url, namespace=namespace, **connection),
            url,
            connection,
        )
        self.settings = self.settings.of_database(database_of(self.redis))
        self.runner = AsyncRunner(self.redis, namespace, clock, policy=policy)
        self.queues = AsyncQueues(self)

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.settings.namespace

    @property
    def worker_name(self) -> str:
        """The name under which this client pops jobs."""
        return self.settings.worker_name

    def with_patience(self, patience: Seconds) -> AsyncClient:
        """Return a client with another patience (seconds) that shares this one's connections.

        Closing it leaves them open.
        """
        settings = self.settings
        return AsyncClient(
            namespace=settings.namespace,
            codec=settings.codec,
            codecs=settings.codecs.values(),
            worker_name=settings.given_worker_name,
            clock=self.runner.clock,
            redis=self.redis,
            patience=patience,
        )

    def run(self, call: Call[T]) -> Awaitable[T]:
        """Send one call of `qless_py.protocol` and return its decoded reply."""
        return self.runner.run(call)

    def run_many(self, calls: Sequence[Call[Any]]) -> Awaitable[list[Any]]:
        """Send calls in one round trip; a refused call has its exception in place of its reply."""
        return self.runner.run_many(calls)

    @overload
    async def pop(
        self, queues: QueueChoice, count: None = None, *, worker: str | None = None
    ) -> AsyncJob | None: ...
    @overload
    async def pop(
        self, queues: QueueChoice, count: int, *, worker: str | None = None
    ) -> list[AsyncJob]: ...

    async def pop(
        self, queues: QueueChoice, count: int | None = None, *, worker: str | None = None
    ) -> AsyncJob | list[AsyncJob] | None:
        """Pop a job from several queues, or `None`; with a count (1 to 100), up to that many.

        `queues` is a list of names, patterns (`mail-*`) and exclusions (`!mail-slow`) in order of
        preference, or a reserver: see `qless_py.protocol.reservers`.
        """
        call = pop_any(self.settings, queues, count, worker, self._job)
        return one_or_all(await refill.pop(self, call), count)

    async def put_many(self, jobs: Iterable[PutSpec]) -> list[str]:
        """Put any number of jobs, each into its `queue`; see `Queue.put_many`."""
        return await put_all(self, puts.put_anywhere(self.settings, jobs))

    async def job(self, jid: str) -> AsyncJob:
        """Read a job; raises `JobNotFoundError` if there is none with this jid.

        `client.jobs.get(jid)` returns None instead.
        """
        record = await self.runner.run(jobs.read(jid))
        return AsyncJob(self, jobs.existing(record, jid))

    def pipeline(self) -> AsyncPipeline:
        """Return a context manager that sends its transitions in one round trip."""
        return AsyncPipeline(self)

    def batch(
        self, name: str | None = None, **options: Unpack[AsyncBatchOptions]
    ) -> Awaitable[AsyncBatch]:
        """Open a batch of jobs; as a context manager it is closed at the end of the block."""
        return self.batches.open(name, **options)

    def explain(self, jid: str) -> Awaitable[Explanation]:
        """Return why a job is not running, as data and, by `str()`, in words.

        Raises `JobNotFoundError` if there is no such job, or no more.
        """
        from qless_py.client import explain  # noqa: PLC0415 - imported when used, as parts are

        return self.runner.run(explain.read(jid))

    def track(self, jid: str) -> Awaitable[None]:
        """Publish a job's events, and list it among the tracked jobs."""
        return self.runner.run(jobs.track(jid))

    def untrack(self, jid: str) -> Awaitable[bool]:
        """Stop tracking a job; returns whether it was tracked."""
        return self.runner.run(jobs.untrack(jid))

    def cancel(self, *jids: str, by: str = "", reason: str = "") -> Awaitable[list[str]]:
        """Delete up to 100 jobs, all or none; returns those that existed.

        `client.canceled` keeps them for a while, with who canceled them and why.
        Raises `DependencyError` if another job depends on one of them.
        """
        return self.runner.run(jobs.cancel(jids, by, reason))

    async def tags(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the tags that at least two jobs have, most used first."""
        return [tag for tag, _ in await self.tag_counts(offset, count, minimum=2)]

    def tag_counts(
        self, offset: int = 0, count: int = 100, *, minimum: int = 1
    ) -> Awaitable[list[tuple[str, int]]]:
        """List the tags of at least `minimum` jobs with their numbers of jobs, most used first."""
        return self.runner.run(jobs.tags(offset, count, minimum))

    async def unfail(self, group: str, queue: str, count: int = 500) -> int:
        """Move up to `count` of a group's oldest failures into a queue, and return how many.

        They are moved 100 per call, so an interruption may leave some.
        """
        arguments.name("queue", queue)
        steps, moved = jobs.unfail_counts(count), 0
        if len(steps) > 1:
            # Jobs that fail again meanwhile are the newest, so this number leaves them alone.
            total = (await self.runner.run(jobs.failed(group))).total
            steps = jobs.unfail_counts(min(count, total)) if total else []
        for number in steps:
            moved += await self.runner.run(jobs.unfail(queue, group, number))
        return moved

    async def close(self) -> None:
        """Close the connections, unless they were passed to the client."""
        if self._owns_connection:
            await self.redis.aclose()
            await self.redis.connection_pool.disconnect()

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
