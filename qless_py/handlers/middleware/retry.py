"""A policy of retries for every job of a worker, or for what goes on further inside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from qless_py.errors import LostLeaseError
from qless_py.handlers.outcomes import Outcome
from qless_py.handlers.retry import Backoff, RetryPolicy
from qless_py.protocol.job_calls import JobVerbs


class RetryOn:
    """Middleware that runs jobs again as a policy says, when what is inside of it raises.

    It decides before the policy of the put, the class or the queue is asked; what fits none of
    its rules goes on to those.
    """

    def __init__(self, policy: RetryPolicy | Backoff | float | None = None) -> None:
        self._policy = RetryPolicy() if policy is None else RetryPolicy.of(policy)

    @contextlib.contextmanager
    def __call__(self, job: JobVerbs) -> Iterator[None]:
        """Watch over one run."""
        try:
            yield
        except (Outcome, LostLeaseError):
            raise
        except Exception as error:
            outcome = self._policy.decide(error, job.tries) if job.state == "running" else None
            if outcome is None:
                raise
            raise outcome from error
