"""Functions of the application that a worker calls when it and its children start and stop."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qless_py.errors import BadArgumentError

logger = logging.getLogger(__name__)

Hook = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Hooks:
    """Start hooks run in their order, stop hooks in the reverse one.

    Those of the worker run in the supervisor, those of a child in each process that runs jobs.
    """

    worker_start: list[Hook] = field(default_factory=list)
    worker_stop: list[Hook] = field(default_factory=list)
    child_start: list[Hook] = field(default_factory=list)
    child_stop: list[Hook] = field(default_factory=list)

    def start_worker(self) -> bool:
        """Run the hooks before the first fork; log a failure, and return whether all succeeded."""
        return _start(self.worker_start, "worker")

    def stop_worker(self) -> None:
        """Run the hooks at the end of the supervisor."""
        _stop(self.worker_stop, "worker")

    def start_child(self) -> bool:
        """Run the hooks before the first job; log a failure, and return whether all succeeded."""
        return _start(self.child_start, "child")

    def stop_child(self) -> None:
        """Run the hooks after the last job."""
        _stop(self.child_stop, "child")


def check_hook(hook: Any) -> None:
    """Raise `BadArgumentError` unless this can be called without arguments."""
    name = hook_name(hook)
    if not callable(hook):
        raise BadArgumentError(f"hook {name} is not callable")
    if inspect.iscoroutinefunction(hook):
        raise BadArgumentError(f"hook {name} is async def: use a def that calls asyncio.run")
    try:
        inspect.signature(hook).bind()
    except TypeError as error:
        raise BadArgumentError(f"hook {name} is called without arguments: {error}") from None
    except ValueError:
        return  # Some callables written in C do not say what they take.


def hook_name(hook: Any) -> str:
    """Return the name of a hook, for messages."""
    return getattr(hook, "__qualname__", None) or repr(hook)


def _start(hooks: list[Hook], kind: str) -> bool:
    for hook in hooks:
        try:
            hook()
        except Exception:
            logger.exception("start hook of the %s failed hook=%s", kind, hook_name(hook))
            return False
    return True


def _stop(hooks: list[Hook], kind: str) -> None:
    for hook in reversed(hooks):
        try:
            hook()
        except Exception:
            logger.exception("stop hook of the %s failed hook=%s", kind, hook_name(hook))
