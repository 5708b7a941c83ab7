"""`qless-py work`: run a worker."""

from __future__ import annotations

import functools
import importlib.util
import logging
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from qless_py.cli import settings
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext, reported
from qless_py.cli.errors import FAILED, MISUSED, ImportFailedError
from qless_py.cli.params import describe_store
from qless_py.cli.work_options import OPTIONS
from qless_py.errors import BadArgumentError, HandlerNotFoundError, QlessError
from qless_py.store import settings_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from qless_py.app import App
    from qless_py.worker import Worker, WorkerOptions

logger = logging.getLogger(__name__)

_NOT_IN_FILE: Final = ("configure", "words")
# The options that only some programs use; any other combination would ignore them.
_PROGRAM_OPTIONS: Final = {
    "retry_wait": ("execute",),
    "expire": ("execute",),
    "kill_timeout": ("execute", "run_file"),
    "shell": ("execute",),
    "allow_targets": ("http",),
    "deny_targets": ("http",),
    "https_only": ("http",),
    "signing_keys": ("http",),
}
_FLAGS: Final = {
    "execute": "--exec",
    "run_file": "--run",
    "dispatch": "--dispatch",
    "http": "--http",
}
_MAX_IN_CHILD: Final = 100
_REQUESTS: Final = 200  # at once
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
        "qless-py work -q hooks --http --allow-target 10.0.0.0/8",
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
    file (--run), routes (--dispatch), or only HTTP requests (--http). WORDs are further arguments
    of the program, or of the file, which finds them in sys.argv.

    Signals: TERM and INT stop popping, let running jobs finish for the time of --grace, then
    release them; a second one releases at once. QUIT waits for running jobs. USR1 kills running
    jobs. USR2 makes the worker quiet: it pops no jobs until CONT. HUP restarts with new code and
    settings while running jobs finish, for the time of --restart-grace. TTIN logs the stacks of
    each process.
    """
    from qless_py.handlers import logs  # noqa: PLC0415 - help needs no worker

    # Jobs name modules of the project in the current folder.
    sys.path[:0] = [*given["paths"], os.getcwd()]  # noqa: PTH109 - the import system takes texts
    words = words or given["arguments"]
    try:
        _check(cli, given, words)
    except ImportFailedError as error:
        if _log_format(cli, given) != "json":
            raise
        logs.configure(logging.WARNING, "json", given["log_file"])
        # The traceback begins with the code of the application.
        event = logs.Event(f"cannot start: {error.message}", details=error.traceback)
        logger.error(event)  # noqa: TRY400 - with that traceback
        return MISUSED
    if configure is not None:
        values = {**settings.chosen(click.get_current_context()), "arguments": words}
        text = settings.text(cli, "work", work.keys(), values, _NOT_IN_FILE)
        settings.write(configure, text, force=False)
        cli.out.answer({"path": str(configure)}, lambda: cli.out.line(f"{configure} written"))
        return 0
    return _run(cli, given, words)


def _log_format(cli: CliContext, given: dict[str, Any]) -> str:
    return "json" if cli.is_json else str(given["log_format"])


def _run(cli: CliContext, given: dict[str, Any], words: tuple[str, ...]) -> int:
    from qless_py.handlers import logs  # noqa: PLC0415 - help needs no worker
    from qless_py.worker import Worker, WorkerOptions, daemonize, reexec  # noqa: PLC0415

    level = "quiet" if given["quiet"] else given["log_level"]
    # A program that replaces another one has printed this before.
    is_announced = level == "quiet" or reexec.is_trial() or reexec.is_reexec()

    store = describe_store(cli.url)  # Before a client finds the store, which would log it, too.
    form = _log_format(cli, given)
    if cli.app is not None and cli.app.logging is not None:
        cli.app.set_up_logging()
    else:
        logs.configure(_LEVELS[level], form, given["log_file"], owns_process=True)
        logs.keep()  # The module of an App may have configured logging before this.

    def announce() -> None:
        nonlocal is_announced
        if not is_announced:
            is_announced = True
            lines = [store]
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
            **_sizes(given),
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
        if given["otel"]:
            _trace(options)
        worker = Worker(options)
    except (BadArgumentError, HandlerNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    if given["daemon"]:
        announce()  # A daemon has no terminal.
        daemonize(given["log_file"])
    return _run_reported(worker, announce) if form == "json" else worker.run(announce)


def _run_reported(worker: Worker, announce: Callable[[], None]) -> int:
    """Run a worker; log what prevents its start, since the stream has a format."""
    from redis.exceptions import RedisError  # noqa: PLC0415 - help needs no store

    try:
        return worker.run(announce)
    except (QlessError, RedisError, OSError) as error:
        logger.error("cannot start: %s", error)  # noqa: TRY400 - as one line elsewhere
        return MISUSED if isinstance(error, BadArgumentError) else FAILED


def _trace(options: WorkerOptions) -> None:
    """Trace the jobs of the worker, unless its App does so already."""
    from qless_py import tracing  # noqa: PLC0415 - only with --otel
    from qless_py.protocol import instrumentation  # noqa: PLC0415

    if instrumentation.current is None:
        tracing.instrument(tracing.from_environment)
        tracing.check_environment()
        options.hooks.child_start.append(tracing.start_process)


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
    programs = [name for name in _FLAGS if given[name]]
    if len(programs) > 1:
        raise click.UsageError(
            f"{' and '.join(_FLAGS[name] for name in programs)} exclude each other"
        )
    if not (programs or given["imports"] or given["allow_any"] or _has_handlers(cli.app)):
        raise click.UsageError("no modules whose handlers may run: add --import MODULE")
    _check_http(given)
    _check_words(given, words)
    for name, users in _PROGRAM_OPTIONS.items():
        if given[name] and not any(given[user] for user in users):
            needed = " or ".join(_FLAGS[user] for user in users)
            option = name.removesuffix("s").replace("_", "-")
            raise click.UsageError(f"--{option} needs {needed}")
    for name in given["imports"]:
        _check_module(name, "--import")
    for name in given["middleware"]:
        _check_module(name, "--middleware")


def _check_http(given: dict[str, Any]) -> None:
    if not given["http"]:
        if given["concurrency"] > _MAX_IN_CHILD:
            raise click.UsageError(
                f"--concurrency {given['concurrency']} is over {_MAX_IN_CHILD}, the most that a "
                "child takes; add --children"
            )
        return
    for name, option in (("imports", "--import"), ("allow_any", "--allow-any")):
        if given[name]:
            raise click.UsageError(f"--http runs no handlers: leave out {option}")
    if given["isolation"] == "job":
        raise click.UsageError("--http sends many requests in a process: use --isolation child")
    _sizes(given)


def _sizes(given: dict[str, Any]) -> dict[str, Any]:
    """Return how many children there are, and how many jobs each of them runs at once.

    Requests are spread over as few children as can hold them.
    """
    if not given["http"]:
        children = given["children"] or os.cpu_count() or 1
        return {"children": children, "concurrency": given["concurrency"]}
    source = click.get_current_context().get_parameter_source("concurrency")
    children = 1 if given["isolation"] == "none" else given["children"]
    number = given["concurrency"]
    if source is ParameterSource.DEFAULT:
        number = min(_REQUESTS, _MAX_IN_CHILD * (children or _REQUESTS))
    children = children or math.ceil(number / _MAX_IN_CHILD)
    each = math.ceil(number / children)
    if each > _MAX_IN_CHILD:
        raise click.UsageError(
            f"--concurrency {number} needs {math.ceil(number / _MAX_IN_CHILD)} --children: a child "
            f"sends at most {_MAX_IN_CHILD} requests at once"
        )
    return {"children": children, "concurrency": each}


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


def _requests(given: dict[str, Any]) -> Any:
    from qless_py.push.performer import HttpRequests  # noqa: PLC0415 - help needs no worker
    from qless_py.webhooks.deliveries import Deliveries  # noqa: PLC0415

    performer = HttpRequests(
        allow_targets=given["allow_targets"],
        deny_targets=given["deny_targets"],
        https_only=given["https_only"],
        signing_keys=given["signing_keys"],
    )
    try:
        performer.check()
    except ImportError as error:
        raise click.UsageError(str(error)) from error
    return Deliveries(performer, given["queues"])


def _performer(given: dict[str, Any], words: tuple[str, ...]) -> Any:
    from qless_py.handlers import programs as performers  # noqa: PLC0415 - help needs no worker

    limits = {"kill_timeout": given["kill_timeout"], "kill_interval": given["kill_interval"]}
    if given["http"]:
        return _requests(given)
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
