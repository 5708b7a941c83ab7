"""What performs jobs in the place of the handlers that they name."""

from qless_py.performers.command import (
    Command,
    CommandExpiredError,
    CommandFailedError,
    CommandTimeoutError,
)
from qless_py.performers.dispatch import Dispatch
from qless_py.performers.run_file import FileClass

__all__ = [
    "Command",
    "CommandExpiredError",
    "CommandFailedError",
    "CommandTimeoutError",
    "Dispatch",
    "FileClass",
]
