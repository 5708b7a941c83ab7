"""The command line, `qless-py`."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Final

import click

import qless_py
from qless_py.cli.frame import Root

# By topic, in the order of the documents; each is imported when it is wanted.
COMMANDS: Final = {
    name: f"qless_py.cli.{where}"
    for name, where in {
        "put": "put:put",
        "pop": "take:pop",
        "peek": "take:peek",
        "work": "work:work",
        "web": "web:web",
        "listen": "listen:listen",
        "demo": "demo:demo",
        "simulate": "simulate:simulate",
        "queues": "queues:queues",
        "queue": "queues:queue",
        "jobs": "jobs:jobs",
        "job": "job:job",
        "operations": "operations:operations",
        "failed": "failed:failed",
        "recur": "recur:recur",
        "throttles": "throttles:throttles",
        "users": "throttles:users",
        "workers": "workers:workers",
        "tags": "marks:tags",
        "tracked": "marks:tracked",
        "config": "config:config",
        "stats": "stats:stats",
        "fsck": "fsck:fsck",
        "doctor": "doctor:doctor",
        "completion": "completion:completion",
    }.items()
}


@click.command(
    cls=Root,
    name="qless-py",
    lazy=COMMANDS,
    invoke_without_command=True,
    # So that QLESS_PY_WORK_GRACE is an option of `work`.
    context_settings={"auto_envvar_prefix": "QLESS_PY"},
)
@click.version_option(qless_py.__version__, prog_name="qless-py")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run and inspect a job queue on Redis or Valkey, or on a store of its own.

    Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line. What a person can get wrong is told in one line, never a traceback."""
    _open_streams()
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_for_people)
    cli.main()


def _open_streams() -> None:
    """Make standard streams that can be written to.

    Those that were closed are stood in for: else a connection gets their numbers.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
    for output in (sys.stdout, sys.stderr):
        # What the terminal has no letters for is written as what it is called.
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


def _is_for_people(record: logging.LogRecord) -> bool:
    """Leave what a server could do better to `doctor` and to the logs of workers."""
    return record.name != "qless_py.store.check"
