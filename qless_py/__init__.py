"""A job queue whose every state transition is one atomic Lua script inside Redis."""

from qless_py.backoff import Backoff
from qless_py.batch import Batch
from qless_py.client import Client
from qless_py.codec import Codec, EncryptedCodec, JsonCodec, MsgpackCodec
from qless_py.errors import (
    AlreadyExistsError,
    AlreadyFinishedError,
    BadArgumentError,
    BatchClosedError,
    BatchNotFoundError,
    ClockError,
    ConfigError,
    CycleError,
    DataTooLargeError,
    DeadWorkerError,
    DependencyError,
    GracefulStop,
    HandlerNotFoundError,
    ImmediateStop,
    JobCanceledError,
    JobFailedError,
    JobNotFoundError,
    LostLeaseError,
    ProcessStop,
    QlessError,
    ScheduleError,
    SchemaError,
    SoftLimitError,
    StaleRequestError,
    StoreError,
    StoreFullError,
    UndecodableDataError,
    WaitTimeoutError,
    WrongStateError,
)
from qless_py.events import Event
from qless_py.explain import Explanation
from qless_py.job import Job
from qless_py.manager import Manager
from qless_py.outcomes import Discard, Retry, Snooze, retry
from qless_py.performers import (
    Command,
    CommandExpiredError,
    CommandFailedError,
    CommandTimeoutError,
    Dispatch,
    FileClass,
)
from qless_py.pipeline import Pending, Pipeline
from qless_py.policy import RetryPolicy, RetryRule
from qless_py.queue import Queue
from qless_py.recurring import RecurringJob
from qless_py.reservers import (
    OrderedReserver,
    Reserver,
    RoundRobinReserver,
    ShuffledReserver,
    WeightedReserver,
)
from qless_py.schedule import Cron
from qless_py.tasks import Task, get_current_job, job
from qless_py.throttles import Throttle, ThrottleState, retry_after
from qless_py.users import Share, User, UserState
from qless_py.workflow import (
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

__version__ = "0.1.0"

__all__ = [
    "AlreadyExistsError",
    "AlreadyFinishedError",
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
    "DataTooLargeError",
    "DeadWorkerError",
    "Decider",
    "DependencyError",
    "Discard",
    "Dispatch",
    "EncryptedCodec",
    "End",
    "Event",
    "Explanation",
    "FileClass",
    "GracefulStop",
    "HandlerNotFoundError",
    "ImmediateStop",
    "Job",
    "JobCanceledError",
    "JobFailedError",
    "JobNotFoundError",
    "JsonCodec",
    "LostLeaseError",
    "Manager",
    "MsgpackCodec",
    "Next",
    "OrderedReserver",
    "Pending",
    "Pipeline",
    "ProcessStop",
    "QlessError",
    "Queue",
    "RecurringJob",
    "Reserver",
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
    "Task",
    "Throttle",
    "ThrottleState",
    "UndecodableDataError",
    "User",
    "UserState",
    "WaitTimeoutError",
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
