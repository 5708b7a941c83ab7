"""A job, and what may be done with it."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, Unpack

from qless_py.client import batch, explain
from qless_py.client import wait as waiting
from qless_py.client.batch import BatchOptions, JobBatch
from qless_py.client.explain import Explanation
from qless_py.client.session import Session
from qless_py.errors import GracefulStop, JobNotFoundError
from qless_py.handlers import resolve
from qless_py.protocol import JobRecord, reads
from qless_py.protocol import job_calls as verbs
from qless_py.protocol import mark_calls as marks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import PutOptions, Seconds


class Worker(Protocol):
    """What a running job can see of the worker that runs it."""

    stop: bool


class Job(verbs.JobVerbs):
    """A job as it was when it was read; `refresh` reads it again.

    Verbs of the holder (heartbeat, complete, fail, retry, release, snooze, log, set_progress)
    present the lease of this hand-out. When it is gone they raise `LostLeaseError` and change
    nothing. Data that was changed, by `job["key"] = value` or in place, is stored by heartbeat,
    complete, fail and move.
    """

    def __init__(self, session: Session, record: JobRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session
        self._worker: Worker | None = None
        self.is_stoppable = False
        self.sandbox: str | None = None

    @classmethod
    def build(cls, client: Any, klass: Any, data: Any = None, **fields: Any) -> "Job":
        """Make a job for tests that is in no store: the same attributes, given by name.

        The names are those of the attributes (`jid`, `queue_name`, `priority`, `tags`, `state`,
        `original_retries`, `retries_left`, `worker_name`, `expires_at`, …).
        """
        session: Session = client
        return cls(session, puts.built(session.settings, klass, data, fields))

    @property
    def reach(self) -> Session:
        """How the job reaches its store."""
        return self._session

    @property
    def data(self) -> Any:
        """The data; `UndecodableDataError` if it cannot be read."""
        return self._value()

    @data.setter
    def data(self, value: Any) -> None:
        self._set_value(value)

    @property
    def priority(self) -> float:
        """The priority, higher goes first; setting it writes it to the store."""
        return float(self._record.fields.get("priority", 0))

    @priority.setter
    def priority(self, value: float) -> None:
        self._session.run(marks.set_priority(self, value))

    def refresh(self) -> "Job":
        """Read the job again; what was changed here and not stored is dropped."""
        record = self._session.run(reads.job(self.jid))
        if not isinstance(record, JobRecord):
            raise JobNotFoundError(f"Job {self.jid} does not exist")
        self._adopt(record)
        return self

    def explain(self) -> Explanation:
        """Tell why the job is not running now, as data and, by `str()`, in words."""
        return self._session.run(explain.call(self.jid))

    def heartbeat(self, data: Any = None) -> float:
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
    ) -> str:
        """Complete the job, or advance it to the next queue; give its state.

        All that was `put` by the job takes effect with this, or nothing at all does.
        """
        call = verbs.complete(self, next_queue, delay, depends, on_parent_failed, result)
        return self._session.run(call)

    def fail(self, group: str, message: str, data: Any = None) -> str:
        """Fail the job, under that group; give its jid."""
        return self._session.run(verbs.fail(self, group, message, data))

    def retry(
        self, delay: Seconds = 0, group: str | None = None, message: str | None = None
    ) -> int:
        """Give the job back at the cost of a retry; give those left, -1 when it failed for good."""
        return self._session.run(verbs.retry(self, delay, group, message))

    def release(self) -> str:
        """Give the job back at no cost, as if it had not been taken; give its state."""
        return self._session.run(verbs.release(self))

    def snooze(self, delay: Seconds) -> float:
        """Give the job back until later, at no cost; give the instant when it is due."""
        return self._session.run(verbs.snooze(self, delay))

    def back_off(self, seconds: Seconds, throttle: str | None = None) -> list[str]:
        """Give the job back at no cost, and start nothing under its throttles for so long.

        For a service that asks for patience: `job.back_off(retry_after(header))`. It blocks the
        throttle named (one of the job's own, or that of its queue or user), else all that the job
        was put with, else that of its queue; gives those. The job keeps its place.
        """
        return self._session.run(verbs.back_off(self, seconds, throttle))

    def timeout(self) -> None:
        """Take the lease away from whoever holds it; the job goes first, ahead of all others."""
        self._session.run(verbs.timeout(self))

    def force_finish(self, result: Any = None) -> str:
        """Complete the job in whatever state; its worker can no longer."""
        return self._session.run(verbs.force_finish(self, result))

    def move(self, queue: str, **options: Unpack[PutOptions]) -> str:
        """Put the job into another queue, keeping what is not given; its worker loses it."""
        return self.requeue(queue, **options)

    def requeue(
        self,
        queue: str | None = None,
        *,
        klass: Any = None,
        data: Any = None,
        **options: Unpack[PutOptions],
    ) -> str:
        """Put the job again, by default into its own queue, with all its retries."""
        target = queue or self.queue_name
        return self._session.run(verbs.requeue(self, target, klass, data, options))

    def cancel(self) -> bool:
        """Delete the job; `DependencyError` if others depend on it. Tells whether it was there."""
        return bool(self._session.run(verbs.cancel(self)))

    def tag(self, *tags: str) -> list[str]:
        """Add tags; give all of them."""
        return self._session.run(marks.tag(self, tags))

    def untag(self, *tags: str) -> list[str]:
        """Remove tags; give those left."""
        return self._session.run(marks.untag(self, tags))

    def track(self) -> None:
        """Have the job's steps published, and the job listed among the tracked ones."""
        self._session.run(marks.track(self))

    def untrack(self) -> bool:
        """Stop tracking; tells whether the job was tracked."""
        return self._session.run(marks.untrack(self))

    def depend(self, *jids: str, on_parent_failed: str | None = None) -> int:
        """Wait for further jobs; give how many are not complete. Only in state `depends`."""
        return self._session.run(marks.depend(self, jids, on_parent_failed))

    def undepend(self, *jids: str, all: bool = False) -> int:  # noqa: A002 - as in qless-py
        """Wait for these jobs no longer, or for none at all; give how many are not complete."""
        return self._session.run(marks.undepend(self, jids, every=all))

    def log(self, what: str, data: Mapping[str, Any] | None = None) -> None:
        """Add an entry of one's own to the history."""
        self._session.run(verbs.log(self, what, data))

    def set_progress(self, value: Any) -> None:
        """Say how far the job is, in any form; whoever reads the job sees it."""
        self._session.run(verbs.set_progress(self, value))

    def put(self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Hold a follow-up job back until this one completes; give the jid that it will have.

        If this job fails, is retried or is lost instead, the follow-up is dropped. At most 100;
        more go into an open batch.
        """
        return self.hold_back(queue, klass, data, options)

    def batch(self, name: str | None = None, **options: Unpack[BatchOptions]) -> JobBatch:
        """Open a batch for any number of jobs, which go out at once, not with completion.

        It closes at the latest when this job completes. A second run of the job finds the same
        batch again, unless it is given another name.
        """
        call = batch.open_call(self._settings, batch.owned_name(self, name), options, self)
        return JobBatch(self._session, self._session.run(call), self)

    def own_batch(self) -> JobBatch:
        """Give the batch that this job is in, to put more into it, also when it is closed.

        A second run of the job puts nothing twice. `BatchNotFoundError` if it is in none.
        """
        return JobBatch(self._session, batch.own_name(self), self)

    def parent_results(self) -> dict[str, Any]:
        """Give the results of the jobs that this one depends on, by their jids; `None` for none.

        They stay readable until this job has ended, also when the parents have been deleted.
        """
        found = [
            self._session.run(reads.results(names)) for names in verbs.in_hundreds(self.parents)
        ]
        return verbs.results(self, found)

    def perform(self) -> Any:
        """Run what the klass names, with this job; completing or failing is left to that."""
        return resolve.find(self.klass, self.queue_name).bound()(self)

    def watch(self, worker: Worker) -> None:
        """Have the job look at this worker for whether it is stopping."""
        self._worker = worker

    @property
    def is_stopping(self) -> bool:
        """Whether the worker is on its way out and would like this job to end soon."""
        return self._worker is not None and self._worker.stop

    def heed_stop(self) -> None:
        """Raise `GracefulStop` if the worker is stopping; unless caught it hands the job back.

        For handlers that work step by step, to be called where the job may be left.
        """
        if self.is_stopping:
            raise GracefulStop(f"the worker of {self.jid} is stopping")

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """Have `GracefulStop` raised inside this block as soon as the worker is stopping."""
        before, self.is_stoppable = self.is_stoppable, True
        try:
            self.heed_stop()
            yield
        finally:
            self.is_stoppable = before

    def wait(self, timeout: Seconds | None = None) -> Any:
        """Wait until the job has ended and give its result.

        Raises `JobFailedError`, `JobCanceledError`, or `WaitTimeoutError` when time is up.
        """
        return waiting.wait(self._session, self, timeout)
