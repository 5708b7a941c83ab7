"""`qless-py work`: run a worker."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from qless_py.cli import settings_values as config_file
from qless_py.cli.base import command, pass_state
from qless_py.cli.params import describe_store
from qless_py.cli.state import State
from qless_py.cli.work_options import ALL
from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.store import settings_file as configuration

_NOT_IN_FILE: Final = ("configure", "words")
_OF_PROGRAMS: Final = ("retry_wait", "expire", "kill_timeout", "shell")
_LEVELS: Final = {"quiet": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


def _with_options(function: Any) -> Any:
    for option in reversed(ALL):
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
    help="Write a file with these settings, and end.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- WORD...]")
@pass_state
def work(state: State, configure: Path | None, words: tuple[str, ...], **given: Any) -> int:
    """Take jobs and run them, in forked children.

    Which handlers may run must be said: those of the modules in --import, or a program (--exec), a
    class in a file (--run), routes (--dispatch). WORDs are further arguments of the program.

    TERM and INT stop taking jobs, give the running ones the time of --grace, then hand them back; a
    second one does so at once. QUIT waits for the running jobs. USR1 kills the running jobs. USR2
    takes no more jobs until CONT. HUP goes on with new code and settings while running jobs end.
    TTIN prints where each process is.
    """
    # Jobs name modules of the project in whose folder the worker is started.
    sys.path[:0] = [*given["paths"], os.getcwd()]  # noqa: PTH109 - the import system takes texts
    _check(given, words)
    if configure is not None:
        values = config_file.chosen(click.get_current_context())
        own = click.get_current_context().command
        text = config_file.text(state, own, values, _NOT_IN_FILE)  # type: ignore[arg-type]
        config_file.write(configure, text, force=False)
        state.out.answer({"path": str(configure)}, lambda: state.out.line(f"{configure} written"))
        return 0
    return _run(state, given, words)


def _run(state: State, given: dict[str, Any], words: tuple[str, ...]) -> int:
    from qless_py.handlers import logs  # noqa: PLC0415 - help needs no worker
    from qless_py.worker import Worker, WorkerOptions, daemonize, reexec  # noqa: PLC0415

    level = "quiet" if given["quiet"] else given["log_level"]
    # A program that replaces another one has printed this before.
    is_told = level == "quiet" or reexec.is_trial() or reexec.is_reexec()

    def tell() -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            click.echo(describe_store(state.url), err=True)
            if state.configuration.path is not None:
                click.echo(f"Settings: {state.configuration.path}", err=True)

    try:
        options = WorkerOptions(
            queues=given["queues"],
            imports=given["imports"],
            allow_any=given["allow_any"],
            children=given["children"] or os.cpu_count() or 1,
            concurrency=given["concurrency"],
            isolation=given["isolation"],
            reserver=_reserver(given["reserver"], given["queues"]),
            weights=dict(given["weights"]),
            interval=given["interval"],
            url=state.url,
            namespace=state.namespace,
            grace=given["grace"],
            burst=given["burst"],
            batch=given["batch"],
            max_jobs=given["max_jobs"],
            max_memory=given["max_memory"],
            max_age=given["max_age"],
            soft_limit=given["soft_limit"],
            hard_limit=given["hard_limit"] or None,
            kill_interval=given["kill_interval"],
            frozen_limit=given["frozen_limit"],
            watch=given["watch"],
            preload=given["preload"],
            sandbox=given["sandbox"],
            middleware=given["middleware"],
            pidfile=given["pidfile"],
            probe=given["probe"],
            performer=_performer(given, words),
        )
        worker = Worker(options)
    except (BadArgumentError, HandlerNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    form = "json" if state.is_json else given["log_format"]
    logs.configure(_LEVELS[level], form, given["log_file"])
    if given["daemon"]:
        tell()  # Later nobody would see it.
        daemonize(given["log_file"])
    return worker.run(tell)


def _check(given: dict[str, Any], words: tuple[str, ...]) -> None:
    if not given["queues"]:
        raise click.UsageError("name the queues to take jobs from: --queue NAME")
    programs = [name for name in ("execute", "run_file", "dispatch") if given[name]]
    flags = {"execute": "--exec", "run_file": "--run", "dispatch": "--dispatch"}
    if len(programs) > 1:
        raise click.UsageError(f"{' and '.join(flags[name] for name in programs)} exclude another")
    if not (programs or given["imports"] or given["allow_any"]):
        raise click.UsageError("name the modules whose handlers may run: --import MODULE")
    if words and not given["execute"]:
        raise click.UsageError(f"unexpected {words[0]!r}: only --exec takes further words")
    lonely = [name for name in _OF_PROGRAMS if given[name] and not programs]
    if lonely:
        raise click.UsageError(f"--{lonely[0].replace('_', '-')} belongs to --exec or --run")
    for name in given["imports"]:
        _check_module(name, "--import")
    for name in given["middleware"]:
        _check_module(name, "--middleware")


def _check_module(name: str, hint: str) -> None:
    # Only the first part: looking for the rest would import, and the parent runs no job code.
    top = name.partition(".")[0]
    if not all(part.isidentifier() for part in name.split(".")):
        raise click.BadParameter(f"{name!r} is no module name", param_hint=hint)
    if importlib.util.find_spec(top) is None:
        raise click.BadParameter(f"there is no module {top!r}", param_hint=hint)


def _reserver(name: str, queues: tuple[str, ...]) -> Any:
    from qless_py.worker.options import RESERVERS  # noqa: PLC0415 - help needs no worker

    if ":" not in name:
        if name not in RESERVERS:
            told = configuration.unknown("reserver", name, RESERVERS)
            raise click.BadParameter(told, param_hint="--reserver")
        return name
    kind = _imported(name, "--reserver")
    try:
        return kind(queues)
    except TypeError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="--reserver") from error


def _imported(name: str, hint: str) -> Any:
    module, _, attribute = name.partition(":")
    _check_module(module, hint)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{name}: {error}", param_hint=hint) from error


def _performer(given: dict[str, Any], words: tuple[str, ...]) -> Any:
    from qless_py.handlers import programs as performers  # noqa: PLC0415 - help needs no worker

    limits = {"kill_timeout": given["kill_timeout"], "kill_interval": given["kill_interval"]}
    if given["dispatch"]:
        return _imported(given["dispatch"], "--dispatch")
    if given["run_file"]:
        return performers.FileClass.named(given["run_file"], **limits)
    if not given["execute"]:
        return None
    again = {"retry_wait": given["retry_wait"], "expire": given["expire"]}
    if given["shell"]:
        # It was asked for, by whoever wrote the command.
        return performers.Command(given["execute"], shell=True, **again, **limits)  # noqa: S604
    import shlex  # noqa: PLC0415 - only for a program
    import shutil  # noqa: PLC0415

    try:
        argv = [*shlex.split(given["execute"]), *words]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exec") from error
    if argv and shutil.which(argv[0]) is None:
        # Else each job of the queue would be taken only to fail.
        raise click.BadParameter(f"there is no program {argv[0]!r}", param_hint="--exec")
    return performers.Command(argv, **again, **limits)
