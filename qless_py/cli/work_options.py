"""The options of `qless-py work`, and the kinds of values that only they have."""

from __future__ import annotations

import os
import re
from typing import Any, Final

import click

from qless_py.cli.params import SPAN, Type
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments

_PATTERN: Final = re.compile(r"!?[A-Za-z0-9_*][A-Za-z0-9_.:@~+*-]{0,127}", re.ASCII)
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_OFF: Final = ("", "0", "false", "no", "off")
_RESERVERS: Final = {
    "ordered": "ordered",
    "roundrobin": "round-robin",
    "shuffledroundrobin": "shuffled",
}


class QueuePattern(Type):
    """A queue or a pattern, excluded by a leading `!`; in the environment several, with commas."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        if not isinstance(value, str) or not _PATTERN.fullmatch(value):
            self.fail(f"{value!r} is neither a queue nor a pattern such as mail-*", param, ctx)
        return value

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split at commas, as the workers of the Ruby qless do, and at spaces."""
        return [part for part in re.split(r"[,\s]+", rv) if part]


class Weight(QueuePattern):
    """A queue and its weight: `mail=3`."""

    name = "weight"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the queue and the weight."""
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
            self.fail(f"{value!r} is not a size such as 200M", param, ctx)
        return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])


class Reserver(Type):
    """The name of a reserver, also as in the Ruby qless, or MODULE:CLASS."""

    name = "order"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name that a worker knows."""
        del param, ctx
        return _RESERVERS.get(str(value).lower(), str(value))


class IsolationOption(click.Option):
    """An option that RUN_AS_SINGLE_PROCESS sets, too."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Prefer the variable of qless-py."""
        is_single = os.environ.get("RUN_AS_SINGLE_PROCESS", "").lower() not in _OFF
        return super().resolve_envvar_value(ctx) or ("none" if is_single else None)


class LogLevelOption(click.Option):
    """An option that VERBOSE and VVERBOSE set, too."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Prefer the variable of qless-py."""
        own = super().resolve_envvar_value(ctx)
        levels_from_env = [
            level
            for name, level in (("VVERBOSE", "debug"), ("VERBOSE", "info"))
            if os.environ.get(name, "").lower() not in _OFF
        ]
        return own or next(iter(levels_from_env), None)


def _checked_imports(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> Any:
    for one in value:
        try:
            arguments.line("module", one)
        except BadArgumentError as error:
            raise click.BadParameter(str(error)) from error
    return value


OPTIONS: Final = (
    click.option(
        "-q",
        "--queue",
        "queues",
        type=QueuePattern(),
        multiple=True,
        envvar=["QLESS_PY_WORK_QUEUES", "QLESS_PY_QUEUES", "QUEUES", "QUEUE"],
        help="A queue or a pattern such as mail-*; a leading ! excludes it. May be repeated.",
    ),
    click.option(
        "--import",
        "imports",
        multiple=True,
        metavar="MODULE",
        callback=_checked_imports,
        help="Allow handlers of this module and its submodules. May be repeated.",
    ),
    click.option("--allow-any", is_flag=True, help="Allow every handler that a job names."),
    click.option(
        "-I",
        "--path",
        "paths",
        multiple=True,
        metavar="FOLDER",
        help="Add to the import path. May be repeated.",
    ),
    click.option(
        "-n",
        "--children",
        type=click.IntRange(min=1),
        help="How many processes run jobs, by default one per CPU.",
    ),
    click.option(
        "-c",
        "--concurrency",
        type=click.IntRange(1, 10_000),
        default=1,
        show_default=True,
        help="How many jobs a child runs at once (at most 100): threads, or tasks of async "
        "handlers. With --http: how many requests the worker sends at once, by default 200.",
    ),
    click.option(
        "--isolation",
        cls=IsolationOption,
        type=click.Choice(["child", "job", "none"]),
        default="child",
        show_default=True,
        help="Long-lived children, a process for each job, or a single process.",
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
        help="The weight of a queue with --reserver weighted. May be repeated.",
    ),
    click.option(
        "--interval",
        type=SPAN,
        envvar=["QLESS_PY_WORK_INTERVAL", "INTERVAL"],
        default=2.0,
        show_default=True,
        help="Maximum time between two polls for jobs.",
    ),
    click.option(
        "--grace",
        type=SPAN,
        default=25.0,
        show_default=True,
        help="How long running jobs may take after TERM or INT.",
    ),
    click.option(
        "--restart-grace",
        type=SPAN,
        help="How long jobs of old code may take after a restart, by default any time; 0 releases "
        "them at once.",
    ),
    click.option("-b", "--burst", is_flag=True, help="Exit once no job is ready."),
    click.option(
        "--batch",
        type=click.IntRange(1, 100),
        default=50,
        show_default=True,
        help="How many short jobs a child may pop at once.",
    ),
    click.option(
        "--max-jobs", type=click.IntRange(min=1), help="Replace a child after this many jobs."
    ),
    click.option(
        "--max-memory", type=Size(), help="Replace a child with more memory, between jobs: 200M."
    ),
    click.option("--max-age", type=SPAN, help="Replace a child after this time."),
    click.option("--soft-limit", type=SPAN, help="Raise SoftLimitError in a job after this time."),
    click.option(
        "--hard-limit",
        type=SPAN,
        default=3600.0,
        show_default=True,
        help="Kill a job after this time; 0 for never.",
    ),
    click.option(
        "--kill-interval",
        type=SPAN,
        default=2.0,
        show_default=True,
        help="How long a process may take after SIGTERM before SIGKILL.",
    ),
    click.option(
        "--frozen-limit",
        type=SPAN,
        default=60.0,
        show_default=True,
        help="Kill a child that neither responds nor uses the CPU for this time.",
    ),
    click.option("--http", is_flag=True, help="Send the requests of http jobs, and run no code."),
    click.option(
        "--allow-target",
        "allow_targets",
        multiple=True,
        metavar="TARGET",
        help="With --http, also reach this network or HOST:PORT. May be repeated.",
    ),
    click.option(
        "--deny-target",
        "deny_targets",
        multiple=True,
        metavar="TARGET",
        help="With --http, never reach this network or host. May be repeated.",
    ),
    click.option("--https-only", is_flag=True, help="With --http, refuse http:// URLs."),
    click.option(
        "--signing-key",
        "signing_keys",
        multiple=True,
        metavar="KEY",
        help="With --http, sign requests with this key, whsec_...; two while one is replaced. "
        "Better set in the settings file or QLESS_PY_WORK_SIGNING_KEYS.",
    ),
    click.option("--exec", "execute", metavar="COMMAND", help="Run this program for each job."),
    click.option("--shell", is_flag=True, help="Run the command of --exec in a shell."),
    click.option(
        "--run", "run_file", metavar="FILE[:CLASS]", help="Run a class in a file for each job."
    ),
    click.option(
        "--dispatch", metavar="MODULE:NAME", help="The routes that choose the handler of a job."
    ),
    click.option(
        "--argument",
        "arguments",
        multiple=True,
        metavar="WORD",
        help="An argument of --exec or --run, as those after --. May be repeated.",
    ),
    click.option("--retry-wait", type=SPAN, help="Run a failed program again after this time."),
    click.option(
        "--expire", type=SPAN, help="With --retry-wait, give up when the job is this old."
    ),
    click.option("--kill-timeout", type=SPAN, help="Stop a program after this time."),
    click.option(
        "--middleware",
        multiple=True,
        metavar="NAME",
        help="A middleware around each job. May be repeated.",
    ),
    click.option("--preload", is_flag=True, help="Import the modules before forking."),
    click.option("--watch", is_flag=True, help="Replace the children when a source file changes."),
    click.option(
        "--sandbox",
        metavar="FOLDER",
        help="Run each job in an empty folder of its own below this one.",
    ),
    click.option(
        "--probe", metavar="ADDRESS", help="Serve health and metrics on a port or Unix socket."
    ),
    click.option(
        "--otel",
        is_flag=True,
        help="Export spans of jobs by OpenTelemetry, as the OTEL_ variables say.",
    ),
    click.option(
        "--name",
        help="The name of this worker, by default its host, process id and six digits.",
    ),
    click.option("--pidfile", metavar="PATH", help="Write the process id to this file."),
    click.option("-d", "--daemon", is_flag=True, help="Run in the background."),
    click.option("--log-file", metavar="PATH", help="Write the log here; the file may be rotated."),
    click.option(
        "--log-format",
        type=click.Choice(["human", "json"]),
        default="human",
        show_default=True,
        help="Text, or a JSON object a line.",
    ),
    click.option(
        "--log-level",
        cls=LogLevelOption,
        type=click.Choice(["quiet", "info", "debug"]),
        default="info",
        show_default=True,
        help="Warnings and failures, jobs as well, or everything.",
    ),
    click.option("--quiet", is_flag=True, help="Log warnings only."),
    click.option(
        "--job-log",
        type=click.Choice(["info", "debug", "off"]),
        default="info",
        show_default=True,
        help="The level of a line for each start and end of a job; failures are always logged.",
    ),
)
