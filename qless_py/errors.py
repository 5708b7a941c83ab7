"""The exceptions of qless_py, and the table from the error codes of the scripts to their classes.

    QlessError
    ├── JobNotFoundError            NOJOB         no job has this jid
    ├── LostLeaseError              LOSTLEASE     the caller does not hold the job (any more)
    │   └── AlreadyFinishedError    FINISHED      because the job has ended
    ├── AlreadyExistsError          EXISTS        on_conflict="raise" or unique_conflict="raise"
    ├── WrongStateError             WRONGSTATE    the transition does not start from this state
    ├── DataChangedError            CHANGED       the data was changed since it was read
    ├── DependencyError             HASDEPENDENTS other jobs depend on the job
    │   └── CycleError              CYCLE         the job would depend on itself
    ├── BadArgumentError            BADARG        wrong type, form or range (also a ValueError)
    │   ├── DataTooLargeError       TOOLARGE      larger than max-data-size
    │   ├── ScheduleError                         invalid cron expression, time zone or interval
    │   └── UndecodableDataError                  stored bytes are not what the codec writes
    ├── ConfigError                 BADCONFIG     unknown option or invalid value
    │   └── ClockError              CLOCK         server clock and test clock in one namespace
    ├── SchemaError                 SCHEMA        the namespace has an incompatible layout
    ├── StaleRequestError           STALEREQUEST  a resend too late to be answered
    ├── IdempotencyKeyError         KEYREUSED     the key was used for another request
    ├── EventStreamOffError         STREAMOFF     the option event-stream is 0
    ├── WebhookNotFoundError        NOWEBHOOK     no webhook has this id
    ├── DeadWorkerError             DEADWORKER    this worker process was reported dead
    ├── BatchNotFoundError          NOBATCH       no batch has this name
    ├── BatchClosedError            BATCHCLOSED   the batch accepts no more jobs
    ├── HandlerNotFoundError                      the job's klass cannot be imported or run
    ├── SoftLimitError                            raised in a handler (also a TimeoutError)
    ├── JobFailedError                            Job.wait: the job failed
    ├── JobCanceledError                          Job.wait: the job was canceled or has expired
    │   └── ResultNotKeptError                    it completed, and was deleted with its result
    ├── WaitTimeoutError                          Job.wait: not ended yet (also a TimeoutError)
    └── StoreError                                no usable server, or an invalid URL
        └── StoreFullError          OOM           the server is at maxmemory

    ProcessStop (a BaseException, so that "except Exception" in a handler does not catch it)
    ├── GracefulStop                              the worker is stopping: finish the job soon
    └── ImmediateStop                             the worker stops now: the job is handed back

A lost connection and error replies of the server itself are raised as the classes of redis-py.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Final


class QlessError(Exception):
    """The root of all exceptions of qless_py; catch it to handle every refusal alike."""

    code: ClassVar[str] = ""


class JobNotFoundError(QlessError):
    """No job has this jid: it was never put, or it was canceled, or it has expired.

    Raised by operations on one job. Nothing was changed; put the job again if it should run.
    """

    code = "NOJOB"


class LostLeaseError(QlessError):
    """The caller does not hold the job under the lease it presented; nothing was changed.

    Raised by heartbeat, complete, fail, retry and progress after the lease expired or was revoked.
    Another worker may be running the job: stop the work and do not report its result.
    """

    code = "LOSTLEASE"


class AlreadyFinishedError(LostLeaseError):
    """The job has ended, so nobody holds it any more.

    Raised like LostLeaseError; the first result counts, and a second one is ignored.
    """

    code = "FINISHED"


class AlreadyExistsError(QlessError):
    """A job with this jid or unique key exists, or is remembered after its end.

    Raised by put with `on_conflict="raise"` or `unique_conflict="raise"`, and when the job that
    does the work of a put is in another batch than the put names. Use another jid or key, or
    another conflict policy.
    """

    code = "EXISTS"


class WrongStateError(QlessError):
    """The transition does not start from the state that the job is in; nothing was changed.

    Raised, for example, when a job that does not run is timed out. The state may have changed since
    the job was last read: read it again.
    """

    code = "WRONGSTATE"


class DataChangedError(QlessError):
    """The data of the job was changed since it was read; nothing was changed.

    Raised by edit. Read the job again, and repeat the change if it is still right.
    """

    code = "CHANGED"


class DependencyError(QlessError):
    """Other jobs depend on this one, so it cannot be canceled alone.

    Cancel the dependents in the same call, or remove their dependency first.
    """

    code = "HASDEPENDENTS"


class CycleError(DependencyError):
    """The job would depend on itself, directly or through other jobs; nothing was changed.

    Leave out one of the dependencies.
    """

    code = "CYCLE"


class BadArgumentError(QlessError, ValueError):
    """An argument has the wrong type, form or range; nothing was changed.

    The message names the argument and its value. The same call fails each time.
    """

    code = "BADARG"


class DataTooLargeError(BadArgumentError):
    """The data, result or progress of a job is larger than `max-data-size`.

    Store the content elsewhere and pass a reference, or raise the option.
    """

    code = "TOOLARGE"


class ScheduleError(BadArgumentError):
    """A cron expression, time zone or interval of a schedule is invalid; the message says where."""

    code = ""


class UndecodableDataError(BadArgumentError):
    """Stored bytes cannot be decoded.

    The client has another codec than the one that wrote them, lacks the key, or something else
    wrote the value. Pass the other codec to the client as one of `codecs`.
    """

    code = ""


class ConfigError(QlessError):
    """A configuration option is unknown or its value is invalid.

    Raised for options of the namespace and for the settings file; the message names the option.
    """

    code = "BADCONFIG"


class ClockError(ConfigError):
    """The namespace uses the server's clock and the client a test clock, or the reverse.

    Use another namespace for tests, or create the client with the `clock` that the namespace has.
    """

    code = "CLOCK"


class SchemaError(QlessError):
    """An incompatible version wrote the namespace.

    Use the version that wrote it, or another namespace; nothing was changed.
    """

    code = "SCHEMA"


class StaleRequestError(QlessError):
    """The call was resent after the server had forgotten its reply.

    Whether it took effect is unknown: read the job before repeating the call.
    """

    code = "STALEREQUEST"


class IdempotencyKeyError(QlessError):
    """The idempotency key was already used for another request; nothing was changed.

    Use a new key for each piece of work, and the same key only to send the same request again.
    """

    code = "KEYREUSED"


class EventStreamOffError(QlessError):
    """No events are kept, because the option `event-stream` is 0 or not set.

    Set it to the number of events to keep: `qless-py config set event-stream 10000`.
    """

    code = "STREAMOFF"


class WebhookNotFoundError(QlessError):
    """No webhook has this id: it was never added, or it was removed."""

    code = "NOWEBHOOK"


class DeadWorkerError(QlessError):
    """This worker process was reported dead and receives no more jobs.

    Its jobs were given back when its supervisor, or an operator, reported it. The process must end.
    """

    code = "DEADWORKER"


class BatchNotFoundError(QlessError):
    """No batch has this name: it was never opened, or it has expired."""

    code = "NOBATCH"


class BatchClosedError(QlessError):
    """The batch accepts no more jobs, because it was closed; open another one."""

    code = "BATCHCLOSED"


class HandlerNotFoundError(QlessError):
    """The job's klass cannot be imported, or what it names cannot run jobs.

    Raised in the worker, which fails the job. Deploy the code and retry the job.
    """


class _SoftLimits(threading.local):
    """The number of SoftLimitErrors made in this thread, and the message of the latest."""

    number = 0
    message = ""


SOFT_LIMITS: Final = _SoftLimits()


class SoftLimitError(QlessError, TimeoutError):
    """The handler ran for longer than the soft limit of its job.

    Raised inside the handler, at any instruction. Catch it to save partial work and then return or
    raise; the hard limit still ends the process.
    """

    def __init__(self, message: str = "the handler ran for longer than its soft limit") -> None:
        super().__init__(message)
        # Counted, because a library that reads from a socket may report it as a socket timeout.
        SOFT_LIMITS.number, SOFT_LIMITS.message = SOFT_LIMITS.number + 1, message


class JobFailedError(QlessError):
    """The job that was waited for has failed.

    `group` and `message` describe its failure. The job stays until it is retried or canceled.
    """

    def __init__(self, jid: str, group: str, message: str) -> None:
        super().__init__(jid, group, message)
        self.jid = jid
        self.group = group
        self.message = message

    def __str__(self) -> str:
        return f"job {self.jid} failed in group {self.group}: {self.message}"


class JobCanceledError(QlessError):
    """The job that was waited for is gone: it was canceled, or has expired after its end.

    Its result cannot be read any more; wait earlier or keep completed jobs for longer. `by` and
    `reason` say who canceled it and why, if that is known; `client.canceled.restore` restores it.
    """

    def __init__(self, message: str = "", by: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.by = by
        self.reason = reason


class ResultNotKeptError(JobCanceledError):
    """The job that was waited for completed, and was deleted with its result at once.

    Raised if `jobs-history` or `jobs-history-count` keep no completed jobs. A job without a result
    raises nothing.
    """


class WaitTimeoutError(QlessError, TimeoutError):
    """The job that was waited for has not ended in time.

    The job is not affected; waiting again is possible.
    """


class StoreError(QlessError):
    """There is no usable store.

    No server program was found for an embedded store, the server is too old or may evict jobs, or
    the URL or an option of the connection is invalid. The message says what to change.
    """


class StoreFullError(StoreError):
    """The server is at maxmemory: new jobs are refused, existing ones can still run and end.

    Put the job again when memory has been freed or `maxmemory` was raised.
    """

    code = "OOM"


class ProcessStop(BaseException):
    """The worker process must stop; raised inside the handler.

    Catch it only to clean up, and raise it again.
    """


class GracefulStop(ProcessStop):
    """The worker is stopping: complete the job, or return it, within the grace period."""


class ImmediateStop(ProcessStop):
    """The worker stops now; the job is handed back and keeps its retries."""


def _descendants(root: type[QlessError]) -> Iterator[type[QlessError]]:
    for child in root.__subclasses__():
        yield child
        yield from _descendants(child)


BY_CODE: Final[Mapping[str, type[QlessError]]] = MappingProxyType(
    {kind.__dict__["code"]: kind for kind in _descendants(QlessError) if kind.__dict__.get("code")},
)

# Redis appends "script: <function>, on @user_function:28."; Valkey leaves its name out.
_TAIL: Final = re.compile(r"\s*script:[^:]*@user_(?:function|script):.*$", re.DOTALL)


def error_from_reply(text: str) -> QlessError:
    """Return the exception for an error reply of a script, `CODE detail`."""
    clean = _TAIL.sub("", text).removesuffix(",").strip()
    code, _, detail = clean.partition(" ")
    kind = BY_CODE.get(code)
    return QlessError(clean) if kind is None else kind(detail or code)
