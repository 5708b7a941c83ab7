"""What only the synchronous objects have: attributes that can be set, `in`, `len()`, iteration.

`qless_py.aio.base` has the counterparts. The rest of both clients comes from one source: see
`bin/generate-sync`.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar, Unpack

import redis

from qless_py.client.session import Session
from qless_py.errors import BadArgumentError, GracefulStop
from qless_py.handlers import resolve
from qless_py.handlers.job import HandledJob
from qless_py.protocol import (
    JobRecord,
    Record,
    RecurringRecord,
    arguments,
    config,
    jobs,
    queues,
    recurring,
    throttles,
    users,
)
from qless_py.protocol.job_state import Field, RecurringState
from qless_py.protocol.options import RecurUpdate
from qless_py.protocol.queues import Counts
from qless_py.protocol.settings import Settings
from qless_py.protocol.throttles import ThrottleState
from qless_py.protocol.users import UserState
from qless_py.protocol.workers import WorkerCounts

Item = TypeVar("Item")
Got = TypeVar("Got")


class ClientBase:
    """The parts of `Client` that have no counterpart for asyncio."""

    settings: Settings
    redis: redis.Redis

    def __repr__(self) -> str:
        return f"<Client {self.settings.namespace}>"

    def drop(self) -> None:
        """Close connections inherited by a fork without sending anything to the server."""
        with contextlib.suppress(OSError):
            self.redis.connection_pool.reset()


class QueueBase:
    """The parts of `Queue` that differ for asyncio."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = arguments.name("queue", name)

    @property
    def session(self) -> Session:
        """The client the queue belongs to."""
        return self._session

    @property
    def is_paused(self) -> bool:
        """Whether the queue is paused."""
        return self._session.runner.run(queues.counts(self.name))["paused"]

    @property
    def heartbeat(self) -> float:
        """The length of a lease in seconds.

        Setting it overrides the general option for this queue; `del` removes the override.
        """
        options = self._session.runner.run(config.read_values())
        return queues.heartbeat_of(self.name, options)

    @heartbeat.setter
    def heartbeat(self, value: float) -> None:
        option = queues.heartbeat_option(self.name)
        self._session.runner.run(config.set_option(option, value))

    @heartbeat.deleter
    def heartbeat(self) -> None:
        self._session.runner.run(config.unset_option(queues.heartbeat_option(self.name)))

    def __len__(self) -> int:
        """Count the queue's waiting, stalled, throttled, running and scheduled jobs."""
        return self._session.runner.run(queues.length(self.name))

    def __bool__(self) -> bool:
        # An empty queue is a queue. Without this, a truth test would ask the server for len().
        return True


class _Listed(Generic[Item]):
    """Objects by their names, which can be iterated."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> Item:
        raise NotImplementedError


class QueuesBase(_Listed[Item]):
    """Iteration over the known queues, and `in`."""

    @property
    def counts(self) -> list[Counts]:
        """See `Queues`."""
        raise NotImplementedError

    def __contains__(self, name: object) -> bool:
        return any(row["name"] == name for row in self.counts)

    def __iter__(self) -> Iterator[Item]:
        return iter([self[row["name"]] for row in self.counts])


class WorkersBase:
    """Iteration over the names of the known workers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _counts(self) -> list[WorkerCounts]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        return iter([row["name"] for row in self._counts()])


class CanceledBase:
    """What the synchronous `client.canceled` has in common with that for asyncio."""

    def __init__(self, session: Session) -> None:
        self._session = session


class ThrottlesBase(_Listed[Item]):
    """Iteration over the throttles that have limits or are blocked, and `in`."""

    @property
    def all(self) -> list[ThrottleState]:
        """See `Throttles`."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Item]:
        return (self[one.id] for one in self.all)

    def __contains__(self, throttle: object) -> bool:
        try:
            checked = arguments.throttle_id("throttle", throttle)
        except BadArgumentError:
            return False
        return self._session.runner.run(throttles.read(checked)).set_at is not None


class UserBase:
    """The settings of a user as attributes."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = arguments.name("user", name)

    def _read(self) -> UserState:
        return self._session.runner.run(users.read(self.name))

    @property
    def weight(self) -> float:
        """The weight, default 1; setting it applies to jobs that start from now on."""
        return self._read().weight

    @weight.setter
    def weight(self, value: float) -> None:
        self._session.runner.run(users.set_options(self.name, weight=value))

    @property
    def max_running(self) -> int | None:
        """How many jobs may run at once in all queues; set it to `None` for any number."""
        return self._read().max_running

    @max_running.setter
    def max_running(self, value: int | None) -> None:
        limit = False if value is None else value
        self._session.runner.run(users.set_options(self.name, max_running=limit))

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return self._read().running


class UsersBase(_Listed[Item]):
    """Iteration over the users with settings, and `in`."""

    @property
    def all(self) -> list[UserState]:
        """See `Users`."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Item]:
        return (self[one.name] for one in self.all)

    def __contains__(self, name: object) -> bool:
        return any(one.name == name for one in self.all)


class JobsBase(Generic[Item]):
    """Jobs by `[jid]`, and `in`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _made(self, record: Record | None) -> Item | None:
        raise NotImplementedError

    def __getitem__(self, jid: str) -> Item | None:
        """Read a job or recurring job; `None` if there is none."""
        return self._made(self._session.runner.run(jobs.read(jid)))

    def exists(self, jid: str) -> bool:
        """Return whether there is a job or recurring job with this jid."""
        return self[jid] is not None

    def __contains__(self, jid: object) -> bool:
        return arguments.is_name(jid) and self.exists(jid)

    # Without this, __getitem__ would make the jobs look like a sequence to iterate.
    __iter__ = None


class Worker(Protocol):
    """What a running job can see of the worker that runs it."""

    stop: bool


class JobBase(HandledJob):
    """The parts of `Job` that differ for asyncio: settable attributes, and its worker."""

    def __init__(self, session: Session, record: JobRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session
        self._worker: Worker | None = None
        self.is_stoppable = False
        self.sandbox: str | None = None

    @property
    def session(self) -> Session:
        """The client the job was read with."""
        return self._session

    @property
    def queue(self) -> Any:
        """The queue the job is in, of the same client; None when the job is complete."""
        return self._session.queues[self.queue_name] if self.queue_name else None

    @property
    def data(self) -> Any:
        """The job's data; raises `UndecodableDataError` if it cannot be decoded."""
        return self._value()

    @data.setter
    def data(self, value: Any) -> None:
        self._set_value(value)

    @property
    def priority(self) -> float:
        """The priority, higher runs first; setting it writes it to the store."""
        return float(self.fields.get("priority", 0))

    @priority.setter
    def priority(self, value: float) -> None:
        self.fields["priority"] = self._session.runner.run(jobs.priority(self.jid, value))

    def perform(self) -> Any:
        """Call the job's handler with this job; the job is not completed or failed by this."""
        return resolve.find(self.klass, self.queue_name).bound()(self)

    def watch(self, worker: Worker) -> None:
        """Set the worker whose shutdown `is_stopping` and `stoppable` report."""
        self._worker = worker

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is shutting down and this job should end soon."""
        return self._worker is not None and self._worker.stop

    def heed_stop(self) -> None:
        """Raise `GracefulStop` if the worker is shutting down.

        If the handler does not catch it, the job is released and runs again elsewhere.

        For handlers that work in steps: call it where the job may be interrupted.
        """
        if self.is_stopping:
            raise GracefulStop(f"the worker of {self.jid} is stopping")

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """Raise `GracefulStop` inside this block as soon as the worker shuts down."""
        before, self.is_stoppable = self.is_stoppable, True
        try:
            self.heed_stop()
            yield
        finally:
            self.is_stoppable = before


class _Settable(Field[Got]):
    """A field of a recurring job; setting the attribute writes it to the store."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._change = {"klass_name": "klass", "queue_name": "queue"}.get(name, name)

    def __set__(self, state: Any, value: Any) -> None:
        state.update(**{self._change: value})


def _settable(field: Field[Got], doc: str | None = None) -> _Settable[Got]:
    return _Settable(field.key, field.read, field.default, doc or str(field.__doc__))


class RecurringJobBase(RecurringState):
    """The attributes of a recurring job that can be set, and how they change."""

    def __init__(self, session: Session, record: RecurringRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    queue_name = _settable(RecurringState.queue_name, "The queue that children are put into.")
    interval = _settable(
        RecurringState.interval,
        "Seconds between two children; setting it shifts the next tick by the difference.",
    )
    cron = _settable(
        RecurringState.cron, "The cron expression, if any; setting it starts with its next tick."
    )
    zone = _settable(RecurringState.zone)
    misfire = _settable(RecurringState.misfire)
    overlap = _settable(RecurringState.overlap)
    start = _settable(RecurringState.start)
    end = _settable(RecurringState.end)
    limit = _settable(RecurringState.limit)
    priority = _settable(RecurringState.priority)
    retries = _settable(RecurringState.retries)
    backlog = _settable(RecurringState.backlog)

    @property
    def queue(self) -> Any:
        """The queue that children are put into, of the same client."""
        return self._session.queues[self.queue_name]

    @property
    def klass(self) -> Any:
        """The handler of the children, imported; set it to a class, a function or a name."""
        return resolve.load(self.klass_name)

    @klass.setter
    def klass(self, value: Any) -> None:
        self.update(klass=value)

    @property
    def data(self) -> Any:
        """The data of each child."""
        return self._value()

    @data.setter
    def data(self, value: Any) -> None:
        self.update(data=value)

    def update(self, **changes: Unpack[RecurUpdate]) -> None:
        """Change several attributes at once, all or none of them."""
        self._session.runner.run(recurring.update(self, changes))
        self.refresh()

    def refresh(self) -> Any:
        """See `RecurringJob`."""
        raise NotImplementedError


class RecurringJobsBase(Generic[Item]):
    """Recurring jobs by `[jid]`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _read(self, jid: str) -> Item | None:
        raise NotImplementedError

    def __getitem__(self, jid: str) -> Item | None:
        """Read a recurring job; `None` if there is none."""
        return self._read(jid)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None
