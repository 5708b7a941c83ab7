# Generated from qless_py/aio/client.py by bin/generate-sync: edit that file.
"""The client of a store: every other object is reached from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

import redis as redis_py

from qless_py import store
from qless_py.client import refill
from qless_py.client.base import ClientBase
from qless_py.client.connection import PATIENCE, choose_connection, resend_policy
from qless_py.client.job import Job
from qless_py.client.parts import Part
from qless_py.client.pipeline import Pipeline
from qless_py.client.put_all import put_all
from qless_py.client.queue import Queues
from qless_py.protocol import Call, JobRecord, arguments, jobs, puts
from qless_py.protocol.codec import Codec
from qless_py.protocol.options import PutSpec, Seconds
from qless_py.protocol.queues import one_or_all, pop_any
from qless_py.protocol.reservers import Queues as QueueChoice
from qless_py.protocol.settings import make_settings
from qless_py.store import settings_file
from qless_py.store.runner import Runner, database_of

if TYPE_CHECKING:
    from qless_py.client.audit import Audit
    from qless_py.client.batch import Batch, Batches, BatchOptions
    from qless_py.client.canceled import Canceled
    from qless_py.client.config import Config
    from qless_py.client.deploys import Deploys
    from qless_py.client.events import Events
    from qless_py.client.explain import Explanation
    from qless_py.client.failures import Failures
    from qless_py.client.jobs import Jobs
    from qless_py.client.operations import Operations
    from qless_py.client.recurring import RecurringJobs
    from qless_py.client.stats import Stats
    from qless_py.client.throttles import Throttles
    from qless_py.client.tokens import Tokens
    from qless_py.client.users import Users
    from qless_py.client.webhooks import Webhooks
    from qless_py.client.workers import Workers
    from qless_py.client.workflow.runs import Workflows

T = TypeVar("T")


class Client(ClientBase):
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

    jobs: Part[Jobs] = Part("qless_py.client.jobs:Jobs")
    recurring: Part[RecurringJobs] = Part("qless_py.client.recurring:RecurringJobs")
    workers: Part[Workers] = Part("qless_py.client.workers:Workers")
    config: Part[Config] = Part("qless_py.client.config:Config")
    stats: Part[Stats] = Part("qless_py.client.stats:Stats")
    events: Part[Events] = Part("qless_py.client.events:Events")
    batches: Part[Batches] = Part("qless_py.client.batch:Batches")
    canceled: Part[Canceled] = Part("qless_py.client.canceled:Canceled")
    operations: Part[Operations] = Part("qless_py.client.operations:Operations")
    workflows: Part[Workflows] = Part("qless_py.client.workflow.runs:Workflows")
    throttles: Part[Throttles] = Part("qless_py.client.throttles:Throttles")
    users: Part[Users] = Part("qless_py.client.users:Users")
    webhooks: Part[Webhooks] = Part("qless_py.client.webhooks:Webhooks")
    deploys: Part[Deploys] = Part("qless_py.client.deploys:Deploys")
    failures: Part[Failures] = Part("qless_py.client.failures:Failures")
    tokens: Part[Tokens] = Part("qless_py.client.tokens:Tokens")
    audit: Part[Audit] = Part("qless_py.client.audit:Audit")

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
            lambda: store.connect(url, namespace=namespace, **connection),
            url,
            connection,
        )
        self.settings = self.settings.of_database(database_of(self.redis))
        self.runner = Runner(self.redis, namespace, clock, policy=policy)
        self.queues = Queues(self)

    @property
    def namespace(self) -> str:
        """The namespace."""
        return self.settings.namespace

    @property
    def worker_name(self) -> str:
        """The name under which this client pops jobs."""
        return self.settings.worker_name

    def with_patience(self, patience: Seconds) -> Client:
        """Return a client with another patience (seconds) that shares this one's connections.

        Closing it leaves them open.
        """
        settings = self.settings
        return Client(
            namespace=settings.namespace,
            codec=settings.codec,
            codecs=settings.codecs.values(),
            worker_name=settings.given_worker_name,
            clock=self.runner.clock,
            redis=self.redis,
            patience=patience,
        )

    def run(self, call: Call[T]) -> T:
        """Send one call of `qless_py.protocol` and return its decoded reply."""
        return self.runner.run(call)

    def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls in one round trip; a refused call has its exception in place of its reply."""
        return self.runner.run_many(calls)

    @overload
    def pop(
        self, queues: QueueChoice, count: None = None, *, worker: str | None = None
    ) -> Job | None: ...
    @overload
    def pop(self, queues: QueueChoice, count: int, *, worker: str | None = None) -> list[Job]: ...

    def pop(
        self, queues: QueueChoice, count: int | None = None, *, worker: str | None = None
    ) -> Job | list[Job] | None:
        """Pop a job from several queues, or `None`; with a count (1 to 100), up to that many.

        `queues` is a list of names, patterns (`mail-*`) and exclusions (`!mail-slow`) in order of
        preference, or a reserver: see `qless_py.protocol.reservers`.
        """
        call = pop_any(self.settings, queues, count, worker, self._job)
        return one_or_all(refill.pop(self, call), count)

    def put_many(self, jobs: Iterable[PutSpec]) -> list[str]:
        """Put any number of jobs, each into its `queue`; see `Queue.put_many`."""
        return put_all(self, puts.put_anywhere(self.settings, jobs))

    def job(self, jid: str) -> Job:
        """Read a job; raises `JobNotFoundError` if there is none with this jid.

        `client.jobs.get(jid)` returns None instead.
        """
        record = self.runner.run(jobs.read(jid))
        return Job(self, jobs.existing(record, jid))

    def pipeline(self) -> Pipeline:
        """Return a context manager that sends its transitions in one round trip."""
        return Pipeline(self)

    def batch(self, name: str | None = None, **options: Unpack[BatchOptions]) -> Batch:
        """Open a batch of jobs; as a context manager it is closed at the end of the block."""
        return self.batches.open(name, **options)

    def explain(self, jid: str) -> Explanation:
        """Return why a job is not running, as data and, by `str()`, in words.

        Raises `JobNotFoundError` if there is no such job, or no more.
        """
        from qless_py.client import explain  # noqa: PLC0415 - imported when used, as parts are

        return self.runner.run(explain.read(jid))

    def track(self, jid: str) -> None:
        """Publish a job's events, and list it among the tracked jobs."""
        return self.runner.run(jobs.track(jid))

    def untrack(self, jid: str) -> bool:
        """Stop tracking a job; returns whether it was tracked."""
        return self.runner.run(jobs.untrack(jid))

    def cancel(self, *jids: str, by: str = "", reason: str = "") -> list[str]:
        """Delete up to 100 jobs, all or none; returns those that existed.

        `client.canceled` keeps them for a while, with who canceled them and why.
        Raises `DependencyError` if another job depends on one of them.
        """
        return self.runner.run(jobs.cancel(jids, by, reason))

    def tags(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the tags that at least two jobs have, most used first."""
        return [tag for tag, _ in self.tag_counts(offset, count, minimum=2)]

    def tag_counts(
        self, offset: int = 0, count: int = 100, *, minimum: int = 1
    ) -> list[tuple[str, int]]:
        """List the tags of at least `minimum` jobs with their numbers of jobs, most used first."""
        return self.runner.run(jobs.tags(offset, count, minimum))

    def unfail(self, group: str, queue: str, count: int = 500) -> int:
        """Move up to `count` of a group's oldest failures into a queue, and return how many.

        They are moved 100 per call, so an interruption may leave some.
        """
        arguments.name("queue", queue)
        steps, moved = jobs.unfail_counts(count), 0
        if len(steps) > 1:
            # Jobs that fail again meanwhile are the newest, so this number leaves them alone.
            total = (self.runner.run(jobs.failed(group))).total
            steps = jobs.unfail_counts(min(count, total)) if total else []
        for number in steps:
            moved += self.runner.run(jobs.unfail(queue, group, number))
        return moved

    def close(self) -> None:
        """Close the connections, unless they were passed to the client."""
        if self._owns_connection:
            self.redis.close()
            self.redis.connection_pool.disconnect()

    def _job(self, record: JobRecord) -> Job:
        return Job(self, record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
