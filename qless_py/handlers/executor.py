"""Run the handler of a job, with everything that is configured around it.

`Executor.run`, and `Executor.arun` for `async def`, take these steps:

1. resolve: find the handler and check that this worker may run it (once per klass and queue);
2. guard: let no process that is forked in the meantime continue as a worker;
3. context: make the job the one that `get_current_job` returns;
4. middleware: enter that of the worker, then that of the class;
5. limit: start the soft limit;
6. call the handler, or await it;
7. retry: turn an exception into `Retry`, `Snooze` or `Discard` if a policy says so.

What the handler returned or raised becomes a state of the job in `handlers.result`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from qless_py.errors import (
    BadArgumentError,
    LostLeaseError,
    ProcessStop,
    QlessError,
    SoftLimitError,
)
from qless_py.handlers import exceptions, resolve
from qless_py.handlers.context import running
from qless_py.handlers.event_loop import KeptLoop, run_once
from qless_py.handlers.fork_guard import ForkGuard
from qless_py.handlers.interrupt import SoftLimit
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Outcome, deciding
from qless_py.handlers.resolve import Adapter, Handler
from qless_py.handlers.retry import QueuePolicies, RetryPolicy
from qless_py.protocol import arguments

Middleware = Callable[[Any], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]

logger = logging.getLogger(__name__)

_MAX_RESOLVED: Final = 1000
_END_NOT_NOTED: Final = "adapter cannot note the end of a run jid=%s klass=%s"


class GeneratorHandlerError(QlessError):
    """A handler has returned a generator instead of doing its work."""

    omit_traceback = True  # It would show frames of the worker only.


class Performer(Protocol):
    """Replaces the handlers that jobs name: an external program, a dispatch.

    It may have a `default_retry`, the policy of jobs without any other.
    """

    def find(self, job: HandledJob) -> Handler:
        """Return what performs the job; raise `HandlerNotFoundError` if nothing does."""


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """The options of a worker that concern its handlers.

    Handlers may come from the modules `imports` and from modules below them, or from anywhere with
    `allow_any`. `middleware` is entered in this order around each handler, before that of its
    class. `soft_limit` and `hard_limit`, in seconds, apply to jobs without limits of their own, and
    `retry` to jobs without any other policy. A `performer` replaces all handlers.
    """

    imports: Sequence[str] = ()
    allow_any: bool = False
    middleware: Sequence[str | Middleware] = ()
    soft_limit: float | None = None
    hard_limit: float | None = None
    performer: Performer | None = None
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A handler and what its class, or else the worker, configures around it."""

    handler: Handler
    middleware: tuple[Middleware, ...]
    soft_limit: float | None
    hard_limit: float | None
    policy: RetryPolicy | None
    adapter: Adapter | None


class Executor:
    """Run the handlers of one process; each is resolved once and then cached. Thread-safe."""

    def __init__(self, options: HandlerOptions) -> None:
        self._options = options
        self._middleware = tuple(_load_middleware(one) for one in options.middleware)
        self._resolved: dict[tuple[str, str], _Resolved] = {}
        self._queue_policies = QueuePolicies()
        self._default_policy = options.retry or getattr(options.performer, "default_retry", None)
        self._loop: KeptLoop | None = None
        self._has_adapters = False

    def run(self, job: HandledJob) -> Any:
        """Call the job's handler and return its value; an `async def` one gets an event loop.

        Raises what the handler raises, or the `Retry`, `Snooze` or `Discard` that a policy makes of
        it.
        """
        try:
            value = self._run(job)
        except BaseException as error:
            self._note_end(job, error)
            raise
        if self._has_adapters:
            self._note_end(job, None)
        return value

    def _run(self, job: HandledJob) -> Any:
        found = None
        try:
            found = self._resolve(job)
            if not found.handler.is_async:
                with running(job):
                    return _call_within(found, job, _first(job.soft_limit, found.soft_limit))
        except Exception as error:
            if _is_undecided(job, error):
                policy = _policy_for(job, found)
                if policy is None:
                    policy = self._queue_policies.of(job.queue_name, job.session.run)
                self._apply(policy or self._default_policy, job, error)
            raise
        loop = self._loop
        if loop is None or not loop.is_usable:
            return run_once(self.arun(job))
        return loop.run(self.arun(job))

    def keep_loop(self) -> None:
        """Run all `async def` handlers that this thread runs in one event loop."""
        self._loop = KeptLoop()

    def close(self) -> None:
        """Close the event loop that was kept."""
        if self._loop is not None:
            self._loop.close()

    async def arun(self, job: HandledJob) -> Any:
        """Await the job's handler; one that is not `async def` runs in a thread."""
        try:
            value = await self._arun(job)
        except BaseException as error:
            await self._anote_end(job, error)
            raise
        await self._anote_end(job, None)
        return value

    async def _arun(self, job: HandledJob) -> Any:
        found = None
        try:
            found = self._resolve(job)
            if found.handler.is_async:
                with ForkGuard(), running(job):
                    limit = _first(job.soft_limit, found.soft_limit)
                    return await _await_within(found, job, limit)
        except Exception as error:
            if _is_undecided(job, error):
                policy = _policy_for(job, found)
                if policy is None:
                    policy = await self._queue_policies.of_async(job.queue_name, job.session.run)
                self._apply(policy or self._default_policy, job, error)
            raise
        return await asyncio.to_thread(self.run, job)

    def _note_end(self, job: HandledJob, error: BaseException | None) -> None:
        adapter = self._adapter_of(job, is_async=False)
        if adapter is not None:
            try:
                with running(job):
                    adapter.ended(job, error)
            except Exception:
                logger.exception(_END_NOT_NOTED, job.jid, job.klass_name)

    async def _anote_end(self, job: HandledJob, error: BaseException | None) -> None:
        adapter = self._adapter_of(job, is_async=True)
        if adapter is not None:
            try:
                with running(job):
                    await adapter.aended(job, error)
            except Exception:
                logger.exception(_END_NOT_NOTED, job.jid, job.klass_name)

    def _adapter_of(self, job: HandledJob, *, is_async: bool) -> Adapter | None:
        """Return the adapter that performed a job this way, if one did."""
        if not self._has_adapters:
            return None
        found = self._resolved.get((job.klass_name, job.queue_name))
        if found is None or found.handler.is_async is not is_async:
            return None
        return found.adapter

    @property
    def known(self) -> int:
        """The number of handlers that were found so far."""
        return len(self._resolved)

    def is_async(self, job: HandledJob) -> bool:
        """Return whether the handler is `async def`; False if it cannot be resolved."""
        found = self._resolve_or_none(job)
        return found is not None and found.handler.is_async

    def limits(self, job: HandledJob) -> tuple[float | None, float | None]:
        """Return the soft and the hard limit in seconds: of the job, its class, or the options."""
        found = self._resolve_or_none(job)
        if found is None:
            return None, self._options.hard_limit
        soft = _first(job.soft_limit, found.soft_limit)
        return soft, _first(job.hard_limit, found.hard_limit)

    def _resolve_or_none(self, job: HandledJob) -> _Resolved | None:
        try:
            return self._resolve(job)
        except (LostLeaseError, SoftLimitError):
            raise  # An interrupt of the job may arrive while its handler is imported.
        except (Exception, SystemExit):  # noqa: BLE001 - running the job reports what is wrong
            return None

    def _resolve(self, job: HandledJob) -> _Resolved:
        key = (job.klass_name, job.queue_name)
        found = self._resolved.get(key)
        if found is None:
            if len(self._resolved) >= _MAX_RESOLVED:  # A performer accepts any klass.
                self._resolved.clear()
            found = self._resolved[key] = self._find(job)
        return found

    def _find(self, job: HandledJob) -> _Resolved:
        klass, queue = job.klass_name, job.queue_name
        if (klass, queue) == (resolve.OPERATIONS_KLASS, resolve.OPERATIONS_QUEUE):
            handler = resolve.find(resolve.load(klass), queue)
        elif self._options.performer is None:
            handler = resolve.find(self._load(klass), queue)
        else:
            handler = self._options.performer.find(job)
        target = handler.target
        adapter = target if isinstance(target, Adapter) else None
        self._has_adapters = self._has_adapters or adapter is not None
        return _Resolved(
            handler,
            (*self._middleware, *_middleware_of(target)),
            _first(_limit_of(target, "soft_limit"), self._options.soft_limit),
            _first(_limit_of(target, "hard_limit"), self._options.hard_limit),
            _policy_of(target),
            adapter,
        )

    def _load(self, name: str) -> Any:
        if self._options.allow_any:
            return resolve.load(name)
        return resolve.load_allowed(name, self._options.imports)

    def _apply(self, policy: RetryPolicy | None, job: HandledJob, error: Exception) -> None:
        """Raise the outcome that a policy decides on, if any."""
        if policy is None:
            return
        outcome = policy.decide(deciding(error), job.tries, self._load)
        if outcome is not None:
            raise outcome from error


def _is_undecided(job: HandledJob, error: Exception) -> bool:
    """Return whether policies apply: not if the handler itself decided what happens to the job.

    An exception with a true attribute `never_retry` decides that the job fails.
    """
    decided = deciding(error)
    is_decided = exceptions.is_a(decided, (Outcome, LostLeaseError, ProcessStop))
    is_final = is_decided or exceptions.has_flag(decided, "never_retry")
    return job.state == "running" and not is_final


def _policy_for(job: HandledJob, found: _Resolved | None) -> RetryPolicy | None:
    """Return the policy of the job or its class; of a class that was not found, none is known."""
    try:
        own = job.retry_policy
    except QlessError as error:  # It must not replace what the handler raised.
        logger.error("invalid retry policy jid=%s: %s", job.jid, error)  # noqa: TRY400 - expected
        own = None
    return own if own is not None or found is None else found.policy


def _call_within(found: _Resolved, job: HandledJob, soft_limit: float | None) -> Any:
    if not found.middleware and soft_limit is None:
        return _call(found.handler, job)
    with ForkGuard(), contextlib.ExitStack() as stack:
        for enter in found.middleware:
            stack.enter_context(_sync_context(enter(job), enter))
        if soft_limit is not None:
            stack.enter_context(SoftLimit(soft_limit))
        return _call(found.handler, job)


async def _await_within(found: _Resolved, job: HandledJob, soft_limit: float | None) -> Any:
    async with contextlib.AsyncExitStack() as stack:
        for enter in found.middleware:
            context = enter(job)
            if isinstance(context, AbstractAsyncContextManager):
                await stack.enter_async_context(context)
            else:
                stack.enter_context(_sync_context(context, enter))
        if soft_limit is not None:
            await stack.enter_async_context(SoftLimit(soft_limit))
        value = await _await(found.handler.bound()(job))
        _refuse_generator(found.handler, value)
        return value


def _call(handler: Handler, job: HandledJob) -> Any:
    """Call a handler; if it returns an awaitable, await that, too.

    A copy that the handler forked exits here, before it leaves any middleware or calls the store:
    locks that other threads held at the fork stay locked in it. A guard around the middleware
    covers copies that it forked.
    """
    with ForkGuard():
        value = handler.bound()(job)
    if value is None:
        return None
    _refuse_generator(handler, value)
    return run_once(_await(value)) if inspect.isawaitable(value) else value


def _refuse_generator(handler: Handler, value: Any) -> None:
    """Fail the job of a handler that has a `yield`: calling it has run nothing of it."""
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        what = getattr(handler.target, "__qualname__", None) or repr(handler.target)
        raise GeneratorHandlerError(
            f"{what} returned a generator, whose code has not run; "
            "a handler must not use yield, and may return list(…) of what it yields"
        )


async def _await(coroutine: Awaitable[Any]) -> Any:
    with ForkGuard():
        return await coroutine


def _load_middleware(one: str | Middleware) -> Middleware:
    found: Middleware = resolve.load(one) if isinstance(one, str) else one
    if not callable(found):
        raise BadArgumentError(f"middleware {one!r} is not callable")
    return found


def _middleware_of(target: Any) -> tuple[Middleware, ...]:
    own = getattr(target, "middleware", None)
    # It may also be a method: the one that performs the jobs of a queue called middleware.
    return tuple(_load_middleware(one) for one in (own if isinstance(own, (list, tuple)) else ()))


def _policy_of(target: Any) -> RetryPolicy | None:
    own, attempts = getattr(target, "retry", None), getattr(target, "attempts", None)
    has_attempts = attempts is not None and not callable(attempts)
    if own is not None and not callable(own) and not (has_attempts and _is_overridden(target)):
        return RetryPolicy.of(own)
    return RetryPolicy.of(arguments.attempts_policy(attempts)) if has_attempts else None


def _is_overridden(target: Any) -> bool:
    """Return whether a class defines `attempts` and inherits `retry`."""
    for one in getattr(target, "__mro__", ()):
        if "retry" in vars(one):
            return False
        if "attempts" in vars(one):
            return True
    return False


def _limit_of(target: Any, name: str) -> float | None:
    own = getattr(target, name, None)
    return None if own is None or callable(own) else arguments.span(name, own, 0.001) / 1000


def _first(own: float | None, default: float | None) -> float | None:
    return default if own is None else own


def _sync_context(context: Any, enter: Any) -> AbstractContextManager[Any]:
    if isinstance(context, AbstractContextManager):
        return context
    raise BadArgumentError(
        f"middleware {enter!r} returned {type(context).__name__}, not a context manager; "
        "asynchronous ones work around async def handlers only"
    )
