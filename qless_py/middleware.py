"""Middleware shipped with the worker, as `--middleware` and programs name it."""

from qless_py.handlers.middleware import (
    JobLog,
    LogContext,
    MemoryWatch,
    Reconnect,
    RetryOn,
    Sentry,
    Timeout,
)

__all__ = [
    "JobLog",
    "LogContext",
    "MemoryWatch",
    "Reconnect",
    "RetryOn",
    "Sentry",
    "Timeout",
]
