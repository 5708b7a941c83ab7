"""Log lines that name their job, for programs that set up logging themselves."""

from qless_py.handlers.logs import (
    HumanFormatter,
    JobFilter,
    JsonFormatter,
    configure,
    context,
)

__all__ = [
    "HumanFormatter",
    "JobFilter",
    "JsonFormatter",
    "configure",
    "context",
]
