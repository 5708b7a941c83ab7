"""The options of `qless-py work`, with the variables that the qless of Ruby knows."""

from __future__ import annotations

import os
import re
from typing import Any, Final

import click

from qless_py.cli.names import Type
from qless_py.cli.params import SPAN
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as options

_PATTERN: Final = re.compile(r"!?[A-Za-z0-9_*][A-Za-z0-9_.:@~+*-]{0,127}", re.ASCII)
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_OFF: Final = ("", "0", "false", "no", "off")
_RESERVERS: Final = {
    "ordered": "ordered",
    "roundrobin": "round-robin",
    "shuffledroundrobin": "shuffled",
}


class Queues(Type):
    """A queue, a pattern, or either behind a `!`; in the environment several, with commas."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        if not isinstance(value, str) or not _PATTERN.fullmatch(value):
            self.fail(f"{value!r} is neither a queue nor a pattern such as mail-*", param, ctx)
        return value

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split at commas, as the workers of qless do, and at spaces."""
        return [part for part in re.split(r"[,\s]+", rv) if part]


class Weight(Queues):
    """A queue and how often it comes first, beside others: `mail=3`."""

    name = "weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the queue and the weight."""
        if not isinstance(value, str):
            return value
        queue, _, weight = value.partition("=")
        try:
            return super().convert(queue, param, ctx), float(weight)
        except ValueError:
            self.fail(f"{value!r} is not of the form QUEUE=NUMBER", param, ctx)


class Size(Type):
    """A number of bytes: 200M, 1.5G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number with or without a unit; M is 1024 times 1024."""
        found = _SIZE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no size such as 200M", param, ctx)
        return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


class Reserver(Type):
    """The name of an order, as ours or as in the qless of Ruby, or MODULE:CLASS."""

    name = "order"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the name that a worker knows."""
        del param, ctx
        return _RESERVERS.get(str(value).lower(), str(value))


class Single(click.Option):
    """An option that RUN_AS_SINGLE_PROCESS can set as well."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Take our own variable first."""
        is_single = os.environ.get("RUN_AS_SINGLE_PROCESS", "").lower() not in _OFF
        return super().resolve_envvar_value(ctx) or ("none" if is_single else None)


class Level(click.Option):
    """An option that VERBOSE and VVERBOSE can set as well."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Take our own variable first."""
        own = super().resolve_envvar_value(ctx)
        loud = [
            level
            for name, level in (("VVERBOSE", "debug"), ("VERBOSE", "info"))
            if os.environ.get(name, "").lower() not in _OFF
        ]
        return own or next(iter(loud), None)


def _checked_imports(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> Any:
    for one in value:
        try:
            options.line("module", one)
        except BadArgumentError as error:
            raise click.BadParameter(str(error)) from error
    return value


ALL: Final = (
    click.option(
        "-q",
        "--queue",
        "queues",
        type=Queues(),
        multiple=True,
        envvar=["QLESS_PY_WORK_QUEUES", "QLESS_PY_QUEUES", "QUEUES", "QUEUE"],
        help="A queue, a pattern as mail-*, or either behind a ! not to take it. May be repeated.",
    ),
    click.option(
        "--import",
        "imports",
        multiple=True,
        metavar="MODULE",
        callback=_checked_imports,
        help="Run handlers of this module and of those below it. May be repeated.",
    ),
    click.option("--allow-any", is_flag=True, help="Run whatever handler a job names."),
    click.option(
        "-I", "--path", "paths", multiple=True, metavar="FOLDER", help="Look for modules here, too."
    ),
    click.option(
        "-n",
        "--children",
        type=click.IntRange(min=1),
        help="How many processes run jobs, by default one per processor.",
    ),
    click.option(
        "-c",
        "--concurrency",
        type=click.IntRange(1, 100),
        default=1,
        show_default=True,
        help="How many jobs each runs at once: threads, or tasks of async handlers.",
    ),
    click.option(
        "--isolation",
        cls=Single,
        type=click.Choice(["child", "job", "none"]),
        default="child",
        show_default=True,
        help="Long-lived children, a process for each job, or one process for all.",
    ),
    click.option(
        "--reserver",
        type=Reserver(),
        envvar=["QLESS_PY_WORK_RESERVER", "JOB_RESERVER"],
        default="ordered",
        show_default=True,
        help="ordered, round-robin, shuffled, weighted, or MODULE:CLASS.",
    ),
    click.option(
        "--weight",
        "weights",
        type=Weight(),
        multiple=True,
        metavar="QUEUE=NUMBER",
        help="How often a queue comes first with --reserver weighted. May be repeated.",
    ),
    click.option(
        "--interval",
        type=SPAN,
        envvar=["QLESS_PY_WORK_INTERVAL", "INTERVAL"],
        default=2.0,
        show_default=True,
        help="The longest wait before the store is asked again.",
    ),
    click.option(
        "--grace",
        type=SPAN,
        default=25.0,
        show_default=True,
        help="How long running jobs get after TERM or INT.",
    ),
    click.option("-b", "--burst", is_flag=True, help="Leave when nothing is left to take."),
    click.option(
        "--batch",
        type=click.IntRange(1, 100),
        default=50,
        show_default=True,
        help="The most short jobs that a child takes at once.",
    ),
    click.option("--max-jobs", type=click.IntRange(min=1), help="Replace a child after these."),
    click.option("--max-memory", type=Size(), help="Replace a child that takes more: 200M."),
    click.option("--max-age", type=SPAN, help="Replace a child after that long."),
    click.option("--soft-limit", type=SPAN, help="A job gets an exception after that long."),
    click.option(
        "--hard-limit",
        type=SPAN,
        default=3600.0,
        show_default=True,
        help="A job is ended after that long; 0 is never.",
    ),
    click.option(
        "--kill-interval",
        type=SPAN,
        default=2.0,
        show_default=True,
        help="How long a process that was told to stop has until it is killed.",
    ),
    click.option(
        "--frozen-limit",
        type=SPAN,
        default=60.0,
        show_default=True,
        help="A child that neither answers nor computes is killed after that long.",
    ),
    click.option("--exec", "execute", metavar="COMMAND", help="Run this program for each job."),
    click.option("--shell", is_flag=True, help="Give the command of --exec to the shell."),
    click.option(
        "--run", "run_file", metavar="FILE[:CLASS]", help="Run a class in a file for each job."
    ),
    click.option("--dispatch", metavar="MODULE:NAME", help="Routes that say what performs a job."),
    click.option("--retry-wait", type=SPAN, help="Run a failed program again after that long."),
    click.option("--expire", type=SPAN, help="With --retry-wait, until the job is so old."),
    click.option("--kill-timeout", type=SPAN, help="End a program that runs so long."),
    click.option(
        "--middleware", multiple=True, metavar="NAME", help="Enter it around each job. Repeatable."
    ),
    click.option("--preload", is_flag=True, help="Import the modules before forking."),
    click.option("--watch", is_flag=True, help="Replace the children when a source file changes."),
    click.option(
        "--sandbox", metavar="FOLDER", help="Give each job an empty folder of its own in this one."
    ),
    click.option("--probe", metavar="ADDRESS", help="Answer /live and /ready: port or socket."),
    click.option("--pidfile", metavar="PATH", help="Hold the process id while the worker runs."),
    click.option("-d", "--daemon", is_flag=True, help="Go on in the background."),
    click.option("--log-file", metavar="PATH", help="It may be moved away at any time."),
    click.option(
        "--log-format",
        type=click.Choice(["human", "json"]),
        default="human",
        show_default=True,
        help="Lines for people, or an object a line.",
    ),
    click.option(
        "--log-level",
        cls=Level,
        type=click.Choice(["quiet", "info", "debug"]),
        default="info",
        show_default=True,
        help="Warnings only, what happens, or everything.",
    ),
    click.option("--quiet", is_flag=True, help="Say warnings only."),
)
