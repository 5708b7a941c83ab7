"""Check everything that a worker's options name before a job can depend on it.

Modules are imported, middleware and routes are looked up, files of `--run` are executed. The
supervisor runs no job code, so it forks a process for the checks before its first child; a program
that is tried before a restart runs them itself, and so does one that preloads.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from qless_py.errors import BadArgumentError
from qless_py.handlers import exceptions, resolve
from qless_py.handlers.hooks import hook_name
from qless_py.handlers.logs import keep
from qless_py.worker import signals
from qless_py.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

_OWN_FRAMES: Final = ("qless_py.worker.preflight", "qless_py.handlers.resolve", "importlib")


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `subject` names the option and its value; `run` raises what is wrong."""

    subject: str
    run: Callable[[], object]


def checks_of(options: WorkerOptions) -> list[Check]:
    """Return the checks of everything that these options name, those of `options.checks` last."""
    checks = [
        Check(f"--import {name}", functools.partial(_import, name)) for name in options.imports
    ]
    checks += [
        Check(f"--middleware {_name(one)}", functools.partial(check_middleware, one))
        for one in options.middleware
    ]
    check = getattr(options.performer, "check", None)
    if callable(check):
        subject = type(options.performer).__name__
        checks.append(Check(subject, functools.partial(check, options.queues)))
    return [*checks, *options.checks]


def checks_of_child(options: WorkerOptions) -> list[Check]:
    """Return the checks for a process of their own, which starts and stops as a child does."""
    hooks = options.hooks
    start = [Check(f"on_child_start {hook_name(one)}", one) for one in hooks.child_start]
    stop = [Check(f"on_child_stop {hook_name(one)}", one) for one in reversed(hooks.child_stop)]
    return [*start, *checks_of(options), *stop]


def passes(checks: Iterable[Check]) -> bool:
    """Run the checks in this process; log the first failure with its traceback."""
    for check in checks:
        try:
            check.run()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a module that exits is a failure, too
            _log(check.subject, error)
            return False
    return True


def passes_apart(checks: Iterable[Check]) -> bool:
    """Run the checks in a forked process, so that nothing is imported into this one."""
    parent = os.getpid()
    signals.load_prctl()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with signals.blocked():
        pid = os.fork()
        if pid == 0:
            _run_and_exit(checks, parent)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def check_middleware(one: Any) -> None:
    """Check that a middleware exists, takes a job, and can be entered."""
    found = resolve.load(one) if isinstance(one, str) else one
    name = _name(one)
    if not callable(found):
        raise BadArgumentError(f"{name} is not callable; a middleware is called with the job")
    try:
        inspect.signature(found).bind(None)
    except TypeError as error:
        raise BadArgumentError(
            f"{name} cannot be called with the job as its only argument: {error}; "
            "name a function or an instance that can"
        ) from None
    except ValueError:  # Some callables written in C do not say what they take.
        return
    is_context = hasattr(found, "__enter__") or hasattr(found, "__aenter__")
    if inspect.isclass(found) and not is_context:
        raise BadArgumentError(f"{name} is a class without __enter__, so not a context manager")


def _run_and_exit(checks: Iterable[Check], parent: int) -> NoReturn:
    code = 1
    try:
        signals.ignore_group_signals()
        signals.die_with_parent(parent)
        code = 0 if passes(checks) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _import(name: str) -> None:
    importlib.import_module(name)


def _name(one: Any) -> str:
    if isinstance(one, str):
        return one
    return getattr(one, "__qualname__", None) or f"of the type {type(one).__qualname__}"


def _log(subject: str, error: BaseException) -> None:
    """Log one line, and the traceback from the first frame of the application on."""
    trace = error.__traceback__
    while trace is not None and _is_own(trace.tb_frame.f_globals.get("__name__", "")):
        trace = trace.tb_next
    details = None if trace is None else (type(error), error, trace)
    keep()  # What was imported may have configured logging.
    logger.error("cannot start: %s: %s", subject, exceptions.line(error), exc_info=details)


def _is_own(module: object) -> bool:
    return isinstance(module, str) and module.startswith(_OWN_FRAMES)
