"""A job for asyncio: the attributes of `qless_py.Job`, its verbs awaited."""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Self, Unpack

from qless_py.aio import waiting
from qless_py.aio.batch import AsyncJobBatch
from qless_py.client import batch, explain
from qless_py.client.batch import BatchOptions
from qless_py.client.explain import Explanation
from qless_py.client.session import AsyncSession
from qless_py.errors import JobNotFoundError
from qless_py.handlers import resolve
from qless_py.protocol import JobRecord, reads
from qless_py.protocol import job_calls as verbs
from qless_py.protocol import mark_calls as marks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import PutOptions, Seconds


class AsyncJob(verbs.JobVerbs):
    """A job as it was when it was read. Each verb does what that of `qless_py.Job` does."""

    def __init__(self, session: AsyncSession, record: JobRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    @classmethod
    def build(cls, client: Any, klass: Any, data: Any = None, **fields: Any) -> Self:
        """Make a job for tests that is in no store."""
        session: AsyncSession = client
        return cls(session, puts.built(session.settings, klass, data, fields))

    @property
    def reach(self) -> AsyncSession:
        """How the job reaches its store."""
        return self._session

    @property
    def data(self) -> Any:
        """The data; what is changed is stored by heartbeat, complete, fail and move."""
        return self._value()

    @data.setter
    def data(self, value: Any) -> None:
        self._set_value(value)

    @property
    def priority(self) -> float:
        """The priority, higher goes first; `set_priority` changes it."""
        return float(self._record.fields.get("priority", 0))

    def set_priority(self, value: float) -> Awaitable[None]:
        """Change the priority."""
        return self._session.run(marks.set_priority(self, value))

    async def refresh(self) -> Self:
        """Read the job again; what was changed here and not stored is dropped."""
        record = await self._session.run(reads.job(self.jid))
        if not isinstance(record, JobRecord):
            raise JobNotFoundError(f"Job {self.jid} does not exist")
        self._adopt(record)
        return self

    def explain(self) -> Awaitable[Explanation]:
        """Tell why the job is not running now, as data and, by `str()`, in words."""
        return self._session.run(explain.call(self.jid))

    def heartbeat(self, data: Any = None) -> Awaitable[float]:
        """Renew the lease; give the instant when it ends now."""
        return self._session.run(verbs.heartbeat(self, data))

    def complete(
        self,
        next_queue: str | None = None,
        *,
        delay: Seconds | None = None,
        depends: Iterable[str] | None = None,
        on_parent_failed: str | None = None,
        result: Any = None,
    ) -> Awaitable[str]:
        """Complete the job, or advance it to the next queue; give its state."""
        call = verbs.complete(self, next_queue, delay, depends, on_parent_failed, result)
        return self._session.run(call)

    def fail(self, group: str, message: str, data: Any = None) -> Awaitable[str]:
        """Fail the job, under that group."""
        return self._session.run(verbs.fail(self, group, message, data))

    def retry(
        self, delay: Seconds = 0, group: str | None = None, message: str | None = None
    ) -> Awaitable[int]:
        """Give the job back at the cost of a retry; give those left."""
        return self._session.run(verbs.retry(self, delay, group, message))

    def release(self) -> Awaitable[str]:
        """Give the job back at no cost."""
        return self._session.run(verbs.release(self))

    def snooze(self, delay: Seconds) -> Awaitable[float]:
        """Give the job back until later, at no cost."""
        return self._session.run(verbs.snooze(self, delay))

    def back_off(self, seconds: Seconds, throttle: str | None = None) -> Awaitable[list[str]]:
        """Give the job back at no cost, and start nothing under its throttles for so long."""
        return self._session.run(verbs.back_off(self, seconds, throttle))

    def timeout(self) -> Awaitable[None]:
        """Take the lease away from whoever holds it."""
        return self._session.run(verbs.timeout(self))

    def force_finish(self, result: Any = None) -> Awaitable[str]:
        """Complete the job in whatever state."""
        return self._session.run(verbs.force_finish(self, result))

    def move(self, queue: str, **options: Unpack[PutOptions]) -> Awaitable[str]:
        """Put the job into another queue, keeping what is not given."""
        return self._session.run(verbs.requeue(self, queue, None, None, options))

    def requeue(
        self,
        queue: str | None = None,
        *,
        klass: Any = None,
        data: Any = None,
        **options: Unpack[PutOptions],
    ) -> Awaitable[str]:
        """Put the job again, by default into its own queue, with all its retries."""
        target = queue or self.queue_name
        return self._session.run(verbs.requeue(self, target, klass, data, options))

    async def cancel(self) -> bool:
        """Delete the job; tells whether it was there."""
        gone = await self._session.run(verbs.cancel(self))
        return bool(gone)

    def tag(self, *tags: str) -> Awaitable[list[str]]:
        """Add tags; give all of them."""
        return self._session.run(marks.tag(self, tags))

    def untag(self, *tags: str) -> Awaitable[list[str]]:
        """Remove tags; give those left."""
        return self._session.run(marks.untag(self, tags))

    def track(self) -> Awaitable[None]:
        """Have the job's steps published."""
        return self._session.run(marks.track(self))

    def untrack(self) -> Awaitable[bool]:
        """Stop tracking; tells whether the job was tracked."""
        return self._session.run(marks.untrack(self))

    def depend(self, *jids: str, on_parent_failed: str | None = None) -> Awaitable[int]:
        """Wait for further jobs; give how many are not complete."""
        return self._session.run(marks.depend(self, jids, on_parent_failed))

    def undepend(self, *jids: str, all: bool = False) -> Awaitable[int]:  # noqa: A002 - as in qless-py
        """Wait for these jobs no longer, or for none at all."""
        return self._session.run(marks.undepend(self, jids, every=all))

    def log(self, what: str, data: Mapping[str, Any] | None = None) -> Awaitable[None]:
        """Add an entry of one's own to the history."""
        return self._session.run(verbs.log(self, what, data))

    def set_progress(self, value: Any) -> Awaitable[None]:
        """Say how far the job is."""
        return self._session.run(verbs.set_progress(self, value))

    def put(self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Hold a follow-up job back until this one completes; give the jid that it will have."""
        return self.hold_back(queue, klass, data, options)

    async def batch(
        self, name: str | None = None, **options: Unpack[BatchOptions]
    ) -> AsyncJobBatch:
        """Open a batch for any number of jobs, which go out at once."""
        call = batch.open_call(self._settings, batch.owned_name(self, name), options, self)
        return AsyncJobBatch(self._session, await self._session.run(call), self)

    def own_batch(self) -> AsyncJobBatch:
        """Give the batch that this job is in, to put more into it, also when it is closed."""
        return AsyncJobBatch(self._session, batch.own_name(self), self)

    async def parent_results(self) -> dict[str, Any]:
        """Give the results of the jobs that this one depends on, by their jids; `None` for none.

        They stay readable until this job has ended, also when the parents have been deleted.
        """
        found = [
            await self._session.run(reads.results(names))
            for names in verbs.in_hundreds(self.parents)
        ]
        return verbs.results(self, found)

    async def perform(self) -> Any:
        """Run what the klass names, with this job, and await it if it is a coroutine function."""
        done = resolve.find(self.klass, self.queue_name).bound()(self)
        return await done if isinstance(done, Awaitable) else done

    def wait(self, timeout: Seconds | None = None) -> Awaitable[Any]:
        """Wait until the job has ended and give its result."""
        return waiting.wait(self._session, self, timeout)
