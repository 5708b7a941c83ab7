"""Exceptions by which a handler decides what happens to its job: `Retry`, `Snooze`, `Discard`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from qless_py.errors import BadArgumentError
from qless_py.protocol.options import Seconds

F = TypeVar("F", bound=Callable[..., Any])


class Outcome(Exception):  # noqa: N818 - not an error
    """Base of the exceptions by which a handler decides what happens to its job."""


class Retry(Outcome):
    """Run the job again after a delay; it spends one of its retries, and fails without any left.

    With `raise Retry(10) from error` such a failure is reported as that exception.
    """

    def __init__(self, delay: Seconds = 0) -> None:
        super().__init__(delay)
        self.delay = delay
        # Set by a policy: the tries to store with the job, and whether they count against a
        # budget of the policy instead of the job's retries.
        self.tries: str | None = None
        self.has_own_budget = False


class Snooze(Outcome):
    """Run the job again after a delay without spending a retry."""

    def __init__(self, delay: Seconds) -> None:
        super().__init__(delay)
        self.delay = delay


class Discard(Outcome):
    """Delete the job as if it had been canceled.

    A job that others depend on fails instead, because they would wait for it forever.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def retry(*exceptions: type[BaseException], delay: Seconds = 0) -> Callable[[F], F]:
    """Raise `Retry(delay)` when the decorated handler raises one of these exceptions.

    For growing delays, budgets and exceptions to discard, use a `RetryPolicy`.
    """
    if not exceptions:
        raise BadArgumentError("retry() needs at least one exception class")

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except exceptions as error:
                raise Retry(delay) from error

        @functools.wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except exceptions as error:
                raise Retry(delay) from error

        return cast("F", acall if inspect.iscoroutinefunction(function) else call)

    return decorate
