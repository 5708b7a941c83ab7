"""The command line, `qless-py`."""

from __future__ import annotations

import atexit
import gc
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from qless_py import package
from qless_py.cli import quick_start  # noqa: F401 - first, before redis-py is imported
from qless_py.cli.base import Root

if TYPE_CHECKING:
    from qless_py.app import App

# In the order of the documentation; each is imported when it is used.
TOPICS: Final = {
    "Putting and running": {
        "put": "qless_py.cli.put:put",
        "pop": "qless_py.cli.pop:pop",
        "peek": "qless_py.cli.pop:peek",
        "work": "qless_py.cli.work:work",
    },
    "Inspecting and changing": {
        "web": "qless_py.cli.web:web",
        "top": "qless_py.cli.top.command:top",
        "queues": "qless_py.cli.queues:queues",
        "queue": "qless_py.cli.queue:queue",
        "jobs": "qless_py.cli.jobs:jobs",
        "job": "qless_py.cli.job:job",
        "canceled": "qless_py.cli.canceled:canceled",
        "operations": "qless_py.cli.operations:operations",
        "failed": "qless_py.cli.failed:failed",
        "workflows": "qless_py.cli.workflows:workflows",
        "batches": "qless_py.cli.batches:batches",
        "recur": "qless_py.cli.recur:recur",
        "throttles": "qless_py.cli.throttles:throttles",
        "users": "qless_py.cli.users:users",
        "workers": "qless_py.cli.workers:workers",
        "tags": "qless_py.cli.tags:tags",
        "tracked": "qless_py.cli.tracked:tracked",
        "deploy": "qless_py.cli.deploys:deploy",
        "deploys": "qless_py.cli.deploys:deploys",
        "stats": "qless_py.cli.stats:stats",
        "metrics": "qless_py.cli.metrics:metrics",
        "autoscale": "qless_py.cli.autoscale:autoscale",
        "listen": "qless_py.cli.listen:listen",
        "audit": "qless_py.cli.audit:audit",
    },
    "Moving jobs": {
        "export": "qless_py.cli.export:export",
        "import": "qless_py.cli.import_jobs:import_command",
        "migrate": "qless_py.cli.migrate:migrate_command",
    },
    "Store and settings": {
        "config": "qless_py.cli.config:config",
        "token": "qless_py.cli.token:token",
        "webhook": "qless_py.cli.webhook:webhook",
        "doctor": "qless_py.cli.doctor:doctor",
        "health": "qless_py.cli.health:health",
        "fsck": "qless_py.cli.fsck:fsck",
        "completion": "qless_py.cli.completion:completion",
    },
    "Trying it out": {
        "demo": "qless_py.cli.demo.command:demo",
        "simulate": "qless_py.cli.simulate:simulate",
    },
}


@click.command(
    cls=Root,
    name="qless-py",
    topics=TOPICS,
    examples=(
        "qless-py demo",
        """qless-py put mail app.SendMail '{"to": "ann@example.org"}'""",
        "qless-py work --queue mail --import app",
        "qless-py jobs 'state:failed age:>5m'",
        "qless-py web",
    ),
    invoke_without_command=True,
    # So that QLESS_PY_WORK_GRACE is an option of `work`.
    context_settings={"auto_envvar_prefix": "QLESS_PY"},
)
@click.version_option(package.__version__, prog_name="qless-py")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run and inspect a job queue on Redis, Valkey or an embedded store.

    Exit codes: 0 success, 1 failure, 2 usage error, 3 not found, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(words: Sequence[str] | None = None, app: App | None = None) -> None:
    """Run the command line and exit. A mistake of the user is one line, never a traceback.

    `words` replace those of the program where another command line contains this one. `app` is the
    App if `--app` names no other.
    """
    _open_streams()
    # Otherwise Python searches all objects for cycles as it exits, in vain: that takes an eighth of
    # the time of a short command.
    atexit.register(gc.freeze)
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_for_people)
    cli.main(words, app=app)


def _open_streams() -> None:
    """Make sure that the standard streams exist and can write any character.

    A closed one is replaced by /dev/null: otherwise a connection would get its descriptor.
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
        # Characters that the terminal cannot encode are written as escapes.
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


def _is_for_people(record: logging.LogRecord) -> bool:
    """Return whether to log a record; advice about the server is left to `doctor` and workers."""
    return record.name != "qless_py.store.server_check"
