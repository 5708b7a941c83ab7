"""The command line, `qless-py`."""

from __future__ import annotations

import os
import sys
from typing import Final

import click
from redis.exceptions import RedisError

import qless_py
from qless_py.cli.demo import demo
from qless_py.cli.work import work
from qless_py.errors import QlessError

FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(qless_py.__version__, prog_name="qless-py")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run and inspect a job queue on Redis or Valkey, or on a store of its own.

    Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli.add_command(demo)
cli.add_command(work)


def main() -> None:
    """Run the command line. What a person can get wrong is told in one line, never a traceback."""
    try:
        code = cli.main(prog_name="qless-py", standalone_mode=False)
    except click.UsageError as error:
        asked = error.ctx.command_path if error.ctx is not None else "qless-py"
        _say(f"{error.format_message()} ({asked} --help tells more)")
        sys.exit(MISUSED)
    except click.ClickException as error:
        _say(error.format_message())
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except QlessError as error:
        _say(str(error))
        sys.exit(FAILED)
    except RedisError as error:
        _say(f"no store: {error}")
        sys.exit(FAILED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except OSError as error:
        _say(str(error))
        sys.exit(FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _say(text: str) -> None:
    click.echo(f"Error: {' '.join(text.split())}", err=True)
