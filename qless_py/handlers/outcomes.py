"""Exceptions by which a handler decides what happens to its job: `Retry`, `Snooze` and others."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from qless_py.errors import (
    BadArgumentError,
    GracefulStop,
    ImmediateStop,
    LostLeaseError,
    SoftLimitError,
)
from qless_py.handlers import exceptions
from qless_py.protocol.options import Seconds

F = TypeVar("F", bound=Callable[..., Any])

# One of these in a group decides what happens to the job, whatever else is in it: the other members
# are usually what the interrupt caused. The first one that is found counts.
_INTERRUPTS: Final = (ImmediateStop, GracefulStop, LostLeaseError, SoftLimitError)


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


class HandOff(Outcome):
    """Leave the running job to another worker, which completes it later over the HTTP API.

    It presents the lease of this job, and the worker that runs this handler renews it no more: the
    job runs again unless `worker`, a name for whoever has it now, ends it within `seconds` or
    sends heartbeats.
    """

    def __init__(self, worker: str, seconds: Seconds) -> None:
        super().__init__(worker, seconds)
        self.worker = worker
        self.seconds = seconds


class Discard(Outcome):
    """Delete the job as if it had been canceled.

    A job that others depend on fails instead, because they would wait for it forever.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


def deciding(error: BaseException) -> BaseException:
    """Return what decides about the job of a handler that raised `error`: usually that itself.

    Tasks of an `asyncio.TaskGroup` and blocks of `except*` raise in groups. Of a group that is an
    interrupt in it, or else the first `Retry`, `Snooze` or `Discard` if it contains nothing else.
    """
    if not exceptions.is_a(error, BaseExceptionGroup):
        return error
    for kind in _INTERRUPTS:
        found = exceptions.first_member(error, kind)
        if found is not None:
            return found
    members = exceptions.members(error)
    is_decided = members and all(exceptions.is_a(one, Outcome) for one in members)
    return members[0] if is_decided else error


def retry(*kinds: type[BaseException], delay: Seconds = 0) -> Callable[[F], F]:
    """Raise `Retry(delay)` when the decorated handler raises one of these exceptions.

    A group is retried if all its members are among them. For growing delays, budgets and exceptions
    to discard, use a `RetryPolicy`.
    """
    if not kinds:
        raise BadArgumentError("retry() needs at least one exception class")
    caught: tuple[type[BaseException], ...] = (*kinds, BaseExceptionGroup)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except caught as error:
                if not _are_all(error, kinds):
                    raise
                raise Retry(delay) from error

        @functools.wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except caught as error:
                if not _are_all(error, kinds):
                    raise
                raise Retry(delay) from error

        return cast("F", acall if inspect.iscoroutinefunction(function) else call)

    return decorate


def _are_all(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Return whether an exception, or else each member of a group, is of one of these classes."""
    if exceptions.is_a(error, kinds):
        return True
    return all(exceptions.is_a(one, kinds) for one in exceptions.members(error))
