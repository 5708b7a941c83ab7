"""Exit codes, and one line on standard error for every mistake of the user."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

import click

from qless_py.cli.output import safe
from qless_py.errors import (
    BadArgumentError,
    BatchNotFoundError,
    ClockError,
    ConfigError,
    JobNotFoundError,
    QlessError,
    StoreError,
    UndecodableDataError,
    WebhookNotFoundError,
)

FAILED: Final = 1
MISUSED: Final = 2
NOT_FOUND: Final = 3
INTERRUPTED: Final = 130
# Errors of what the user typed, and errors of the same kinds that are not.
_MISUSES: Final = (BadArgumentError, ConfigError)
_NO_MISUSES: Final = (UndecodableDataError, ClockError)


class NotFoundError(click.ClickException):
    """The thing that was asked for does not exist."""

    exit_code = NOT_FOUND


class ImportFailedError(click.UsageError):
    """An application cannot be imported; `traceback` shows where its code failed, if it did."""

    def __init__(self, message: str, cause: BaseException | None) -> None:
        super().__init__(message)
        self.traceback = "" if cause is None else _traceback(cause)


def _traceback(error: BaseException) -> str:
    """Return the traceback from the first frame of the application on."""
    trace = error.__traceback__
    while trace is not None and _is_of_import(trace.tb_frame.f_globals.get("__name__", "")):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()


def _is_of_import(module: str) -> bool:
    return f"{module}.".startswith(("qless_py.app.", "importlib."))


def exit_code(run: Callable[[], Any], is_json: Callable[[], bool] = lambda: False) -> int:
    """Run something and return its exit code; report errors on standard error."""
    try:
        code = run()
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe. Without this the interpreter fails again as it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        ending = _ending(error)
        if ending is None:
            raise
        if isinstance(error, ImportFailedError) and error.traceback:
            with contextlib.suppress(OSError):
                click.echo(safe(error.traceback), err=True)
        _say(*ending[1:], is_json=is_json())
        return ending[0]
    return code if isinstance(code, int) else 0


def ending_of(error: BaseException) -> tuple[int, str]:
    """Return the exit code of a command that an error ends, and the reason."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    ending = _ending(error) if isinstance(error, Exception) else None
    return (FAILED, str(error)) if ending is None else (ending[0], ending[2])


def _ending(  # noqa: PLR0911 - one for each kind
    error: Exception,
) -> tuple[int, str, str] | None:
    """Return the exit code, the error code and the message; None for a bug."""
    if isinstance(error, click.UsageError):
        asked = error.ctx.command_path if error.ctx is not None else "qless-py"
        return MISUSED, "USAGE", f"{error.format_message()} (see {asked} --help)"
    if isinstance(error, click.ClickException):
        name = "NOTFOUND" if error.exit_code == NOT_FOUND else "FAILED"
        return error.exit_code, name, error.format_message()
    if isinstance(error, QlessError):
        return _exit_code_of(error), _name_of(error), str(error)
    if isinstance(error, OSError):
        return FAILED, "FAILED", _of_file(error)
    if isinstance(error, UnicodeEncodeError):
        return MISUSED, "USAGE", f"{error.object!r} is not valid UTF-8"
    if _is_of_the_store(error):
        return FAILED, "NOSTORE", f"no store: {error}"
    return None


def _of_file(error: OSError) -> str:
    """Return a message such as `cannot open jobs.jsonl: No such file or directory`."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"cannot open {error.filename}: {error.strerror}"


def _exit_code_of(error: QlessError) -> int:
    if isinstance(error, JobNotFoundError | BatchNotFoundError | WebhookNotFoundError):
        return NOT_FOUND
    is_misuse = isinstance(error, _MISUSES) and not isinstance(error, _NO_MISUSES)
    return MISUSED if is_misuse else FAILED


def _name_of(error: QlessError) -> str:
    """Return the code of an error, or of its closest base class that has one."""
    kinds = (kind for kind in type(error).__mro__ if issubclass(kind, QlessError))
    named = (kind.__dict__.get("code") for kind in kinds)
    return next(filter(None, named), "NOSTORE" if isinstance(error, StoreError) else "FAILED")


def _is_of_the_store(error: Exception) -> bool:
    from redis.exceptions import RedisError  # noqa: PLC0415 - loaded by then, if it is one

    return isinstance(error, RedisError)


def _say(name: str, text: str, *, is_json: bool) -> None:
    line = safe(" ".join(text.split()))
    if is_json:
        line = json.dumps({"error": name, "message": line})
    with contextlib.suppress(OSError):  # Standard error may be closed.
        click.echo(line if is_json else f"Error: {line}", err=True)
