"""Several transitions in one round trip.

    with client.pipeline() as pipeline:
        first = pipeline.put("mail", SendMail, {"to": "ada"})
        pipeline.complete(job)
    print(first.result())

Each of them is atomic by itself, all of them together are not, and none may rely on another: after
a failure of the connection some may be sent again behind others.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

from qless_py import protocol
from qless_py.client import queue_calls
from qless_py.client.job import Job
from qless_py.client.session import Session
from qless_py.errors import QlessError
from qless_py.protocol import Call
from qless_py.protocol import arguments as checks
from qless_py.protocol import job_calls as verbs
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import PutOptions, PutSpec, Seconds
from qless_py.protocol.job_calls import JobVerbs
from qless_py.protocol.settings import Settings

T = TypeVar("T")

_NOTHING: Final = object()


class Pending(Generic[T]):
    """What a transition of a pipeline will have given once the pipeline has been sent."""

    def __init__(self, call: Call[T]) -> None:
        self.call = call
        self._outcome: Any = _NOTHING

    def settle(self, outcome: Any) -> None:
        """Take the reply, or the exception in its place."""
        self._outcome = outcome

    def result(self) -> T:
        """Give the reply or raise the refusal."""
        if self._outcome is _NOTHING:
            raise QlessError("the pipeline has not been sent yet")
        if isinstance(self._outcome, Exception):
            raise self._outcome
        reply: T = self._outcome
        return reply

    @property
    def error(self) -> Exception | None:
        """The refusal, if the transition was refused."""
        return self._outcome if isinstance(self._outcome, Exception) else None


class PipelineCalls:
    """The transitions that a pipeline collects; the same for asyncio."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pending: list[Pending[Any]] = []

    def call(self, call: Call[T]) -> Pending[T]:
        """Collect any call."""
        pending = Pending(call)
        self._pending.append(pending)
        return pending

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Pending[str]:
        """Collect a put."""
        checks.name("queue", queue)
        return self.call(puts.put(self._settings, queue, klass, data, options))

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> Pending[list[str]]:
        """Collect a put of up to 100 jobs."""
        return self.call(puts.put_many(self._settings, checks.name("queue", queue), jobs))

    def heartbeat(self, job: JobVerbs, data: Any = None) -> Pending[float]:
        """Collect the renewal of a lease."""
        return self.call(verbs.heartbeat(job, data))

    def complete(
        self, job: JobVerbs, next_queue: str | None = None, *, result: Any = None
    ) -> Pending[str]:
        """Collect a completion, or an advance to the next queue."""
        return self.call(verbs.complete(job, next_queue, result=result))

    def fail(self, job: JobVerbs, group: str, message: str, data: Any = None) -> Pending[str]:
        """Collect a failure."""
        return self.call(verbs.fail(job, group, message, data))

    def retry(
        self,
        job: JobVerbs,
        delay: Seconds = 0,
        group: str | None = None,
        message: str | None = None,
    ) -> Pending[int]:
        """Collect a retry."""
        return self.call(verbs.retry(job, delay, group, message))

    def release(self, job: JobVerbs) -> Pending[str]:
        """Collect a release."""
        return self.call(verbs.release(job))

    def snooze(self, job: JobVerbs, delay: Seconds) -> Pending[float]:
        """Collect a snooze."""
        return self.call(verbs.snooze(job, delay))

    def back_off(
        self, job: JobVerbs, seconds: Seconds, throttle: str | None = None
    ) -> Pending[list[str]]:
        """Collect a backing off."""
        return self.call(verbs.back_off(job, seconds, throttle))

    def cancel(self, *jids: str) -> Pending[list[str]]:
        """Collect a cancellation of up to 100 jobs, all or none."""
        return self.call(protocol.jobs.cancel(checks.names("jids", jids)))

    def tag(self, jid: str, *tags: str) -> Pending[list[str]]:
        """Collect an addition of tags."""
        return self.call(protocol.jobs.tag(checks.name("jid", jid), checks.names("tags", tags)))

    def untag(self, jid: str, *tags: str) -> Pending[list[str]]:
        """Collect a removal of tags."""
        return self.call(protocol.jobs.untag(checks.name("jid", jid), checks.names("tags", tags)))

    def track(self, jid: str) -> Pending[None]:
        """Collect the beginning of tracking."""
        return self.call(protocol.jobs.track(checks.name("jid", jid)))

    def untrack(self, jid: str) -> Pending[bool]:
        """Collect the end of tracking."""
        return self.call(protocol.jobs.untrack(checks.name("jid", jid)))

    def set_priority(self, jid: str, priority: float) -> Pending[float]:
        """Collect a change of priority."""
        value = checks.finite("priority", priority)
        return self.call(protocol.jobs.priority(checks.name("jid", jid), value))

    def take(self) -> list[Pending[Any]]:
        """Give what was collected and begin anew."""
        pending, self._pending = self._pending, []
        return pending


def settle(pending: list[Pending[Any]], outcomes: list[Any]) -> None:
    """Hand the outcomes out and raise the first refusal."""
    for one, outcome in zip(pending, outcomes, strict=True):
        one.settle(outcome)
    for one in pending:
        if one.error is not None:
            raise one.error


class Pipeline(PipelineCalls):
    """A pipeline that is sent at the end of its block, unless the block raises.

    The end of the block raises the first refusal; the other transitions took place all the same,
    and each tells its own outcome.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session.settings)
        self._session = session

    def pop(
        self, queue: str, count: int | None = None, *, worker: str | None = None
    ) -> Pending[list[Job]]:
        """Collect a pop; it always gives a list."""
        return self.call(queue_calls.pop(self._settings, queue, count, worker, self._job))

    def send(self) -> None:
        """Send what was collected so far."""
        pending = self.take()
        settle(pending, self._session.run_many([one.call for one in pending]))

    def _job(self, record: protocol.JobRecord) -> Job:
        return Job(self._session, record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.send()
