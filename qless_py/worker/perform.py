"""How a worker performs a job: what its processes need of what goes on around one.

    handlers = perform.Handlers(perform.options(worker_options))    once in each process
    handlers.is_async(job)          whether to await `arun` in the event loop, or call `run`
    handlers.run(job)               what the handler returns; raises what it raises
    await handlers.arun(job)        the same for `async def`
    handlers.limits(job)            its soft and hard limit in seconds, None where there is none
    perform.returned(job, result)   -> Verdict, whose call is to be sent, if it has one
    perform.raised(job, error)      -> Verdict
    perform.refused(job, error)     -> Verdict, when the store refused the first one

`run` and `arun` make the job the current one, enter the middleware and the soft limit around the
handler, and turn what it raises into `Retry`, `Snooze` or `Discard` as its policies say.
"""

from __future__ import annotations

from typing import Any

from qless_py.handlers.executor import HandlerOptions, Handlers
from qless_py.handlers.result import (
    HandlerNotAllowedError,
    Verdict,
    failed,
    raised,
    refused,
    returned,
)
from qless_py.worker.options import WorkerOptions

__all__ = [
    "HandlerNotAllowedError",
    "HandlerOptions",
    "Handlers",
    "Verdict",
    "failed",
    "options",
    "raised",
    "refused",
    "returned",
]

_SAME = ("imports", "allow_any", "middleware", "soft_limit", "hard_limit", "performer", "retry")


def options(worker: WorkerOptions) -> HandlerOptions:
    """Take what concerns handlers out of what a worker was told."""
    given: dict[str, Any] = {name: getattr(worker, name) for name in _SAME if hasattr(worker, name)}
    return HandlerOptions(**given)
