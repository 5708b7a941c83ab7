"""Resending of calls so that each takes effect exactly once; no I/O.

A transition carries a request id, `series:sequence:index`. For five minutes the server remembers
the last reply of each series, so a call whose reply was lost is sent again under the same id and
receives the first reply, with no second effect. `Exchange` holds the calls of one round trip and
decides from each reply what happens next, `ResendLoop` when to try again and when to give up; a
runner only moves bytes.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from qless_py import errors, protocol
from qless_py.protocol import Call
from qless_py.scripts import assemble
from qless_py.store import permissions, server_errors
from qless_py.store.outage import OutageLog
from qless_py.store.server_errors import Meaning

PIPELINE: Final = 100  # Calls in one pipeline, at most: the server remembers each reply.

# Seconds after which a call that may have run is not sent again. The server remembers replies for
# 300 s; the difference is for a resend that is slow to arrive.
_RESENDABLE: Final = 200.0
_LOADS: Final = 3  # Times that a missing library is loaded at once, however late it is.

logger = logging.getLogger(__name__)

Command = tuple[bytes | str | int | float, ...]

_NOT_RETRYABLE: Final = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
)


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """For how many seconds a call is sent again, and with which pauses.

    The limit must stay far below the five minutes for which the server remembers replies.

    An error that only an operator can end, such as a missing permission, is raised at once. With
    `retry_forbidden` the call is sent again as after an outage: for results that must not be lost.
    """

    limit: float = 60.0
    first_pause: float = 0.02
    longest_pause: float = 1.0
    retry_forbidden: bool = False

    def pauses(self, begun: float) -> Iterator[float]:
        """Yield the pause before each further attempt, until the limit; the first is 0."""
        if elapsed() < begun + self.limit:
            yield 0.0
        for doublings in itertools.count():
            longest = min(self.longest_pause, self.first_pause * 2 ** min(doublings, 20))
            # Random, so that the clients of one server do not all reconnect at the same moment.
            pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if elapsed() + pause >= begun + self.limit:
                return
            yield pause


def elapsed() -> float:
    """Return seconds of a clock that also runs while the machine is suspended, as the server's."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class RequestSeries:
    """A name for request ids, under which one call at a time is sent."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    sequence: int = 0


class RequestSeriesPool:
    """The unused series of a process. A fork starts without any, so no two processes share one."""

    def __init__(self) -> None:
        self._free: list[RequestSeries] = []
        self._pid = os.getpid()

    def acquire(self) -> RequestSeries:
        """Return a series that no other call uses, at its next sequence number."""
        if self._pid != os.getpid():
            self._free = []
            self._pid = os.getpid()
        try:
            # One operation of the list: atomic for threads and for signal handlers, without a lock.
            series = self._free.pop()
        except IndexError:
            series = RequestSeries()
        series.sequence += 1
        return series

    def release(self, series: RequestSeries) -> None:
        """Make the series of an answered call available again."""
        if self._pid == os.getpid():
            self._free.append(series)


@dataclass(slots=True)
class LibraryState:
    """Whether the server of a runner was seen to have our library; it may lose it at any time."""

    is_loaded: bool = False


@dataclass(slots=True)
class _Load:
    """The command that loads our library, ahead of calls."""


@dataclass(slots=True)
class _PendingCall:
    call: Call[Any]
    function: assemble.Function
    command: Command
    request: str
    may_have_run: bool = False
    # The resent call was refused for lack of memory: ask the server whether it ran before.
    oom_error: Exception | None = None
    # The server cannot take the library now, so this call carries it.
    by_eval: bool = False
    answered: bool = False
    outcome: bytes | Exception | None = None


class Exchange:
    """Calls of one round trip, each with its outcome as far as it is known."""

    def __init__(  # noqa: PLR0913 - the state of a runner
        self,
        calls: Sequence[Call[Any]],
        keys: tuple[str, ...],
        now: str,
        series: RequestSeries,
        library: LibraryState,
        *,
        retry_forbidden: bool = False,
    ) -> None:
        self.begun = elapsed()
        self.series = series
        self._retry_forbidden = retry_forbidden
        self.deferred: Exception | None = None
        self._keys = keys
        self._now = now
        self._library = assemble.library()
        self._state = library
        self._is_missing = False
        # Why the server would not load the library, as of the last attempt.
        self._load_error: redis.ResponseError | None = None
        self._sent: list[_PendingCall | _Load] = []
        self._read = 0
        self._loads_left = _LOADS
        prefix = f"{series.name}:{series.sequence}:"
        self._items = [
            self._item(call, call.request or f"{prefix}{index}") for index, call in enumerate(calls)
        ]
        # The number of calls without an outcome.
        self.open = len(self._items)
        # Whether the series may be used again: not if another process seems to use it too.
        self.can_reuse_series = True

    @property
    def has_transition(self) -> bool:
        """Whether a call writes."""
        return any(not item.function.is_query for item in self._items)

    @property
    def is_finished(self) -> bool:
        """Whether every call has its outcome."""
        return self.open == 0

    def use_load_attempt(self, failure: Exception | None) -> bool:
        """Use one of the few attempts that only load the library; return whether it may be made.

        It may if nothing but the library is missing: the exchange is sent again at once, even after
        the limit. A server on which it is deleted again and again is as good as unavailable.
        """
        if failure is not None or self.deferred is not None or self._loads_left == 0:
            return False
        self._loads_left -= 1
        return True

    @property
    def scripts(self) -> Iterator[str]:
        """The scripts of the calls."""
        return (item.call.script for item in self._items)

    def results(self) -> list[Any]:
        """Return the decoded reply to each call, or the exception that refused it."""
        return [
            item.outcome if isinstance(item.outcome, Exception) else item.call.decode(item.outcome)
            for item in self._items
        ]

    def commands(self) -> list[Command]:
        """Return what to send now: all calls without an outcome, after the library if need be."""
        pending = [item for item in self._items if not item.answered]
        if elapsed() > self.begun + _RESENDABLE and any(item.may_have_run for item in pending):
            raise errors.StaleRequestError("too late to resend the call; whether it ran is unknown")
        # A pipeline loads the library first: a call must not run before one in front of it.
        wanted = self._is_missing or len(self._items) > 1
        must_load = wanted and not (self._state.is_loaded or all(item.by_eval for item in pending))
        loads = [_Load()] if must_load else []
        self.deferred = None
        self._sent = [*loads, *pending]
        self._read = 0
        texts: list[Command] = [("FUNCTION", "LOAD", self._library.text) for _ in loads]
        return texts + [self._command(item) for item in pending]

    @property
    def expected(self) -> int:
        """The number of replies still to be read."""
        return len(self._sent) - self._read

    def lost(self) -> None:
        """Record that the connection was lost: calls sent and not answered may have run."""
        for item in self._sent[self._read :]:
            if isinstance(item, _PendingCall):
                item.may_have_run = True
        # The next connection may lead to another server.
        self._state.is_loaded = False

    def take(self, reply: Any) -> None:
        """Record the next reply, or the ResponseError that came in its place."""
        item = self._sent[self._read]
        self._read += 1
        if isinstance(item, _Load):
            self._record_load(reply)
        elif isinstance(reply, redis.ResponseError) and self._take_error(item, reply):
            pass
        elif item.oom_error is not None:
            self._record_request_state(item, reply)
        else:
            self._state.is_loaded = self._state.is_loaded or not item.by_eval
            self._answer(item, _outcome(reply))

    def _answer(self, item: _PendingCall, outcome: bytes | Exception | None) -> None:
        item.outcome, item.answered = outcome, True
        self.open -= 1
        if isinstance(outcome, errors.StaleRequestError):
            self.can_reuse_series = False

    def _take_error(self, item: _PendingCall, error: redis.ResponseError) -> bool:
        """Record an error of the server about the call; return whether it was one."""
        if server_errors.is_missing_function(error):
            self._record_missing(item)
        elif self._is_deferred(error):
            self.deferred = error
            item.may_have_run = item.may_have_run or not server_errors.was_not_run(error)
        elif isinstance(error, redis.exceptions.OutOfMemoryError) and item.oom_error is None:
            self._record_oom(item, error)
        else:
            return False
        return True

    def _is_deferred(self, error: redis.ResponseError) -> bool:
        """Return whether this reply reports a state of the server, so the call is sent again."""
        found = server_errors.meaning(error)
        return found is Meaning.UNAVAILABLE or (
            found is Meaning.FORBIDDEN and self._retry_forbidden
        )

    def _record_load(self, reply: Any) -> None:
        is_loaded = not isinstance(reply, redis.ResponseError) or server_errors.is_loaded_already(
            reply
        )
        self._state.is_loaded = is_loaded
        # It matters only if the calls behind it find no library.
        self._load_error = None if is_loaded else reply

    def _record_missing(self, item: _PendingCall) -> None:
        self._state.is_loaded = False
        self._is_missing = True
        error, function = self._load_error, self._sent_for(item).function
        if error is None:
            return
        is_full = isinstance(error, redis.exceptions.OutOfMemoryError)
        if is_full and not function.allows_oom:
            self._record_oom(item, error)
        elif is_full or (function.is_query and self._is_deferred(error)):
            item.by_eval = True
        elif self._is_deferred(error):
            self.deferred = error
        else:
            self._answer(item, permissions.load_error(error))

    def _record_oom(self, item: _PendingCall, error: redis.ResponseError) -> None:
        full = errors.StoreFullError(str(error))
        if item.may_have_run:
            item.oom_error = full
        else:
            self._answer(item, full)

    def _record_request_state(self, item: _PendingCall, reply: Any) -> None:
        if isinstance(reply, redis.ResponseError):
            self._answer(item, server_errors.exception(reply))
        else:
            state = protocol.namespace.request(item.request).decode(reply)
            self._answer(item, state["reply"] if state["state"] == "done" else item.oom_error)

    def _item(self, call: Call[Any], request: str) -> _PendingCall:
        function = self._library.functions[call.script]
        head = (self._now,) if function.is_query else (self._now, request)
        arguments = (len(self._keys), *self._keys, *head, *call.args)
        return _PendingCall(call, function, (function.command, function.name, *arguments), request)

    def _command(self, item: _PendingCall) -> Command:
        sent = self._sent_for(item)
        if not item.by_eval:
            return sent.command
        end = 3 + len(self._keys)
        keys, arguments = sent.command[2:end], sent.command[end:]
        name = sent.call.script
        command = "EVAL_RO" if sent.function.is_query else "EVAL"
        return (command, self._library.script(name), *keys, name, *arguments)

    def _sent_for(self, item: _PendingCall) -> _PendingCall:
        """Return the call itself, or the one that asks whether it ran."""
        if item.oom_error is None:
            return item
        return self._item(protocol.namespace.request(item.request), item.request)


def _outcome(reply: Any) -> Any:
    return server_errors.exception(reply) if isinstance(reply, redis.ResponseError) else reply


class ResendLoop:
    """The pauses between the attempts to send an exchange, from `since`, and when to give up."""

    def __init__(
        self, exchange: Exchange, policy: ResendPolicy, outage: OutageLog, since: float
    ) -> None:
        self._exchange = exchange
        self._policy = policy
        self._outage = outage
        self._since = since
        self._open = exchange.open
        self._pauses = policy.pauses(since)

    def next_pause(self, failure: Exception | None) -> float:
        """Return the seconds to wait before the next attempt.

        `failure` is the connection error of the last attempt, if any. It is raised when no further
        attempt may be made.
        """
        if failure is not None and not _may_resend(failure):
            raise failure
        exchange = self._exchange
        if exchange.open < self._open:
            # Some calls were answered, so the pauses need not grow further.
            self._open, self._pauses = exchange.open, self._policy.pauses(self._since)
        flushed = errors.StoreError("the functions are deleted as fast as they are loaded")
        error = failure or exchange.deferred or flushed
        self._outage.failed_within(self._policy.limit, elapsed() - exchange.begun, error)
        pause = 0.0 if exchange.use_load_attempt(failure) else next(self._pauses, None)
        if pause is None:
            raise error
        return pause


def _may_resend(error: Exception) -> bool:
    transport = isinstance(error, redis.ConnectionError | redis.TimeoutError)
    return transport and not isinstance(error, _NOT_RETRYABLE)
