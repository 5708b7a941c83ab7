"""The transitions that a pipeline collects, and their outcomes; the same for both clients."""

from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar, Unpack

from qless_py.errors import QlessError
from qless_py.protocol import Call, jobs, puts
from qless_py.protocol.job_state import JobState
from qless_py.protocol.options import PutOptions, PutSpec, Seconds
from qless_py.protocol.settings import Settings

T = TypeVar("T")

_NOTHING: Final = object()


class Pending(Generic[T]):
    """The outcome of a transition, known once its pipeline has been sent."""

    def __init__(self, call: Call[T]) -> None:
        self.call = call
        self._outcome: Any = _NOTHING

    def settle(self, outcome: Any) -> None:
        """Set the reply, or the exception in its place."""
        self._outcome = outcome

    def result(self) -> T:
        """Return the reply or raise the refusal."""
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
    """The methods that add transitions to a pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pending: list[Pending[Any]] = []

    def call(self, call: Call[T]) -> Pending[T]:
        """Add any call of `qless_py.protocol`."""
        pending = Pending(call)
        self._pending.append(pending)
        return pending

    def put(
        self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]
    ) -> Pending[str]:
        """Add a put."""
        return self.call(puts.put(self._settings, queue, klass, data, options))

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> Pending[list[str]]:
        """Add a put of up to 100 jobs, all or none."""
        return self.call(puts.put_many(self._settings, queue, jobs))

    def heartbeat(self, job: JobState, data: Any = None) -> Pending[float]:
        """Add the renewal of a lease."""
        return self.call(jobs.heartbeat(job, data))

    def complete(
        self, job: JobState, next_queue: str | None = None, *, result: Any = None
    ) -> Pending[str]:
        """Add a completion, or an advance to the next queue."""
        return self.call(jobs.complete(job, next_queue, result=result))

    def fail(self, job: JobState, group: str, message: str, data: Any = None) -> Pending[str]:
        """Add a failure."""
        return self.call(jobs.fail(job, group, message, data))

    def retry(
        self,
        job: JobState,
        delay: Seconds = 0,
        group: str | None = None,
        message: str | None = None,
    ) -> Pending[int]:
        """Add a retry."""
        return self.call(jobs.retry(job, delay, group, message))

    def release(self, job: JobState) -> Pending[str]:
        """Add a release."""
        return self.call(jobs.release(job))

    def snooze(self, job: JobState, delay: Seconds) -> Pending[float]:
        """Add a snooze."""
        return self.call(jobs.snooze(job, delay))

    def back_off(
        self, job: JobState, seconds: Seconds, throttle: str | None = None
    ) -> Pending[list[str]]:
        """Add a back-off."""
        return self.call(jobs.back_off(job, seconds, throttle))

    def cancel(self, *jids: str, by: str = "", reason: str = "") -> Pending[list[str]]:
        """Add a cancellation of up to 100 jobs, all or none."""
        return self.call(jobs.cancel(jids, by, reason))

    def tag(self, jid: str, *tags: str) -> Pending[list[str]]:
        """Add an addition of tags."""
        return self.call(jobs.tag(jid, tags))

    def untag(self, jid: str, *tags: str) -> Pending[list[str]]:
        """Add a removal of tags."""
        return self.call(jobs.untag(jid, tags))

    def track(self, jid: str) -> Pending[None]:
        """Add the start of tracking."""
        return self.call(jobs.track(jid))

    def untrack(self, jid: str) -> Pending[bool]:
        """Add the end of tracking."""
        return self.call(jobs.untrack(jid))

    def set_priority(self, jid: str, priority: float) -> Pending[float]:
        """Add a change of priority."""
        return self.call(jobs.priority(jid, priority))

    def take(self) -> list[Pending[Any]]:
        """Return the transitions added so far and forget them."""
        pending, self._pending = self._pending, []
        return pending


def settle(pending: list[Pending[Any]], outcomes: list[Any]) -> None:
    """Set the outcomes and raise the first refusal."""
    for one, outcome in zip(pending, outcomes, strict=True):
        one.settle(outcome)
    for one in pending:
        if one.error is not None:
            raise one.error
