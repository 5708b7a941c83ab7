"""How the program ends: exit codes, and one line for whatever a person can get wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from qless_py.errors import (
    BadArgumentError,
    BatchNotFoundError,
    ClockError,
    ConfigError,
    JobNotFoundError,
    QlessError,
    UndecodableDataError,
)

FAILED: Final = 1
MISUSED: Final = 2
NOT_FOUND: Final = 3
INTERRUPTED: Final = 130
# What somebody typed, and what only looks like it.
_MISUSES: Final = (BadArgumentError, ConfigError)
_NO_MISUSES: Final = (UndecodableDataError, ClockError)


class NotFoundError(click.ClickException):
    """What was asked for is not there."""

    exit_code = NOT_FOUND


def exit_code(run: Callable[[], Any]) -> int:  # noqa: PLR0911 - one for each way to end
    """Run something and give the exit code; what went wrong is said on standard error."""
    try:
        code = run()
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx is not None else "qless-py"
        return _say(f"{error.format_message()} ({asked} --help tells more)", MISUSED)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (JobNotFoundError, BatchNotFoundError) as error:
        return _say(str(error), NOT_FOUND)
    except QlessError as error:
        is_misuse = isinstance(error, _MISUSES) and not isinstance(error, _NO_MISUSES)
        return _say(str(error), MISUSED if is_misuse else FAILED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _say(str(error), FAILED)
    except Exception as error:
        if not _is_of_the_store(error):
            raise
        return _say(f"no store: {error}", FAILED)
    return code if isinstance(code, int) else 0


def _is_of_the_store(error: Exception) -> bool:
    from redis.exceptions import RedisError  # noqa: PLC0415 - loaded by then, if it is one

    return isinstance(error, RedisError)


def _say(text: str, code: int) -> int:
    click.echo(f"Error: {' '.join(text.split())}", err=True)
    return code
