"""From the klass of a job to the Python object it names, and to what performs the job."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import HandlerNotFoundError

# The queue that every worker serves beside its own, and the one handler that is allowed there
# whatever a worker was told: it carries out what somebody asked of many jobs at once.
RESERVED: Final = "qless-operations"
OPERATION: Final = "qless_py.operations.carry_out"

# Where a klass that is stored in jobs can be found now. The stored name stays: workers of an older
# version must be able to run the jobs of this one, and this one must run theirs.
_MOVED: Final = {OPERATION: "qless_py.client.bulk.carry_out"}


def load(klass: str) -> Any:
    """Import what a dotted name names: a function, a class, or one inside another class."""
    parts = _MOVED.get(klass, klass).split(".")
    for end in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # the module is there, but something that it imports is not
            continue
        except (TypeError, ValueError):
            break  # not even the form of a module name
        return _inside(found, parts[end:], klass)
    raise HandlerNotFoundError(f"there is no module to import for {klass}")


def _inside(found: Any, path: list[str], klass: str) -> Any:
    for part in path:
        try:
            found = getattr(found, part)
        except AttributeError:
            raise HandlerNotFoundError(f"{klass}: there is no {part} in {found!r}") from None
    return found


def method(target: Any, queue: str) -> Callable[..., Any]:
    """Choose what performs a job of that queue.

    Of a class that is the method named like the queue, else `perform`, else `process`; a method
    that takes `self` gets a new instance. Of another object it is its `perform`, if it has one.
    Anything else that can be called is called itself.
    """
    return find(target, queue).bound()


@dataclass(frozen=True, slots=True)
class Handler:
    """What performs the jobs of a klass in a queue: found once, used for each of them.

    `target` is what the klass names. With `fresh`, a class, each job gets an instance of its own
    and `function` is what this class calls its method.
    """

    target: Any
    function: Any
    is_async: bool
    fresh: Any = None

    def bound(self) -> Callable[..., Any]:
        """Give what is to be called with the job."""
        found = self.function if self.fresh is None else getattr(self.fresh(), self.function)
        if not callable(found):
            raise HandlerNotFoundError(f"{self.function} of {self.target!r} cannot be called")
        called: Callable[..., Any] = found
        return called


def find(target: Any, queue: str) -> Handler:
    """Choose what performs the jobs of a queue, as `method` does."""
    if inspect.isclass(target):
        return _of_class(target, queue)
    perform = None if inspect.isroutine(target) else getattr(target, "perform", None)
    if callable(perform):
        # An object that wraps a function says so itself: before 3.12 it cannot be marked.
        is_async = bool(getattr(target, "is_async", False)) or _is_async(perform)
        return Handler(target, perform, is_async)
    if callable(target):
        return Handler(target, target, _is_async(target))
    raise HandlerNotFoundError(f"{target!r} is neither a class nor a function")


def _of_class(target: Any, queue: str) -> Handler:
    # A class whose public methods mean something else must not be performed by one of them.
    by_queue = () if getattr(target, "performs_every_queue", False) is True else (queue,)
    for candidate in (*by_queue, "perform", "process"):
        if candidate.startswith("__") or not hasattr(target, candidate):
            continue
        static = inspect.getattr_static(target, candidate)
        if inspect.isfunction(static) and _takes_self(static):
            return Handler(target, candidate, _is_async(static), fresh=target)
        bound = getattr(target, candidate)
        if callable(bound):
            return Handler(target, bound, _is_async(bound))
    raise HandlerNotFoundError(f"{target!r} has no method {queue}, perform or process")


def _takes_self(function: Any) -> bool:
    return next(iter(inspect.signature(function).parameters), "") == "self"


def _is_async(function: Any) -> bool:
    called = getattr(type(function), "__call__", None)  # noqa: B004 - its kind, not whether
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
