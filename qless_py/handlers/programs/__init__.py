"""Performers: what runs jobs instead of the handlers that they name."""

from qless_py.handlers.programs.command import (
    Command,
    CommandExpiredError,
    CommandFailedError,
    CommandTimeoutError,
)
from qless_py.handlers.programs.dispatch import Dispatch
from qless_py.handlers.programs.run_file import FileClass

__all__ = [
    "Command",
    "CommandExpiredError",
    "CommandFailedError",
    "CommandTimeoutError",
    "Dispatch",
    "FileClass",
]
