"""Find the Python object that a klass names, and what of it performs a job."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import HandlerNotFoundError, QlessError

# Every worker serves this queue besides its own, and runs its one handler whatever its imports:
# the jobs carry out bulk actions on many other jobs.
OPERATIONS_QUEUE: Final = "qless-operations"
OPERATIONS_KLASS: Final = "qless_py.operations.carry_out"

# Where to import a klass that is stored in jobs and has moved. The stored name stays, because
# workers of older versions run jobs of this one, and workers of this version run theirs.
_MOVED: Final = {OPERATIONS_KLASS: "qless_py.client.operations.carry_out"}


# How to perform what a klass names where that is an object of a framework: see `adapt`.
_ADAPTERS: Final[dict[type, Callable[[Any], "Adapter"]]] = {}


class HandlerNotAllowedError(QlessError):
    """The job names a handler outside the modules that this worker may run."""

    omit_traceback = True  # It would show frames of the worker only.


class Adapter:
    """Performs jobs in the place of an object of a framework, which has no `perform` of its own.

    `__module__` is that of the adapted object, since it decides whether a worker may run it.
    """

    is_async = False

    def perform(self, job: Any) -> Any:
        """Run a job; if `is_async`, return what is awaited."""
        raise NotImplementedError

    def ended(self, job: Any, error: BaseException | None) -> None:
        """Note how a run ended, after policies have decided.

        `error` is None, an `Outcome`, or what fails the job. What this raises is only logged.
        """

    async def aended(self, job: Any, error: BaseException | None) -> None:
        """Do the same for a run in an event loop."""
        self.ended(job, error)


def adapt(kind: type, adapter: Callable[[Any], Adapter]) -> None:
    """Let `adapter` make what performs the jobs whose klass names an object of the class `kind`."""
    _ADAPTERS[kind] = adapter


def load(klass: str) -> Any:
    """Import the function or class with this dotted name; a class may be nested in another.

    An object of a framework is returned as its adapter.
    """
    parts = _MOVED.get(klass, klass).split(".")
    for end in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # The module exists, but something that it imports does not.
            continue
        except (TypeError, ValueError):
            break  # Not the form of a module name.
        for part in parts[end:]:
            try:
                found = getattr(found, part)
            except AttributeError:
                raise HandlerNotFoundError(
                    f"cannot import {klass}: {found!r} has no attribute {part}"
                ) from None
        return _adapted(found)
    raise HandlerNotFoundError(f"cannot import {klass}: no such module")


def _adapted(found: Any) -> Any:
    for kind, adapter in _ADAPTERS.items():
        if isinstance(found, kind):
            return adapter(found)
    return found


def load_allowed(klass: str, imports: Sequence[str]) -> Any:
    """Import a klass from one of these modules, or from a module below one of them.

    Raises `HandlerNotAllowedError` for any other, before anything is imported.
    """
    _check_allowed(klass, klass, imports)
    target = load(klass)
    # A name may lead through an allowed module into one that it imports: myapp.jobs.os.system.
    home = getattr(target, "__module__", None) or ""
    if not inspect.ismodule(target):
        _check_allowed(f"{home}.", f"{klass} (of {home or 'no module'})", imports)
    return target


def _check_allowed(name: str, described: str, imports: Sequence[str]) -> None:
    if not any(name.startswith(f"{one}.") for one in imports):
        raise HandlerNotAllowedError(
            f"{described} is not in a module that this worker may run "
            f"(--import: {', '.join(imports) or 'none'})"
        )


@dataclass(frozen=True, slots=True)
class Handler:
    """What performs the jobs of a klass in a queue; looked up once and called for each job.

    `target` is the object that the klass names. `function` is called with the job; if `method_of`
    is a class, `function` is the name of a method and each job gets a new instance.
    """

    target: Any
    function: Any
    is_async: bool
    method_of: Any = None

    def bound(self) -> Callable[..., Any]:
        """Return the callable for one job."""
        found = self.function
        if self.method_of is not None:
            found = getattr(self.method_of(), self.function)
        if not callable(found):
            raise HandlerNotFoundError(f"{self.function} of {self.target!r} is not callable")
        function: Callable[..., Any] = found
        return function


def find(target: Any, queue: str) -> Handler:
    """Return what performs the jobs of a queue.

    Of a class, that is the method named like the queue, else `perform`, else `process`; a method
    that takes `self` gets a new instance for each job. Of another object it is `perform` if there
    is one, else the object itself.
    """
    if inspect.isclass(target):
        return _method(target, queue)
    perform = None if inspect.isroutine(target) else getattr(target, "perform", None)
    if callable(perform):
        # An object that wraps a function has `is_async`: Python before 3.12 cannot mark it.
        is_async = bool(getattr(target, "is_async", False)) or _is_async(perform)
        return Handler(target, perform, is_async)
    if callable(target):
        return Handler(target, target, _is_async(target))
    raise HandlerNotFoundError(f"{target!r} is neither a class nor callable")


def _method(target: Any, queue: str) -> Handler:
    # A class may opt out of methods named like queues when its public methods mean something else.
    by_queue = () if getattr(target, "performs_every_queue", False) is True else (queue,)
    for candidate in (*by_queue, "perform", "process"):
        if candidate.startswith("__") or not hasattr(target, candidate):
            continue
        static = inspect.getattr_static(target, candidate)
        if inspect.isfunction(static) and _takes_self(static):
            return Handler(target, candidate, _is_async(static), method_of=target)
        bound = getattr(target, candidate)
        if callable(bound):
            return Handler(target, bound, _is_async(bound))
    raise HandlerNotFoundError(f"{target!r} has no method {queue}, perform or process")


def _takes_self(function: Any) -> bool:
    return next(iter(inspect.signature(function).parameters), "") == "self"


def _is_async(function: Any) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004 - its kind, not whether
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
