"""What is sent, and sent again, so that each call takes effect exactly once; no I/O.

A transition carries a request id, `lane:sequence:index`. The server remembers each lane's last
answer for minutes, so a call whose answer was lost is sent again under the same id and gets the
first answer, with no second effect. `Exchange` holds the calls of one round trip and decides, from
each answer, what happens next; a runner only moves bytes. `Lanes` hands out the ids.
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
from qless_py.scripts import assemble as scripts
from qless_py.store import server_errors
from qless_py.store.server_errors import Meaning

# One pipeline holds at most so many calls: its answers are remembered one by one.
PIPELINE: Final = 100
# How much longer than its wait a blocking read may take before its connection counts as dead.
SLACK: Final = 5.0

# The server remembers answers for 300 s; what may have run is not sent again after these.
_LOADS: Final = 3  # Times that missing scripts are loaded without regard to the time.
_FORGOTTEN: Final = 200.0

# For how long a call may go unanswered before anybody is told.
_HICCUP: Final = 2.0

_logger = logging.getLogger(__name__)

Command = tuple[bytes | str | int | float, ...]

_HOPELESS: Final = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
)


@dataclass(frozen=True, slots=True)
class ResendPolicy:
    """For how long, in seconds, a call is sent again, and with which pauses.

    The limit must stay far below the five minutes for which the server remembers answers.

    What only an operator can mend, such as a missing permission, is raised at once. With
    `retry_forbidden` it is sent again as after an outage: for results that must not be lost.
    """

    limit: float = 60.0
    first_pause: float = 0.02
    longest_pause: float = 1.0
    retry_forbidden: bool = False

    def pauses(self, begun: float) -> Iterator[float]:
        """Give the pause before each further attempt, until the limit; the first is none."""
        if elapsed() < begun + self.limit:
            yield 0.0
        for doublings in itertools.count():
            longest = min(self.longest_pause, self.first_pause * 2 ** min(doublings, 20))
            # Spread, so that clients that lost one server do not all come back at once.
            pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            if elapsed() + pause >= begun + self.limit:
                return
            yield pause


def elapsed() -> float:
    """Give seconds that also pass while the machine sleeps, as they do for the server."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def may_resend(error: Exception) -> bool:
    """Tell whether another attempt may succeed where this one failed."""
    transport = isinstance(error, redis.ConnectionError | redis.TimeoutError)
    return transport and not isinstance(error, _HOPELESS)


class Outage:
    """Says once that the store does not answer, and again only after it has answered."""

    def __init__(self) -> None:
        self._told = False

    def lasts(self, begun: float, limit: float, failure: Exception | None) -> None:
        """Note that a call has failed again; a short hiccup is not worth a word.

        Nor are tries that end so soon: whoever asked for them has to tell by himself.
        """
        if self._told or limit <= _HICCUP or elapsed() < begun + _HICCUP:
            return
        self._told = True
        _logger.warning("the store does not answer, trying for %.0f s: %s", limit, failure)

    def is_over(self) -> None:
        """Note that a call was answered."""
        self._told = False


@dataclass(slots=True)
class Lane:
    """A name under which one call at a time is sent."""

    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    sequence: int = 0


class Lanes:
    """The lanes of a process. Each call in flight has one of its own; a fork begins with none."""

    def __init__(self) -> None:
        self._free: list[Lane] = []
        self._pid = os.getpid()

    def take(self) -> Lane:
        """Give a lane that no other call uses, at its next sequence number."""
        if self._pid != os.getpid():
            self._free = []
            self._pid = os.getpid()
        try:
            # One operation of the list, so threads need no lock, and neither does a signal handler.
            lane = self._free.pop()
        except IndexError:
            lane = Lane()
        lane.sequence += 1
        return lane

    def give_back(self, lane: Lane) -> None:
        """Take back the lane of a call that was answered; others are forgotten."""
        if self._pid == os.getpid():
            self._free.append(lane)


@dataclass(slots=True)
class _Item:
    call: Call[Any]
    script: scripts.Script
    command: Command
    request: str
    may_have_run: bool = False
    full: Exception | None = None  # refused for memory when sent again: ask whether it had run
    answered: bool = False
    outcome: bytes | Exception | None = None


class Exchange:
    """Some calls on their way, each with what is known of it."""

    def __init__(  # noqa: PLR0913 - what a runner knows
        self,
        calls: Sequence[Call[Any]],
        key: str,
        now: str,
        lane: Lane,
        loaded: set[str],
        *,
        retry_forbidden: bool = False,
    ) -> None:
        self.begun = elapsed()
        self._retry_forbidden = retry_forbidden
        self.deferred: Exception | None = None
        self._key = key
        self._now = now
        self._loaded = loaded
        self._missing: set[str] = set()
        self._sent: list[_Item | str] = []
        self._read = 0
        self._loads_left = _LOADS
        prefix = f"{lane.nonce}:{lane.sequence}:"
        self._items = [self._item(call, f"{prefix}{index}") for index, call in enumerate(calls)]

    @property
    def is_certain(self) -> bool:
        """Whether the lane may be used again: not when somebody else seems to use it too."""
        return not any(isinstance(item.outcome, errors.StaleRequestError) for item in self._items)

    @property
    def is_finished(self) -> bool:
        """Whether every call has its outcome."""
        return all(item.answered for item in self._items)

    @property
    def open(self) -> int:
        """The number of calls without an outcome."""
        return sum(not item.answered for item in self._items)

    def may_load(self, failure: Exception | None) -> bool:
        """Tell whether only scripts are missing, which are loaded at once, however late it is.

        Some times at most: a server that flushes them again and again is as good as none.
        """
        if failure is not None or self.deferred is not None or self._loads_left == 0:
            return False
        self._loads_left -= 1
        return True

    def results(self) -> list[Any]:
        """Give what each call answers, decoded, or the exception that refused it."""
        return [
            item.outcome if isinstance(item.outcome, Exception) else item.call.decode(item.outcome)
            for item in self._items
        ]

    def commands(self) -> list[Command]:
        """Give what to send now: all calls without an outcome, after the scripts they lack."""
        pending = [item for item in self._items if not item.answered]
        if elapsed() > self.begun + _FORGOTTEN and any(item.may_have_run for item in pending):
            raise errors.StaleRequestError("too late to send it again; whether it ran is unknown")
        # A pipeline loads first what it needs: a call must not run before one in front of it.
        wanted = self._missing if len(self._items) == 1 else {self._script(i).sha for i in pending}
        loads = {one.sha: one for one in map(self._script, pending) if one.sha in wanted}
        loads = {sha: one for sha, one in loads.items() if sha not in self._loaded}
        self.deferred = None
        self._sent = [*loads, *pending]
        self._read = 0
        texts: list[Command] = [("SCRIPT", "LOAD", one.text) for one in loads.values()]
        return texts + [self._command(item) for item in pending]

    @property
    def expected(self) -> int:
        """The number of answers still to be read."""
        return len(self._sent) - self._read

    def lost(self) -> None:
        """Note that the connection broke: what was sent and not answered may have run."""
        for item in self._sent[self._read :]:
            if isinstance(item, _Item):
                item.may_have_run = True
        # It may have been the server that ended, and its scripts with it.
        self._loaded.clear()

    def take(self, reply: Any) -> None:
        """Take the next answer: a reply, or the ResponseError that came in its place."""
        item = self._sent[self._read]
        self._read += 1
        if isinstance(item, str):
            self._take_load(item, reply)
        elif item.answered:
            pass  # Its script could not be loaded, so this says once more that there is none.
        elif isinstance(reply, redis.exceptions.NoScriptError):
            self._loaded.discard(self._script(item).sha)
            self._missing.add(self._script(item).sha)
        elif self._is_deferred(reply):
            self.deferred = reply
            item.may_have_run = item.may_have_run or not server_errors.was_not_run(reply)
        elif item.full is not None:
            self._take_memory(item, reply)
        elif isinstance(reply, redis.exceptions.OutOfMemoryError) and item.may_have_run:
            item.full = errors.StoreFullError(str(reply))
        else:
            self._loaded.add(item.script.sha)
            item.outcome = _outcome(reply)
            item.answered = True

    def _is_deferred(self, reply: Any) -> bool:
        """Return whether this answer says nothing about the call, which is then sent again."""
        if not isinstance(reply, redis.ResponseError):
            return False
        found = server_errors.meaning(reply)
        return found is Meaning.UNAVAILABLE or (
            found is Meaning.FORBIDDEN and self._retry_forbidden
        )

    def _take_load(self, sha: str, reply: Any) -> None:
        if not isinstance(reply, redis.ResponseError):
            self._loaded.add(sha)
            return
        if self._is_deferred(reply):
            self.deferred = reply
            return
        # A script that cannot be loaded cannot become better by trying again.
        for item in self._items:
            if not item.answered and self._script(item).sha == sha:
                item.outcome, item.answered = reply, True

    def _take_memory(self, item: _Item, reply: Any) -> None:
        if isinstance(reply, redis.ResponseError):
            item.outcome = server_errors.exception(reply)
        else:
            memory = protocol.namespace.request(item.request).decode(reply)
            item.outcome = memory["reply"] if memory["state"] == "done" else item.full
        item.answered = True

    def _item(self, call: Call[Any], request: str) -> _Item:
        script = scripts.script(call.script)
        head = (self._now,) if script.is_query else (self._now, request)
        command = ("EVALSHA", script.sha, 1, self._key, *head, *call.args)
        return _Item(call, script, command, request)

    def _script(self, item: _Item) -> scripts.Script:
        return (
            item.script
            if item.full is None
            else scripts.script(protocol.namespace.request(item.request).script)
        )

    def _command(self, item: _Item) -> Command:
        if item.full is None:
            return item.command
        question = protocol.namespace.request(item.request)
        return ("EVALSHA", self._script(item).sha, 1, self._key, self._now, *question.args)


def _outcome(reply: Any) -> Any:
    return server_errors.exception(reply) if isinstance(reply, redis.ResponseError) else reply
