"""Middleware that applies a retry policy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from qless_py.errors import LostLeaseError, ProcessStop
from qless_py.handlers import exceptions
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Outcome, deciding
from qless_py.handlers.retry import Backoff, RetryPolicy


class RetryOn:
    """Middleware that applies a retry policy to what is raised inside it.

    It comes before the policies of the put, the class and the queue, which apply to exceptions
    that match none of its rules.
    """

    def __init__(self, policy: RetryPolicy | Backoff | float | None = None) -> None:
        self._policy = RetryPolicy() if policy is None else RetryPolicy.of(policy)

    @contextlib.contextmanager
    def __call__(self, job: HandledJob) -> Iterator[None]:
        """Apply the policy to one run."""
        try:
            yield
        except Exception as error:
            decided = deciding(error)
            is_decided = exceptions.is_a(decided, (Outcome, LostLeaseError, ProcessStop))
            if is_decided or job.state != "running":
                raise
            outcome = self._policy.decide(decided, job.tries)
            if outcome is None:
                raise
            raise outcome from error
