"""Around one job: find its handler, if it is allowed, and run it inside its middleware."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from qless_py import current, handlers, options
from qless_py.errors import BadArgumentError
from qless_py.handlers import Handler
from qless_py.verbs import JobVerbs
from qless_py.verdicts import HandlerNotAllowedError

Middleware = Callable[[Any], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]


class Performer(Protocol):
    """What can stand in for the handlers that jobs name: an external program, a dispatch."""

    def find(self, job: JobVerbs) -> Handler:
        """Give what performs the job; raises if nothing does."""


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a worker says of its handlers.

    `imports` are the modules whose handlers may run, with all that is below them, or any with
    `allow_any`. `middleware` is entered in this order around each handler, the class' own inside.
    `soft_limit` and `hard_limit`, in seconds, hold for jobs that have none of their own.
    """

    imports: Sequence[str] = ()
    allow_any: bool = False
    middleware: Sequence[str | Middleware] = ()
    soft_limit: float | None = None
    hard_limit: float | None = None
    performer: Performer | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A handler with all that is entered around it."""

    handler: Handler
    middleware: tuple[Middleware, ...]
    soft_limit: float | None
    hard_limit: float | None


class Handlers:
    """The handlers of one worker process: each is looked up once and then kept.

    Safe to use from several threads. What it runs sees its job by `get_current_job`.
    """

    def __init__(self, options: HandlerOptions) -> None:
        self._options = options
        self._middleware = tuple(_middleware(one) for one in options.middleware)
        self._found: dict[tuple[str, str], _Prepared] = {}

    def is_async(self, job: JobVerbs) -> bool:
        """Tell whether the handler is `async def`; False for one that cannot be found."""
        try:
            return self._prepared(job).handler.is_async
        except Exception:  # noqa: BLE001 - running it will tell what is wrong with it
            return False

    def run(self, job: JobVerbs) -> Any:
        """Call the job's handler and give what it returns; raises whatever it raises.

        An `async def` handler runs in an event loop of its own.
        """
        prepared = self._prepared(job)
        if prepared.handler.is_async:
            return asyncio.run(self.arun(job))
        with current.is_now(job):
            if not prepared.middleware:
                return _finished(prepared.handler.bound()(job))
            with contextlib.ExitStack() as stack:
                for enter in prepared.middleware:
                    stack.enter_context(_sync_context(enter(job), enter))
                return _finished(prepared.handler.bound()(job))

    async def arun(self, job: JobVerbs) -> Any:
        """Await the job's handler; one that is not `async def` runs in a thread."""
        prepared = self._prepared(job)
        if not prepared.handler.is_async:
            return await asyncio.to_thread(self.run, job)
        with current.is_now(job):
            async with contextlib.AsyncExitStack() as stack:
                for enter in prepared.middleware:
                    context = enter(job)
                    if isinstance(context, AbstractAsyncContextManager):
                        await stack.enter_async_context(context)
                    else:
                        stack.enter_context(_sync_context(context, enter))
                return await prepared.handler.bound()(job)

    def limits(self, job: JobVerbs) -> tuple[float | None, float | None]:
        """Give the soft and the hard limit in seconds: the job's, else the class', else ours."""
        try:
            prepared = self._prepared(job)
        except Exception:  # noqa: BLE001 - running it will tell what is wrong with it
            return None, self._options.hard_limit
        return (
            _first(job.soft_limit, prepared.soft_limit, self._options.soft_limit),
            _first(job.hard_limit, prepared.hard_limit, self._options.hard_limit),
        )

    def _prepared(self, job: JobVerbs) -> _Prepared:
        key = (job.klass_name, job.queue_name)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._prepare(job)
        return found

    def _prepare(self, job: JobVerbs) -> _Prepared:
        performer = self._options.performer
        handler = self._find(job) if performer is None else performer.find(job)
        around = (*self._middleware, *_of_class(handler.target))
        soft, hard = (_seconds(handler.target, f"{kind}_limit") for kind in ("soft", "hard"))
        return _Prepared(handler, around, soft, hard)

    def _find(self, job: JobVerbs) -> Handler:
        name = job.klass_name
        self._check(name, name)
        target = job.klass
        # A name may reach through an allowed module into one that it imported:
        # myapp.jobs.os.system.
        home = getattr(target, "__module__", None) or ""
        if not inspect.ismodule(target):
            self._check(f"{home}.", f"{name} (of {home or 'no module'})")
        return handlers.find(target, job.queue_name)

    def _check(self, name: str, what: str) -> None:
        imports = self._options.imports
        if not self._options.allow_any and not any(name.startswith(f"{one}.") for one in imports):
            allowed = ", ".join(imports) or "none"
            raise HandlerNotAllowedError(
                f"{what} is not below a module that this worker may run (--import: {allowed})"
            )


def _middleware(one: str | Middleware) -> Middleware:
    found: Middleware = handlers.load(one) if isinstance(one, str) else one
    if not callable(found):
        raise BadArgumentError(f"middleware {one!r} cannot be called with a job")
    return found


def _of_class(target: Any) -> Iterator[Middleware]:
    """Give the middleware that a handler's class, or the handler itself, has as an attribute."""
    own = getattr(target, "middleware", None)
    # A queue may be called middleware: then this is what performs its jobs.
    return (_middleware(one) for one in (own if isinstance(own, (list, tuple)) else ()))


def _seconds(target: Any, name: str) -> float | None:
    """Give a limit that a class has as an attribute; a method of that name is none."""
    value = getattr(target, name, None)
    return None if value is None or callable(value) else options.span(name, value, 0.001) / 1000


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _sync_context(context: Any, enter: Any) -> AbstractContextManager[Any]:
    if isinstance(context, AbstractContextManager):
        return context
    raise BadArgumentError(f"middleware {enter!r} gave no context manager for this handler")


def _finished(result: Any) -> Any:
    """Give what a handler returned; one that only made a coroutine has not run yet."""
    return asyncio.run(_awaited(result)) if inspect.iscoroutine(result) else result


async def _awaited(result: Any) -> Any:
    return await result
