"""The executor and the results of jobs, as the worker uses them."""

from __future__ import annotations

from typing import Any, Final

from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.result import Result
from qless_py.worker.options import WorkerOptions

__all__ = ["Handlers", "Verdict", "options", "raised", "refused", "returned"]

Handlers = Executor
Verdict = Result
returned, raised, refused = Result.returned, Result.raised, Result.refused

_SAME: Final = (
    *("imports", "allow_any", "middleware", "soft_limit", "hard_limit", "performer", "retry"),
)


def options(worker: WorkerOptions) -> HandlerOptions:
    """Return the options of a worker that concern its handlers."""
    given: dict[str, Any] = {name: getattr(worker, name) for name in _SAME if hasattr(worker, name)}
    return HandlerOptions(**given)
