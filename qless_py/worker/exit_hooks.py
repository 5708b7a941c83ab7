"""Functions that code of the application has registered with `atexit`, in processes of a worker.

Such a process ends by `os._exit`, which calls none of them: what it inherited belongs to the
process that it was forked from. So each process calls those that were registered in it.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from typing import Final

logger = logging.getLogger(__name__)

# Seconds. Below the time after which a child that should stop is killed.
_TIMEOUT: Final = 1.5
_SENTRY_TIMEOUT: Final = 1.0


def forget_inherited() -> None:
    """Drop, in a new process, the functions that were registered before its fork.

    Among them is that of the Sentry SDK, if the application has set it up by then.
    """
    atexit._clear()  # noqa: SLF001 - there is no other way
    sentry = sys.modules.get("sentry_sdk")
    if sentry is not None:
        atexit.register(sentry.flush, timeout=_SENTRY_TIMEOUT)


def run(timeout: float = _TIMEOUT) -> None:
    """Call what was registered, in the reverse order, for at most `timeout` seconds."""
    if not atexit._ncallbacks():  # noqa: SLF001
        return
    # A thread, because nothing else can be left alone in the middle of whatever it waits for.
    call_all = atexit._run_exitfuncs  # noqa: SLF001
    thread = threading.Thread(target=call_all, name="qless-exit", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        logger.warning("cannot run the atexit functions: %s", error)
        return
    thread.join(timeout)
    if thread.is_alive():
        logger.warning("atexit functions took longer than %g s, exiting without their end", timeout)
