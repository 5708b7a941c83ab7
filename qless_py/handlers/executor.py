"""Around one job: find its handler, if it is allowed, and run it inside its middleware."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from qless_py.errors import BadArgumentError, LostLeaseError, ProcessStop, SoftLimitError
from qless_py.handlers import context as current
from qless_py.handlers import resolve as handlers
from qless_py.handlers.fork_guard import ForkGuard
from qless_py.handlers.interrupt import SoftLimit
from qless_py.handlers.outcomes import Outcome
from qless_py.handlers.resolve import Handler
from qless_py.handlers.result import HandlerNotAllowedError
from qless_py.handlers.retry import QueuePolicies, RetryPolicy
from qless_py.protocol import arguments as options
from qless_py.protocol.job_calls import JobVerbs

Middleware = Callable[[Any], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]


_KINDS: Final = 1000


class Performer(Protocol):
    """What can stand in for the handlers that jobs name: an external program, a dispatch."""

    def find(self, job: JobVerbs) -> Handler:
        """Give what performs the job; raises if nothing does."""


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a worker says of its handlers.

    `imports` are the modules whose handlers may run, with all that is below them, or any with
    `allow_any`. `middleware` is entered in this order around each handler, the class' own inside.
    `soft_limit` and `hard_limit`, in seconds, hold for jobs that have none of their own, and
    `retry` for those to which no other policy applies. A `performer` stands in for all handlers.
    """

    imports: Sequence[str] = ()
    allow_any: bool = False
    middleware: Sequence[str | Middleware] = ()
    soft_limit: float | None = None
    hard_limit: float | None = None
    performer: Performer | None = None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A handler with all that goes on around it."""

    handler: Handler
    middleware: tuple[Middleware, ...]
    soft_limit: float | None
    hard_limit: float | None
    policy: RetryPolicy | None


class Handlers:
    """The handlers of one worker process: each is looked up once and then kept.

    Safe to use from several threads. What it runs sees its job by `get_current_job`.
    """

    def __init__(self, options: HandlerOptions) -> None:
        self._options = options
        self._middleware = tuple(_middleware(one) for one in options.middleware)
        self._found: dict[tuple[str, str], _Prepared] = {}
        self._queue_policies = QueuePolicies()

    def is_async(self, job: JobVerbs) -> bool:
        """Tell whether the handler is `async def`; False for one that cannot be found."""
        prepared = self._found_or_none(job)
        return prepared is not None and prepared.handler.is_async

    def limits(self, job: JobVerbs) -> tuple[float | None, float | None]:
        """Give the soft and the hard limit in seconds: the job's, else the class', else ours."""
        prepared = self._found_or_none(job)
        if prepared is None:
            return None, self._options.hard_limit
        hard = _first(job.hard_limit, prepared.hard_limit, self._options.hard_limit)
        return self._soft_limit(prepared, job), hard

    def run(self, job: JobVerbs) -> Any:
        """Call the job's handler and give what it returns; raises whatever it raises.

        An `async def` handler runs in an event loop of its own. An exception for which there is a
        policy leaves as the `Retry`, `Snooze` or `Discard` that the policy says.
        """
        prepared = self._prepared(job)
        if prepared.handler.is_async:
            return _run(self.arun(job))
        try:
            with ForkGuard(), current.is_now(job):
                return _within(prepared, job, self._soft_limit(prepared, job))
        except Exception as error:
            policy = _own_policy(prepared, job, error)
            if policy is None and _may_retry(job, error):
                policy = (
                    self._queue_policies.of(job.queue_name, job.reach.run) or self._options.retry
                )
            self._decide(policy, job, error)
            raise

    async def arun(self, job: JobVerbs) -> Any:
        """Await the job's handler; one that is not `async def` runs in a thread."""
        prepared = self._prepared(job)
        if not prepared.handler.is_async:
            return await asyncio.to_thread(self.run, job)
        try:
            with ForkGuard(), current.is_now(job):
                return await _awaited_within(prepared, job, self._soft_limit(prepared, job))
        except Exception as error:
            policy = _own_policy(prepared, job, error)
            if policy is None and _may_retry(job, error):
                policy = (
                    await self._queue_policies.aof(job.queue_name, job.reach.run)
                    or self._options.retry
                )
            self._decide(policy, job, error)
            raise

    def _soft_limit(self, prepared: _Prepared, job: JobVerbs) -> float | None:
        return _first(job.soft_limit, prepared.soft_limit, self._options.soft_limit)

    def _decide(self, policy: RetryPolicy | None, job: JobVerbs, error: Exception) -> None:
        """Raise what the policy says instead of the exception, if it says anything."""
        outcome = None if policy is None else policy.decide(error, job.tries, self._load)
        if outcome is not None:
            raise outcome from error

    def _found_or_none(self, job: JobVerbs) -> _Prepared | None:
        try:
            return self._prepared(job)
        except (LostLeaseError, SoftLimitError):
            raise  # What is told to a handler may come while it is being imported.
        except (Exception, SystemExit):  # noqa: BLE001 - running it will tell what is wrong with it
            return None

    def _prepared(self, job: JobVerbs) -> _Prepared:
        key = (job.klass_name, job.queue_name)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _KINDS:  # A performer takes any name.
                self._found.clear()
            found = self._found[key] = self._prepare(job)
        return found

    def _prepare(self, job: JobVerbs) -> _Prepared:
        performer = self._options.performer
        if job.queue_name == handlers.RESERVED and job.klass_name == handlers.OPERATION:
            handler = handlers.find(handlers.load(handlers.OPERATION), job.queue_name)
        elif performer is None:
            handler = handlers.find(self._load(job.klass_name), job.queue_name)
        else:
            handler = performer.find(job)
        target = handler.target
        around = (*self._middleware, *_of_class(target))
        soft, hard = (_seconds(target, f"{kind}_limit") for kind in ("soft", "hard"))
        return _Prepared(handler, around, soft, hard, _policy_of_class(target))

    def _load(self, name: str) -> Any:
        """Import what a job names, if this worker may run it."""
        self._check(name, name)
        target = handlers.load(name)
        # A name may reach through an allowed module into one that it imported:
        # myapp.jobs.os.system.
        home = getattr(target, "__module__", None) or ""
        if not inspect.ismodule(target):
            self._check(f"{home}.", f"{name} (of {home or 'no module'})")
        return target

    def _check(self, name: str, what: str) -> None:
        imports = self._options.imports
        if not self._options.allow_any and not any(name.startswith(f"{one}.") for one in imports):
            allowed = ", ".join(imports) or "none"
            raise HandlerNotAllowedError(
                f"{what} is not below a module that this worker may run (--import: {allowed})"
            )


def _within(prepared: _Prepared, job: JobVerbs, soft_limit: float | None) -> Any:
    if not prepared.middleware and soft_limit is None:
        return _called(prepared.handler, job)
    with contextlib.ExitStack() as stack:
        for enter in prepared.middleware:
            stack.enter_context(_sync_context(enter(job), enter))
        if soft_limit is not None:
            stack.enter_context(SoftLimit(soft_limit))
        return _called(prepared.handler, job)


async def _awaited_within(prepared: _Prepared, job: JobVerbs, soft_limit: float | None) -> Any:
    async with contextlib.AsyncExitStack() as stack:
        for enter in prepared.middleware:
            context = enter(job)
            if isinstance(context, AbstractAsyncContextManager):
                await stack.enter_async_context(context)
            else:
                stack.enter_context(_sync_context(context, enter))
        if soft_limit is not None:
            await stack.enter_async_context(SoftLimit(soft_limit))
        return await _awaited(prepared.handler.bound()(job))


def _called(handler: Handler, job: JobVerbs) -> Any:
    """Call a handler; one that only makes a coroutine has not run by that.

    A copy that the handler forked exits here, before it leaves any middleware or calls the store:
    locks that other threads held at the fork stay locked in it. The guard in `run` covers copies
    that middleware or an import forked.
    """
    with ForkGuard():
        result = handler.bound()(job)
    return _run(_awaited(result)) if inspect.iscoroutine(result) else result


async def _awaited(coroutine: Awaitable[Any]) -> Any:
    with ForkGuard():
        return await coroutine


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it in an event loop of its own.

    What a signal raises in the midst of a callback of the loop would only be logged by the loop:
    here it ends the coroutine, as it would anywhere else.
    """
    told: list[BaseException] = []
    tasks: list[asyncio.Task[Any] | None] = []

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, (ProcessStop, LostLeaseError, SoftLimitError)) or told:
            loop.default_exception_handler(context)
            return
        told.append(error)
        for task in tasks:
            if task is not None:
                task.cancel()

    async def main() -> Any:
        tasks.append(asyncio.current_task())
        return await coroutine

    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(tell)
        try:
            return runner.run(main())
        except asyncio.CancelledError:
            if told:
                raise told[0] from None
            raise


def _may_retry(job: JobVerbs, error: Exception) -> bool:
    """Tell whether a policy has a say: not when the handler itself said what becomes of the job."""
    return job.state == "running" and not isinstance(error, (Outcome, LostLeaseError))


def _own_policy(prepared: _Prepared, job: JobVerbs, error: Exception) -> RetryPolicy | None:
    return (job.retry_policy or prepared.policy) if _may_retry(job, error) else None


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


def _policy_of_class(target: Any) -> RetryPolicy | None:
    own = getattr(target, "retry", None)
    return None if own is None or callable(own) else RetryPolicy.of(own)


def _seconds(target: Any, name: str) -> float | None:
    """Give a limit that a class has as an attribute; a method of that name is none."""
    value = getattr(target, name, None)
    return None if value is None or callable(value) else options.span(name, value, 0.001) / 1000


def _first(own: float | None, of_class: float | None, general: float | None) -> float | None:
    if own is not None:
        return own
    return general if of_class is None else of_class


def _sync_context(context: Any, enter: Any) -> AbstractContextManager[Any]:
    if isinstance(context, AbstractContextManager):
        return context
    raise BadArgumentError(f"middleware {enter!r} gave no context manager for this handler")
