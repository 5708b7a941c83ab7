"""A child: fetches jobs, runs their handlers, and reports the results to the store.

It keeps its status board up to date, from which the supervisor renews its leases and, if it dies,
knows which jobs it held. It exits when the supervisor says so, or when the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
from collections.abc import Iterable, Iterator

from redis.exceptions import RedisError

from qless_py.errors import DeadWorkerError, QlessError
from qless_py.handlers.fork_guard import ForkGuard, ForkSignals
from qless_py.handlers.logs import Event, keep
from qless_py.worker import sandbox, signals, titles
from qless_py.worker.acknowledger import StopWaiting, UnconfirmedFetch
from qless_py.worker.child_context import ChildContext
from qless_py.worker.child_process import SpawnSpec
from qless_py.worker.options import WorkerOptions
from qless_py.worker.pools.concurrent import ConcurrentRunner
from qless_py.worker.pools.processes import ProcessPool
from qless_py.worker.pools.sequential import SequentialRunner
from qless_py.worker.pools.threads import ThreadPool

logger = logging.getLogger(__name__)


def main(options: WorkerOptions, spec: SpawnSpec) -> int:
    """Fetch and run jobs until stopped; return the exit code of the process."""
    signals.enable_stack_dumps(spec.stacks)
    # The supervisor has logged what there is to say about the server.
    logging.getLogger("qless_py.store.server_check").setLevel(logging.ERROR)
    titles.set_title(f"child {spec.worker}")
    # The child before this one may have been killed. Not in the supervisor, since it may take long.
    sandbox.remove_stale(options.sandbox)
    # With a process for each job, that process calls them: connections are not shared by a fork.
    has_hooks = options.isolation != "job"
    if has_hooks and not options.hooks.start_child():
        return 1
    try:
        return _run(options, spec)
    finally:
        if has_hooks:
            options.hooks.stop_child()


def _run(options: WorkerOptions, spec: SpawnSpec) -> int:
    context = ChildContext(options, spec)
    if options.isolation != "job":
        ForkSignals(signals.GROUP, signals.restore_defaults).is_on = True
    # Here and not in the supervisor, which runs no code of handlers and must not start threads.
    import_handlers(options.imports)
    keep()
    try:
        if not _register(context):
            return 1
        # Objects that exist by now stay: the garbage collector need not visit them again.
        gc.freeze()
        with _background(context):
            _runner(context).run()
        context.close()
    except UnconfirmedFetch:
        return 1
    except StopWaiting:
        return int(context.is_fetching_ahead)
    except DeadWorkerError:
        logger.warning(Event("reported dead, a new child replaces it", worker=spec.worker))
        return 1
    return 0


@contextlib.contextmanager
def _background(context: ChildContext) -> Iterator[None]:
    """Let the performer do what it does besides the jobs of this child."""
    begin = getattr(context.options.performer, "begin", None)
    started = None if begin is None else begin(context.client, context.spec.index)
    try:
        yield
    finally:
        if started is not None:
            started.stop()


def import_handlers(names: Iterable[str]) -> None:
    """Import modules; one that cannot be imported is logged, and fails its jobs later."""
    for name in names:
        try:
            with ForkGuard():
                importlib.import_module(name)
        except Exception:
            logger.exception("cannot import %s before its jobs", name)
        except BaseException as error:  # noqa: BLE001 - a module that exits ends no worker
            logger.error("cannot import %s before its jobs: it raises %r", name, error)  # noqa: TRY400


def _register(context: ChildContext) -> bool:
    try:
        context.register()
    except DeadWorkerError:
        raise
    except (QlessError, RedisError) as error:
        # The next child fails in the same way: a traceback of each would add nothing.
        event = Event("cannot register", worker=context.spec.worker, error=error)
        logger.error(event)  # noqa: TRY400
        return False
    return True


def _runner(context: ChildContext) -> SequentialRunner | ConcurrentRunner:
    if context.options.isolation == "job":
        return ConcurrentRunner(context, ProcessPool(context))
    if context.options.concurrency == 1:
        return SequentialRunner(context)
    pool = ThreadPool(
        context.executor, folder=context.options.sandbox, on_start=context.record_hard_limit
    )
    return ConcurrentRunner(context, pool)
