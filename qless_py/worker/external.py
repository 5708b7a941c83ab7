"""What a worker can be told to perform all its jobs with, instead of the handlers they name."""

from qless_py.handlers.programs import Command, Dispatch, FileClass

__all__ = ["Command", "Dispatch", "FileClass"]
