"""The door to a store: everything else is reached from a client."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

import redis as redis_py

from qless_py import store
from qless_py.client import connect as client_calls
from qless_py.client import explain, queue_calls, refill
from qless_py.client.batch import Batch, Batches, BatchOptions
from qless_py.client.bulk import Operations
from qless_py.client.config import Config
from qless_py.client.events import Events
from qless_py.client.explain import Explanation
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.pipeline import Pipeline
from qless_py.client.queue import Queues
from qless_py.client.recurring import RecurringJobs
from qless_py.client.stats import Stats
from qless_py.client.throttles import Throttles
from qless_py.client.users import Users
from qless_py.client.workers import Workers
from qless_py.client.workflow import Workflows
from qless_py.protocol import Call, JobRecord, reservers
from qless_py.protocol.arguments import Seconds
from qless_py.protocol.codec import Codec
from qless_py.protocol.settings import Settings, make_settings
from qless_py.store import settings_file as configuration
from qless_py.store.runner import Runner

T = TypeVar("T")


class Client:
    """A client of one namespace of one store. Threads may share it, and so may forked processes.

    `url` names the store, else QLESS_PY_URL, REDIS_URL, the file with settings, or the embedded
    store of this user do; `namespace` likewise, else QLESS_PY_NAMESPACE, the file, or `ql`.
    Instead, `redis` takes a client of redis-py, `connection_pool` a pool, and any other keyword
    arguments are redis-py's. `patience` is for how many seconds a call is sent again while the
    store does not answer, 120 at most; then the error of redis-py is raised. A `clock`, which gives
    seconds, makes or uses a namespace with a test clock; such a namespace is not for production,
    and the server refuses to mix the two.
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
            redis, lambda: store.connect(url, namespace=namespace, **connection), url, connection
        )
        self._runner = Runner(self._redis, namespace, clock, policy=policy)
        self.queues = Queues(self)
        self.jobs = Jobs(self)
        self.recurring = RecurringJobs(self)
        self.workers = Workers(self)
        self.config = Config(self)
        self.stats = Stats(self)
        self.events = Events(self)
        self.batches = Batches(self)
        self.operations = Operations(self)
        self.workflows = Workflows(self)
        self.throttles = Throttles(self)
        self.users = Users(self)

    @property
    def settings(self) -> Settings:
        """What the client was told."""
        return self._settings

    @property
    def redis(self) -> redis_py.Redis:
        """The connection under it. Its own commands are never sent twice."""
        return self._redis

    @property
    def runner(self) -> Runner:
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

    def run(self, call: Call[T]) -> T:
        """Send one call of `qless_py.protocol` and read its reply."""
        return self._runner.run(call)

    def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls in one round trip; a refusal stands in the place of its reply."""
        return self._runner.run_many(calls)

    @overload
    def pop(
        self, queues: reservers.Queues, count: None = None, *, worker: str | None = None
    ) -> Job | None: ...
    @overload
    def pop(
        self, queues: reservers.Queues, count: int, *, worker: str | None = None
    ) -> list[Job]: ...

    def pop(
        self, queues: reservers.Queues, count: int | None = None, *, worker: str | None = None
    ) -> Job | list[Job] | None:
        """Take one job, or `None`, from any of several queues; with a count, up to that many.

        `queues` is a list of names, patterns (`mail-*`) and exclusions (`!mail-slow`), in order of
        preference, or a reserver: see `qless_py.protocol.reservers`.
        """
        call = queue_calls.pop_any(self._settings, queues, count, worker, self._job)
        return queue_calls.one_or_all(refill.pop(self, call), count)

    def pipeline(self) -> Pipeline:
        """Collect transitions and send them in one round trip."""
        return Pipeline(self)

    def batch(self, name: str | None = None, **options: Unpack[BatchOptions]) -> Batch:
        """Open a batch of jobs; as a context manager it is closed at the end of the block."""
        return self.batches.open(name, **options)

    def explain(self, jid: str) -> Explanation:
        """Tell why a job is not running, as data and, by `str()`, in words.

        `JobNotFoundError` for a job that was cancelled, or never was.
        """
        return self.run(explain.call(jid))

    def track(self, jid: str) -> None:
        """Have a job's steps published, and the job listed among the tracked ones."""
        self.run(client_calls.track(jid))

    def untrack(self, jid: str) -> bool:
        """Stop tracking a job; tells whether it was tracked."""
        return self.run(client_calls.untrack(jid))

    def cancel(self, *jids: str) -> list[str]:
        """Delete up to 100 jobs, all or none; give those that were there.

        A job that others depend on can only go together with them.
        """
        return self.run(client_calls.cancel(jids))

    def tags(self, offset: int = 0, count: int = 100) -> list[str]:
        """List the tags that at least two jobs have, most used first."""
        return [tag for tag, _ in self.tag_counts(offset, count, minimum=2)]

    def tag_counts(
        self, offset: int = 0, count: int = 100, *, minimum: int = 1
    ) -> list[tuple[str, int]]:
        """List tags with how many jobs have each, most used first."""
        return self.run(client_calls.tags(offset, count, minimum))

    def unfail(self, group: str, queue: str, count: int = 500) -> int:
        """Move a group's oldest failures, at most that many, into a queue; give how many."""
        moved = 0
        for part in client_calls.unfails(group, queue, count):
            step = self.run(part.call)
            moved += step
            if step < part.number:
                break
        return moved

    def drop(self) -> None:
        """Close connections inherited by a fork without a word to the server."""
        with contextlib.suppress(OSError):
            self._redis.connection_pool.reset()

    def close(self) -> None:
        """Give the connections back, unless they were given to the client."""
        if self._owns_connection:
            self._redis.close()
            self._redis.connection_pool.disconnect()

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

    def __repr__(self) -> str:
        return f"<Client {self.namespace}>"
