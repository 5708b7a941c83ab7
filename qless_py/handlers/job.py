"""A job as handlers see it: its stored state, and what its klass and policies resolve to."""

from typing import Any

from qless_py.errors import BadArgumentError
from qless_py.handlers import resolve
from qless_py.handlers.retry import RetryPolicy, Tries
from qless_py.protocol.job_state import JobState


class HandledJob(JobState):
    """A job with its handler and its retry policy; the base of `Job` in both clients."""

    @property
    def klass(self) -> Any:
        """The job's handler, imported; raises `HandlerNotFoundError` if it does not exist."""
        return resolve.load(self.klass_name)

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """The retry policy the job was put with, if any."""
        stored = self.fields.get("retry")
        return None if stored is None else RetryPolicy.of(str(stored))

    @property
    def attempts(self) -> int | None:
        """How often a handler that raises is run, as the put said with `attempts` or `retry`.

        None if it said neither, gave no number, or is unreadable.
        """
        try:
            policy = self.retry_policy
        except BadArgumentError:
            return None
        return None if policy is None else policy.attempts

    @property
    def attempts_failed(self) -> int:
        """How many runs ended with an error since the job was put.

        Those are the runs that a policy retried, and the one after which the job failed.
        """
        return self.tries.total + self._was_failed_by_its_worker()

    def _was_failed_by_its_worker(self) -> bool:
        """Whether the last run failed the job, rather than a lost lease, a crash or a parent."""
        if self.state != "failed":
            return False
        details = (more[0] for what, _, more in self._entries() if what == "failed" and more)
        last = next((one for one in details if "group" in one), None)
        return last is not None and "worker" in last and last["group"] != "poison-pill"

    @property
    def tries(self) -> Tries:
        """What retry policies remember of earlier runs of the job."""
        stored = self.fields.get("tries")
        return Tries.of(None if stored is None else str(stored), self.popped_at or 0.0)
