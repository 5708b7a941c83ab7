"""The middleware shipped with the worker: called with a job, returns a context manager."""

from qless_py.handlers.middleware.job_log import JobLog
from qless_py.handlers.middleware.log_context import LogContext
from qless_py.handlers.middleware.memory import MemoryWatch
from qless_py.handlers.middleware.reconnect import Reconnect
from qless_py.handlers.middleware.retry import RetryOn
from qless_py.handlers.middleware.sentry import Sentry
from qless_py.handlers.middleware.timeout import Timeout

__all__ = [
    "JobLog",
    "LogContext",
    "MemoryWatch",
    "Reconnect",
    "RetryOn",
    "Sentry",
    "Timeout",
]
