"""A job queue whose every state transition is one atomic Lua script inside Redis."""

import importlib
from typing import TYPE_CHECKING, Any, Final

from qless_py import init_process  # noqa: F401 - first, so that TERM counts from now on
from qless_py.errors import (
    AlreadyExistsError,
    AlreadyFinishedError,
    BadArgumentError,
    BatchClosedError,
    BatchNotFoundError,
    ClockError,
    ConfigError,
    CycleError,
    DataChangedError,
    DataTooLargeError,
    DeadWorkerError,
    DependencyError,
    EventStreamOffError,
    GracefulStop,
    HandlerNotFoundError,
    IdempotencyKeyError,
    ImmediateStop,
    JobCanceledError,
    JobFailedError,
    JobNotFoundError,
    LostLeaseError,
    ProcessStop,
    QlessError,
    ResultNotKeptError,
    ScheduleError,
    SchemaError,
    SoftLimitError,
    StaleRequestError,
    StoreError,
    StoreFullError,
    UndecodableDataError,
    WaitTimeoutError,
    WebhookNotFoundError,
    WrongStateError,
)
from qless_py.package import __version__

if TYPE_CHECKING:
    from qless_py.app import App
    from qless_py.client.batch import Batch
    from qless_py.client.client import Client
    from qless_py.client.events import Event
    from qless_py.client.explain import Explanation
    from qless_py.client.jid import Jid
    from qless_py.client.job import Job
    from qless_py.client.pipeline import Pipeline
    from qless_py.client.pipeline_calls import Pending
    from qless_py.client.queue import Queue
    from qless_py.client.recurring import RecurringJob
    from qless_py.client.retry_after import retry_after
    from qless_py.client.throttles import Throttle
    from qless_py.client.users import User
    from qless_py.client.workflow import (
        Branch,
        Decider,
        End,
        Next,
        Workflow,
        WorkflowRun,
        chain,
        group,
        parent_results,
        step,
    )
    from qless_py.cron import Cron
    from qless_py.handlers.outcomes import Discard, HandOff, Retry, Snooze, retry
    from qless_py.handlers.programs import (
        Command,
        CommandExpiredError,
        CommandFailedError,
        CommandTimeoutError,
        Dispatch,
        FileClass,
    )
    from qless_py.handlers.retry import Backoff, RetryPolicy, RetryRule
    from qless_py.manager import Manager
    from qless_py.protocol.codec import Codec, EncryptedCodec, JsonCodec, MsgpackCodec
    from qless_py.protocol.events import EventPage, Gap, StoredEvent
    from qless_py.protocol.reservers import (
        OrderedReserver,
        Reserver,
        RoundRobinReserver,
        ShuffledReserver,
        WeightedReserver,
    )
    from qless_py.protocol.throttles import ThrottlePage, ThrottleState
    from qless_py.protocol.tokens import NewToken, Token
    from qless_py.protocol.users import Share, UserPage, UserState
    from qless_py.protocol.webhooks import Webhook
    from qless_py.task import Task, get_current_job, job

__all__ = [
    "AlreadyExistsError",
    "AlreadyFinishedError",
    "App",
    "Backoff",
    "BadArgumentError",
    "Batch",
    "BatchClosedError",
    "BatchNotFoundError",
    "Branch",
    "Client",
    "ClockError",
    "Codec",
    "Command",
    "CommandExpiredError",
    "CommandFailedError",
    "CommandTimeoutError",
    "ConfigError",
    "Cron",
    "CycleError",
    "DataChangedError",
    "DataTooLargeError",
    "DeadWorkerError",
    "Decider",
    "DependencyError",
    "Discard",
    "Dispatch",
    "EncryptedCodec",
    "End",
    "Event",
    "EventPage",
    "EventStreamOffError",
    "Explanation",
    "FileClass",
    "Gap",
    "GracefulStop",
    "HandOff",
    "HandlerNotFoundError",
    "IdempotencyKeyError",
    "ImmediateStop",
    "Jid",
    "Job",
    "JobCanceledError",
    "JobFailedError",
    "JobNotFoundError",
    "JsonCodec",
    "LostLeaseError",
    "Manager",
    "MsgpackCodec",
    "NewToken",
    "Next",
    "OrderedReserver",
    "Pending",
    "Pipeline",
    "ProcessStop",
    "QlessError",
    "Queue",
    "RecurringJob",
    "Reserver",
    "ResultNotKeptError",
    "Retry",
    "RetryPolicy",
    "RetryRule",
    "RoundRobinReserver",
    "ScheduleError",
    "SchemaError",
    "Share",
    "ShuffledReserver",
    "Snooze",
    "SoftLimitError",
    "StaleRequestError",
    "StoreError",
    "StoreFullError",
    "StoredEvent",
    "Task",
    "Throttle",
    "ThrottlePage",
    "ThrottleState",
    "Token",
    "UndecodableDataError",
    "User",
    "UserPage",
    "UserState",
    "WaitTimeoutError",
    "Webhook",
    "WebhookNotFoundError",
    "WeightedReserver",
    "Workflow",
    "WorkflowRun",
    "WrongStateError",
    "__version__",
    "chain",
    "get_current_job",
    "group",
    "job",
    "parent_results",
    "retry",
    "retry_after",
    "step",
]

# The public names of each module, which is imported when one of them is used: the command line
# starts in two thirds of the time without those that a command does not need.
_NAMES: Final = {
    "app": ("App",),
    "client.batch": ("Batch",),
    "client.client": ("Client",),
    "client.events": ("Event",),
    "client.explain": ("Explanation",),
    "client.jid": ("Jid",),
    "client.job": ("Job",),
    "client.pipeline": ("Pipeline",),
    "client.pipeline_calls": ("Pending",),
    "client.queue": ("Queue",),
    "client.recurring": ("RecurringJob",),
    "client.retry_after": ("retry_after",),
    "client.throttles": ("Throttle",),
    "client.users": ("User",),
    "client.workflow": (
        "Branch",
        "Decider",
        "End",
        "Next",
        "Workflow",
        "WorkflowRun",
        "chain",
        "group",
        "parent_results",
        "step",
    ),
    "cron": ("Cron",),
    "handlers.outcomes": ("Discard", "HandOff", "Retry", "Snooze", "retry"),
    "handlers.programs": (
        "Command",
        "CommandExpiredError",
        "CommandFailedError",
        "CommandTimeoutError",
        "Dispatch",
        "FileClass",
    ),
    "handlers.retry": ("Backoff", "RetryPolicy", "RetryRule"),
    "manager": ("Manager",),
    "protocol.codec": ("Codec", "EncryptedCodec", "JsonCodec", "MsgpackCodec"),
    "protocol.events": ("EventPage", "Gap", "StoredEvent"),
    "protocol.reservers": (
        "OrderedReserver",
        "Reserver",
        "RoundRobinReserver",
        "ShuffledReserver",
        "WeightedReserver",
    ),
    "protocol.throttles": ("ThrottlePage", "ThrottleState"),
    "protocol.tokens": ("NewToken", "Token"),
    "protocol.users": ("Share", "UserPage", "UserState"),
    "protocol.webhooks": ("Webhook",),
    "task": ("Task", "get_current_job", "job"),
}
_PACKAGES: Final = ("aio", "client", "handlers", "protocol", "store", "tracing")
_MODULES: Final = {name: module for module, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:  # Type checkers would find any name.

    def __getattr__(name: str) -> Any:
        """Import a public name or package."""
        if name in _PACKAGES:
            return importlib.import_module(f"{__name__}.{name}")
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return found


def __dir__() -> list[str]:
    """List the public names as well as those that were imported."""
    return sorted({*globals(), *__all__})
