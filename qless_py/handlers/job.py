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
        """How many runs raised and were retried by a policy since the job was put."""
        return self.tries.total

    @property
    def tries(self) -> Tries:
        """What retry policies remember of earlier runs of the job."""
        stored = self.fields.get("tries")
        return Tries.of(None if stored is None else str(stored), self.popped_at or 0.0)
