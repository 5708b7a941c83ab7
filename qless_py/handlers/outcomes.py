"""What a handler may raise to say what becomes of its job, instead of returning or failing."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from qless_py.errors import BadArgumentError
from qless_py.protocol.arguments import Seconds

F = TypeVar("F", bound=Callable[..., Any])


class Outcome(Exception):  # noqa: N818 - how a job goes on, not an error
    """Root of what a handler raises to decide what becomes of its job."""


class Retry(Outcome):
    """Run the job again after a delay, for one of its retries; with none left it fails.

    Raised `from` an exception, that exception is what the job failed with, should it be the last
    time: `raise Retry(10) from error`.
    """

    def __init__(self, delay: Seconds = 0) -> None:
        super().__init__(delay)
        self.delay = delay
        # What a policy remembers, and whether it counts there instead of spending a retry.
        self.tries: str | None = None
        self.apart = False


class Snooze(Outcome):
    """Run the job again after a delay, at no cost: it was not time yet."""

    def __init__(self, delay: Seconds) -> None:
        super().__init__(delay)
        self.delay = delay


class Discard(Outcome):
    """Delete the job as if it had been canceled: there is no more reason to run it.

    A job that others depend on is failed instead, so that nobody waits for it unseen.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def retry(*exceptions: type[BaseException], delay: Seconds = 0) -> Callable[[F], F]:
    """Run the job again, for one of its retries, when the decorated handler raises one of these.

    A `RetryPolicy` says more: waits that grow, budgets, what to discard.
    """
    if not exceptions:
        raise BadArgumentError("retry needs the exceptions that it is for")

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
