"""`qless-py work`: run a worker."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from qless_py.cli import settings
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext, reported
from qless_py.cli.params import SPAN, Type, describe_store
from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.protocol import arguments
from qless_py.store import settings_file

if TYPE_CHECKING:
    from qless_py.app import App

logger = logging.getLogger(__name__)

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
        type=click.IntRange(1, 100),
        default=1,
        show_default=True,
        help="How many jobs a child runs at once: threads, or tasks of async handlers.",
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
    click.option("--max-memory", type=Size(), help="Replace a child that uses more memory: 200M."),
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
        "--probe", metavar="ADDRESS", help="Serve /live and /ready on a port or Unix socket."
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
_NOT_IN_FILE: Final = ("configure", "words")
# The options that only some programs use; any other combination would ignore them.
_PROGRAM_OPTIONS: Final = {
    "retry_wait": ("execute",),
    "expire": ("execute",),
    "kill_timeout": ("execute", "run_file"),
    "shell": ("execute",),
}
_LEVELS: Final = {"quiet": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def _with_options(function: Any) -> Any:
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@command(
    "work",
    examples=(
        "qless-py work --queue mail --import app",
        "qless-py work -q urgent -q 'mail-*' -q '!mail-slow' -n 4 --import app.jobs",
        "qless-py work -q mail --exec './send --fast' --kill-timeout 10m",
        "qless-py work -q mail --run tasks.py:Send --burst",
        "qless-py work -q mail --import app --configure qless-py.toml",
    ),
)
@_with_options
@click.option(
    "--configure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a settings file with these options, and exit.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- WORD...]")
@pass_cli
def work(cli: CliContext, configure: Path | None, words: tuple[str, ...], **given: Any) -> int:
    """Run a worker: pop jobs and run them in forked children.

    Choose what may run: handlers in the modules of --import, a program (--exec), a class in a
    file (--run), or routes (--dispatch). WORDs are further arguments of the program, or of the
    file, which finds them in sys.argv.

    Signals: TERM and INT stop popping, let running jobs finish for the time of --grace, then
    release them; a second one releases at once. QUIT waits for running jobs. USR1 kills running
    jobs. USR2 makes the worker quiet: it pops no jobs until CONT. HUP restarts with new code and
    settings while running jobs finish, for the time of --restart-grace. TTIN logs the stacks of
    each process.
    """
    # Jobs name modules of the project in the current folder.
    sys.path[:0] = [*given["paths"], os.getcwd()]  # noqa: PTH109 - the import system takes texts
    words = words or given["arguments"]
    _check(cli, given, words)
    if configure is not None:
        values = {**settings.chosen(click.get_current_context()), "arguments": words}
        text = settings.text(cli, "work", work.keys(), values, _NOT_IN_FILE)
        settings.write(configure, text, force=False)
        cli.out.answer({"path": str(configure)}, lambda: cli.out.line(f"{configure} written"))
        return 0
    return _run(cli, given, words)


def _run(cli: CliContext, given: dict[str, Any], words: tuple[str, ...]) -> int:
    from qless_py.handlers import logs  # noqa: PLC0415 - help needs no worker
    from qless_py.worker import Worker, WorkerOptions, daemonize, reexec  # noqa: PLC0415

    level = "quiet" if given["quiet"] else given["log_level"]
    # A program that replaces another one has printed this before.
    is_announced = level == "quiet" or reexec.is_trial() or reexec.is_reexec()

    form = "json" if cli.is_json else given["log_format"]
    if cli.app is not None and cli.app.logging is not None:
        cli.app.set_up_logging()
    else:
        logs.configure(_LEVELS[level], form, given["log_file"], owns_process=True)
        logs.keep()  # The module of an App may have configured logging before this.

    def announce() -> None:
        nonlocal is_announced
        if not is_announced:
            is_announced = True
            lines = [describe_store(cli.url)]
            if cli.configuration.path is not None:
                lines.append(f"Settings: {cli.configuration.path}")
            for line in lines:
                if form == "json":  # Nothing else may be on the stream.
                    logger.info(line)
                else:
                    click.echo(line, err=True)

    try:
        make = WorkerOptions if cli.app is None else cli.app.worker_options
        options = make(
            queues=given["queues"],
            imports=given["imports"],
            allow_any=given["allow_any"],
            children=given["children"] or os.cpu_count() or 1,
            concurrency=given["concurrency"],
            isolation=given["isolation"],
            reserver=_reserver(given["reserver"], given["queues"]),
            weights=dict(given["weights"]),
            interval=given["interval"],
            url=cli.url,
            namespace=cli.namespace,
            grace=given["grace"],
            burst=given["burst"],
            batch=given["batch"],
            max_jobs=given["max_jobs"],
            max_memory=given["max_memory"],
            max_age=given["max_age"],
            kill_interval=given["kill_interval"],
            frozen_limit=given["frozen_limit"],
            watch=given["watch"],
            # The module of an App is imported here, so new code needs a new program.
            preload=given["preload"] or (given["watch"] and cli.app is not None),
            sandbox=given["sandbox"],
            middleware=given["middleware"],
            pidfile=given["pidfile"],
            probe=given["probe"],
            job_log=given["job_log"],
            name=given["name"],
            restart_grace=given["restart_grace"],
            performer=_performer(given, words),
            **_limits(cli, given),
        )
        worker = Worker(options)
    except (BadArgumentError, HandlerNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    if given["daemon"]:
        announce()  # A daemon has no terminal.
        daemonize(given["log_file"])
    return worker.run(announce)


def _limits(cli: CliContext, given: dict[str, Any]) -> dict[str, Any]:
    """Return the limits; a default of the command line does not override one of the App."""
    context = click.get_current_context()
    return {
        name: given[name] or None
        for name in ("soft_limit", "hard_limit")
        if cli.app is None or context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }


def _check(cli: CliContext, given: dict[str, Any], words: tuple[str, ...]) -> None:
    if not given["queues"] and cli.app is not None:
        given["queues"] = _queues_of(cli.app)
    if not given["queues"]:
        raise click.UsageError("no queues to pop jobs from: add --queue NAME")
    flags = {"execute": "--exec", "run_file": "--run", "dispatch": "--dispatch"}
    programs = [name for name in flags if given[name]]
    if len(programs) > 1:
        raise click.UsageError(
            f"{' and '.join(flags[name] for name in programs)} exclude each other"
        )
    if not (programs or given["imports"] or given["allow_any"] or _has_handlers(cli.app)):
        raise click.UsageError("no modules whose handlers may run: add --import MODULE")
    _check_words(given, words)
    for name, users in _PROGRAM_OPTIONS.items():
        if given[name] and not any(given[user] for user in users):
            needed = " or ".join(flags[user] for user in users)
            raise click.UsageError(f"--{name.replace('_', '-')} needs {needed}")
    for name in given["imports"]:
        _check_module(name, "--import")
    for name in given["middleware"]:
        _check_module(name, "--middleware")


def _has_handlers(app: App | None) -> bool:
    return app is not None and bool(app.imports or app.tasks)


def _queues_of(app: App) -> tuple[str, ...]:
    """Return the queues of the jobs of an App; only its modules say which jobs there are."""
    from qless_py.app import import_module  # noqa: PLC0415 - help needs no worker

    for name in app.imports:
        reported(import_module, name)
    return app.queues


def _check_words(given: dict[str, Any], words: tuple[str, ...]) -> None:
    if words and not (given["execute"] or given["run_file"]):
        raise click.UsageError(
            f"unexpected {words[0]!r}: only --exec and --run take further arguments"
        )
    if words and given["shell"]:
        raise click.UsageError("--shell takes no further arguments: write them into the command")


def _check_module(name: str, hint: str) -> None:
    # Only the top package: a search for the rest imports it, and the supervisor runs no job code.
    top = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise click.BadParameter(f"{name!r} is not a module name", param_hint=hint)
    if importlib.util.find_spec(top) is None:
        raise click.BadParameter(f"module {top!r} not found", param_hint=hint)


def _reserver(name: str, queues: tuple[str, ...]) -> Any:
    from qless_py.worker.options import RESERVERS  # noqa: PLC0415 - help needs no worker

    if ":" not in name:
        if name not in RESERVERS:
            message = settings_file.unknown("reserver", name, RESERVERS)
            raise click.BadParameter(message, param_hint="--reserver")
        return name
    kind = _imported(name, "--reserver")
    try:
        return kind(queues)
    except TypeError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="--reserver") from error


def _imported(name: str, hint: str) -> Any:
    from qless_py.worker import preflight  # noqa: PLC0415 - help needs no worker

    module, _, attribute = name.partition(":")
    _check_module(module, hint)
    load = functools.partial(importlib.import_module, module)
    # It logs a failure with the traceback.
    if not preflight.passes([preflight.Check(f"{hint} {name}", load)]):
        raise click.exceptions.Exit(1)
    try:
        return getattr(load(), attribute)
    except AttributeError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint=hint) from error


def _performer(given: dict[str, Any], words: tuple[str, ...]) -> Any:
    from qless_py.handlers import programs as performers  # noqa: PLC0415 - help needs no worker

    limits = {"kill_timeout": given["kill_timeout"], "kill_interval": given["kill_interval"]}
    if given["dispatch"]:
        return _imported(given["dispatch"], "--dispatch")
    if given["run_file"]:
        return performers.FileClass.named(given["run_file"], words=words, **limits)
    if not given["execute"]:
        return None
    again = {"retry_wait": given["retry_wait"], "expire": given["expire"]}
    if given["shell"]:
        # Requested with --shell.
        return performers.Command(given["execute"], shell=True, **again, **limits)  # noqa: S604
    import shlex  # noqa: PLC0415 - only for a program
    import shutil  # noqa: PLC0415

    try:
        argv = [*shlex.split(given["execute"]), *words]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exec") from error
    if argv and shutil.which(argv[0]) is None:
        # Otherwise every job of the queue would fail.
        raise click.BadParameter(f"program {argv[0]!r} not found", param_hint="--exec")
    return performers.Command(argv, **again, **limits)
