"""The exceptions of qless_py and the one table from error codes to classes.

    QlessError
    ├── JobNotFoundError            NOJOB         no job with that jid
    ├── LostLeaseError              LOSTLEASE     the caller does not hold the job (any more)
    │   └── AlreadyFinishedError    FINISHED      … because it has ended
    ├── AlreadyExistsError          EXISTS        on_conflict="raise" or unique_conflict="raise"
    ├── WrongStateError             WRONGSTATE    the transition does not start from this state
    ├── DependencyError             HASDEPENDENTS others depend on the job
    │   └── CycleError              CYCLE         the job would depend on itself
    ├── BadArgumentError            BADARG        (also a ValueError)
    │   ├── DataTooLargeError       TOOLARGE      over max-data-size
    │   ├── ScheduleError                         a cron expression or time zone that is none
    │   └── UndecodableDataError                  stored bytes are not what the codec writes
    ├── ConfigError                 BADCONFIG     unknown or unusable configuration
    │   └── ClockError              CLOCK         server clock and test clock in one namespace
    ├── SchemaError                 SCHEMA        the namespace was written by another version
    ├── StaleRequestError           STALEREQUEST  a resend that came too late to be answered
    ├── DeadWorkerError             DEADWORKER    this worker process was reported dead
    ├── BatchNotFoundError          NOBATCH
    ├── BatchClosedError            BATCHCLOSED
    ├── HandlerNotFoundError                      nothing importable under the job's klass
    ├── SoftLimitError                            raised in a handler (also a TimeoutError)
    ├── JobFailedError                            Job.wait: the job failed
    ├── JobCanceledError                          Job.wait: the job was canceled or has expired
    ├── WaitTimeoutError                          Job.wait: still not ended (also a TimeoutError)
    └── StoreError                                no server, too old, unusable URL
        └── StoreFullError          OOM           the server is at maxmemory

    ProcessStop (a BaseException, so a handler's "except Exception" does not swallow it)
    ├── GracefulStop                              finish soon, the worker is stopping
    └── ImmediateStop                             stop now, the job is handed back

Errors of the connection stay those of redis-py.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final


class QlessError(Exception):
    """Root of everything that qless_py raises by itself."""

    code: ClassVar[str] = ""


class JobNotFoundError(QlessError):
    """No job has this jid: never put, canceled or expired."""

    code = "NOJOB"


class LostLeaseError(QlessError):
    """The job is not held under the lease that was presented; nothing was changed."""

    code = "LOSTLEASE"


class AlreadyFinishedError(LostLeaseError):
    """The job has ended, so nobody holds it any more."""

    code = "FINISHED"


class AlreadyExistsError(QlessError):
    """A job with this jid or unique key exists, or is remembered after its end."""

    code = "EXISTS"


class WrongStateError(QlessError):
    """The transition does not start from the state that the job is in."""

    code = "WRONGSTATE"


class DependencyError(QlessError):
    """Jobs depend on this one, so it cannot go away alone."""

    code = "HASDEPENDENTS"


class CycleError(DependencyError):
    """The job would depend on itself, directly or around a circle."""

    code = "CYCLE"


class BadArgumentError(QlessError, ValueError):
    """An argument has the wrong type, form or range; nothing was changed."""

    code = "BADARG"


class DataTooLargeError(BadArgumentError):
    """The data, result or progress is larger than `max-data-size`."""

    code = "TOOLARGE"


class ScheduleError(BadArgumentError):
    """A cron expression, a time zone or a span of a schedule makes no sense; says where."""

    code = ""


class UndecodableDataError(BadArgumentError):
    """The stored bytes cannot be read: wrong codec, missing key, or written by something else."""

    code = ""


class ConfigError(QlessError):
    """A configuration option is unknown or its value unusable."""

    code = "BADCONFIG"


class ClockError(ConfigError):
    """A namespace has either the server's clock or a test clock, and this was the other one."""

    code = "CLOCK"


class SchemaError(QlessError):
    """The namespace was written by an incompatible version."""

    code = "SCHEMA"


class StaleRequestError(QlessError):
    """The call was repeated after its answer had been forgotten; whether it ran is unknown."""

    code = "STALEREQUEST"


class DeadWorkerError(QlessError):
    """This worker process was reported dead and gets no more jobs."""

    code = "DEADWORKER"


class BatchNotFoundError(QlessError):
    """No batch has this name."""

    code = "NOBATCH"


class BatchClosedError(QlessError):
    """The batch takes no more jobs."""

    code = "BATCHCLOSED"


class HandlerNotFoundError(QlessError):
    """The job's klass names nothing that can be imported, or nothing that can perform it."""


class _SoftLimits(threading.local):
    """How often one was over in this thread, and what was said the last time."""

    number = 0
    message = ""


SOFT_LIMITS: Final = _SoftLimits()


class SoftLimitError(QlessError, TimeoutError):
    """A handler ran for longer than the soft limit of its job."""

    def __init__(self, message: str = "the handler ran for longer than its soft limit") -> None:
        super().__init__(message)
        # Noted, since what reads from a connection may take it for a timeout of its own.
        SOFT_LIMITS.number, SOFT_LIMITS.message = SOFT_LIMITS.number + 1, message


class JobFailedError(QlessError):
    """The job that was waited for has failed."""

    def __init__(self, jid: str, group: str, message: str) -> None:
        super().__init__(jid, group, message)
        self.jid = jid
        self.group = group
        self.message = message

    def __str__(self) -> str:
        return f"job {self.jid} failed in group {self.group}: {self.message}"


class JobCanceledError(QlessError):
    """The job that was waited for is gone: canceled, or expired by retention."""


class WaitTimeoutError(QlessError, TimeoutError):
    """The job that was waited for has not ended in time; it goes on."""


class StoreError(QlessError):
    """No usable store: no server binary, a server too old, a namespace conflict, a bad URL."""


class StoreFullError(StoreError):
    """The server is at maxmemory: new work is refused, jobs already there still drain."""

    code = "OOM"


class ProcessStop(BaseException):
    """The worker process must stop; raised inside the handler."""


class GracefulStop(ProcessStop):
    """The worker is stopping: bring the job to an end within the grace period."""


class ImmediateStop(ProcessStop):
    """The worker stops now; the job is handed back without costing a retry."""


def _descendants(root: type[QlessError]) -> Iterator[type[QlessError]]:
    for child in root.__subclasses__():
        yield child
        yield from _descendants(child)


BY_CODE: Final[Mapping[str, type[QlessError]]] = MappingProxyType(
    {kind.__dict__["code"]: kind for kind in _descendants(QlessError) if kind.__dict__.get("code")},
)

# Redis appends "script: <sha>, on @user_script:28."; Valkey leaves the sha out.
_TAIL: Final = re.compile(r"\s*script:[^:]*@user_script:.*$", re.DOTALL)


def error_from_reply(text: str) -> QlessError:
    """Turn an error reply, `CODE detail`, into the exception that the code stands for."""
    clean = _TAIL.sub("", text).removesuffix(",").strip()
    code, _, detail = clean.partition(" ")
    kind = BY_CODE.get(code)
    return QlessError(clean) if kind is None else kind(detail or code)
