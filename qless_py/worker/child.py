"""A child: takes jobs, has their handlers run, tells the store what came of them.

It keeps its board up to date, from which its parent renews its leases and, should it die, knows
which jobs it was at. It ends when told by its parent, or when its parent is gone.
"""

from __future__ import annotations

import gc
import logging

from redis.exceptions import RedisError

from qless_py.errors import DeadWorkerError, QlessError
from qless_py.handlers.fork_guard import ForkSignals
from qless_py.worker import preloading, sandbox, signals, titles
from qless_py.worker.acknowledger import Leave, Unsettled
from qless_py.worker.child_context import Desk
from qless_py.worker.child_process import Birth
from qless_py.worker.options import WorkerOptions
from qless_py.worker.pools.concurrent import Crowd
from qless_py.worker.pools.processes import Processes
from qless_py.worker.pools.sequential import Serial
from qless_py.worker.pools.threads import Threads

logger = logging.getLogger(__name__)


def live(options: WorkerOptions, birth: Birth) -> int:
    """Be a child until told to stop; gives the exit code of the process."""
    signals.dump_stacks()
    titles.show(f"child {birth.worker}")
    # Here, as the one before may have been killed, and not in the parent, as it may take long.
    sandbox.clear(options.sandbox)
    desk = Desk(options, birth)
    if options.isolation == "job":
        preloading.load(options.imports)
    else:
        ForkSignals(signals.GROUP, signals.restore).is_on = True
    try:
        if not _is_registered(desk):
            return 1
        # What is there now stays: the collector need not go through it again and again.
        gc.freeze()
        _runner(desk).run()
        desk.close()
    except Unsettled:
        return 1
    except Leave:
        pass
    except DeadWorkerError:
        logger.warning("%s was reported dead; a new process takes over", birth.worker)
        return 1
    return 0


def _is_registered(desk: Desk) -> bool:
    try:
        desk.open()
    except DeadWorkerError:
        raise
    except (QlessError, RedisError) as error:
        # The next child fails in the same way; a traceback of each would say nothing more.
        logger.error("%s cannot be registered: %s", desk.birth.worker, error)  # noqa: TRY400
        return False
    return True


def _runner(desk: Desk) -> Serial | Crowd:
    if desk.options.isolation == "job":
        return Crowd(desk, Processes(desk))
    return Serial(desk) if desk.options.concurrency == 1 else Crowd(desk, Threads(desk))
