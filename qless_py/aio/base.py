"""What only the asyncio objects have: methods for what is an attribute of the synchronous ones.

`qless_py.client.base` has the counterparts. The rest of both clients comes from one source: see
`bin/generate-sync`.
"""

from collections.abc import Awaitable
from typing import Any, Generic, Self, TypeVar, Unpack

from qless_py.client.session import AsyncSession
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
)
from qless_py.protocol.job_state import RecurringState
from qless_py.protocol.options import RecurUpdate
from qless_py.protocol.settings import Settings
from qless_py.protocol.workers import WorkerCounts

Item = TypeVar("Item")


class AsyncClientBase:
    """The counterpart of `qless_py.client.base.ClientBase`."""

    settings: Settings

    def __repr__(self) -> str:
        return f"<aio.Client {self.settings.namespace}>"


class AsyncQueueBase:
    """The parts of a queue that differ from the synchronous one."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = arguments.name("queue", name)

    async def heartbeat(self) -> float:
        """Return the length of a lease in seconds."""
        options = await self._session.runner.run(config.read_values())
        return queues.heartbeat_of(self.name, options)

    def set_heartbeat(self, value: float) -> Awaitable[None]:
        """Override the length of a lease for this queue, in seconds."""
        option = queues.heartbeat_option(self.name)
        return self._session.runner.run(config.set_option(option, value))

    def unset_heartbeat(self) -> Awaitable[None]:
        """Remove the override, so that the general length of a lease applies."""
        return self._session.runner.run(config.unset_option(queues.heartbeat_option(self.name)))

    def length(self) -> Awaitable[int]:
        """Count the queue's waiting, stalled, throttled, running and scheduled jobs."""
        return self._session.runner.run(queues.length(self.name))


class _Lookup(Generic[Item]):
    """Objects by their names."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def __getitem__(self, name: str) -> Item:
        raise NotImplementedError

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None


class AsyncQueuesBase(_Lookup[Item]):
    """`client.queues` cannot be iterated: `await client.queues.counts()` lists the queues."""


class AsyncThrottlesBase(_Lookup[Item]):
    """`client.throttles` cannot be iterated: `await client.throttles.all()` lists them."""


class AsyncUsersBase(_Lookup[Item]):
    """`client.users` cannot be iterated: `await client.users.all()` lists them."""


class AsyncUserBase:
    """A user by its name."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self.name = arguments.name("user", name)


class AsyncCanceledBase:
    """`client.canceled` cannot be iterated: `await client.canceled.page()` lists canceled jobs."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session


class AsyncWorkersBase:
    """`client.workers` cannot be iterated: `await client.workers.counts()` lists the workers."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def _counts(self) -> list[WorkerCounts]:
        raise NotImplementedError

    # Without this, `in` would fetch item 0, item 1, … forever.
    __iter__ = None


class AsyncJobsBase(Generic[Item]):
    """Jobs by a call, or by `await client.jobs[jid]`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def _made(self, record: Record | None) -> Item | None:
        raise NotImplementedError

    async def __call__(self, jid: str) -> Item | None:
        """Read a job or recurring job; `None` if there is none."""
        return self._made(await self._session.runner.run(jobs.read(jid)))

    def __getitem__(self, jid: str) -> Awaitable[Item | None]:
        return self(jid)

    # Without this, `in` would fetch item 0, item 1, … forever.
    __iter__ = None

    async def exists(self, jid: str) -> bool:
        """Return whether there is a job or recurring job with this jid."""
        return await self(jid) is not None


class AsyncJobBase(HandledJob):
    """The parts of a job that differ from the synchronous one."""

    def __init__(self, session: AsyncSession, record: JobRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    @property
    def session(self) -> AsyncSession:
        """The client the job was read with."""
        return self._session

    @property
    def queue(self) -> Any:
        """The queue the job is in, of the same client; None when the job is complete."""
        return self._session.queues[self.queue_name] if self.queue_name else None

    @property
    def data(self) -> Any:
        """The job's data; changes are stored by heartbeat, complete, fail and move."""
        return self._value()

    @data.setter
    def data(self, value: Any) -> None:
        self._set_value(value)

    @property
    def priority(self) -> float:
        """The priority, higher runs first; `set_priority` changes it."""
        return float(self.fields.get("priority", 0))

    async def set_priority(self, value: float) -> None:
        """Change the priority."""
        self.fields["priority"] = await self._session.runner.run(jobs.priority(self.jid, value))

    async def perform(self) -> Any:
        """Call the job's handler with this job, and await it if it is a coroutine function."""
        done = resolve.find(self.klass, self.queue_name).bound()(self)
        return await done if isinstance(done, Awaitable) else done


class AsyncRecurringJobBase(RecurringState):
    """A recurring job, which is changed by `update` and not by setting attributes."""

    def __init__(self, session: AsyncSession, record: RecurringRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    @property
    def queue(self) -> Any:
        """The queue that children are put into, of the same client."""
        return self._session.queues[self.queue_name]

    @property
    def klass(self) -> Any:
        """The handler of the children, imported."""
        return resolve.load(self.klass_name)

    async def update(self, **changes: Unpack[RecurUpdate]) -> Self:
        """Change several attributes at once, all or none of them."""
        await self._session.runner.run(recurring.update(self, changes))
        return await self.refresh()

    async def refresh(self) -> Self:
        """See `AsyncRecurringJob`."""
        raise NotImplementedError


class AsyncRecurringJobsBase(Generic[Item]):
    """Recurring jobs by `await client.recurring.get(jid)`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def _read(self, jid: str) -> Item | None:
        raise NotImplementedError

    async def get(self, jid: str) -> Item | None:
        """Read a recurring job; `None` if there is none."""
        return await self._read(jid)
