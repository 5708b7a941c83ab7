"""How a request can fail. The names are in the failure groups of jobs: `http:TargetTimeoutError`.

A job fails at once with an exception that has `never_retry`; retry policies decide about the
others. `retry_after` is the least time until the next attempt, in seconds, as the target asked for.
"""

from __future__ import annotations

from typing import ClassVar

from qless_py.errors import QlessError
from qless_py.handlers.resolve import HandlerNotAllowedError


class HttpJobError(QlessError):
    """A request did not succeed."""

    omit_traceback = True  # It would show frames of the worker only.
    never_retry: ClassVar[bool] = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotARequestError(HandlerNotAllowedError):
    """The job is of another klass, and a worker that sends requests runs no code."""

    never_retry = True


class InvalidRequestError(HttpJobError):
    """The data of the job is not a valid request."""

    never_retry = True


class TargetDeniedError(HttpJobError):
    """This worker may not send requests to the target."""

    never_retry = True


class RequestRejectedError(HttpJobError):
    """The target answered with a permanent status code, or with `Qless-Retry: no`."""

    never_retry = True


class TargetStatusError(HttpJobError):
    """The target answered with a status code that is neither a success nor permanent."""


class TargetTimeoutError(HttpJobError):
    """The target did not answer in time."""


class TargetUnreachableError(HttpJobError):
    """The host of the target has no address, or accepts no connection."""


class TargetProtocolError(HttpJobError):
    """The target closed the connection, or its answer is not HTTP."""
