"""From the klass of a job to the Python object it names, and to what performs the job."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from qless_py.errors import HandlerNotFoundError


def load(klass: str) -> Any:
    """Import what a dotted name names: a function, a class, or one inside another class."""
    parts = klass.split(".")
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
    that takes `self` gets a new instance. Anything else that can be called is called itself.
    """
    if not inspect.isclass(target):
        if callable(target):
            called: Callable[..., Any] = target
            return called
        raise HandlerNotFoundError(f"{target!r} is neither a class nor a function")
    for candidate in (queue, "perform", "process"):
        if candidate.startswith("__") or not hasattr(target, candidate):
            continue
        static = inspect.getattr_static(target, candidate)
        owner = target() if inspect.isfunction(static) and _takes_self(static) else target
        bound = getattr(owner, candidate)
        if callable(bound):
            found: Callable[..., Any] = bound
            return found
    raise HandlerNotFoundError(f"{target!r} has no method {queue}, perform or process")


def _takes_self(function: Any) -> bool:
    return next(iter(inspect.signature(function).parameters), "") == "self"
