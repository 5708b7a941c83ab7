"""How an idle child waits: until there may be a job, a control message comes, or time is up."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final, TypeVar

from redis.exceptions import ResponseError

from qless_py import protocol
from qless_py.errors import QlessError
from qless_py.protocol import Call
from qless_py.store import server_errors, wakeup
from qless_py.store.runner import Flight
from qless_py.store.server_errors import Meaning
from qless_py.store.wakeup import WakeConnection
from qless_py.worker.acknowledger import Acknowledger, StopWaiting, UnconfirmedFetch
from qless_py.worker.control_pipe import ControlPipe

logger = logging.getLogger(__name__)

T = TypeVar("T")

_REPLY_MARGIN: Final = 1.0  # Seconds by which the server's reply to a timeout may be late.


class Fetcher:
    """A blocking read (BZPOPMIN) of the queues' wake keys, on a connection of its own.

    It waits for the reply and for control messages at once, so an idle child stops immediately. A
    process that is frozen can take a wake-up, and a job, only within `longest` seconds; the job
    comes back when its supervisor reports the process, or when the lease expires.
    """

    def __init__(
        self, acknowledger: Acknowledger, control: ControlPipe, longest: float = 2.0
    ) -> None:
        self._acknowledger = acknowledger
        self._control = control
        self._longest = longest
        self._connection = WakeConnection(acknowledger.pool)
        self._is_polling = False

    def wait(self, keys: Sequence[str], next_in: int | None, more: Sequence[int] = ()) -> None:
        """Wait for a wake-up, at most `next_in` ms, when the next job becomes due.

        Returns early when one of the `more` descriptors becomes readable.
        """
        seconds = self._seconds(next_in)
        if not keys:
            self._control.wait(seconds, *more)
            return
        try:
            self._connection.wait(keys, seconds, lambda: self._wait_for_reply(seconds, more))
        except ResponseError as error:
            self._poll(error, seconds, *more)

    def fetch(
        self, call: Call[T], keys: Sequence[str], next_in: int | None
    ) -> T | QlessError | ResponseError:
        """Wait likewise, have the server make a call at the end, and return its reply.

        The call is pipelined behind BZPOPMIN, so a wake-up costs no extra round trip. A control
        message that ends the wait revokes the call; if the server was faster, its reply is still
        returned. Raises `UnconfirmedFetch` if the child must stop while the store is unavailable.
        """
        seconds = self._seconds(next_in)
        runner = self._acknowledger.runner
        flight = runner.begin([call], self._connection.get(), [wakeup.command(keys, seconds)])
        try:
            if flight.failure is None and not self._wait_for_reply(seconds, ()):
                runner.lose(flight, "no answer in time")
                if self._must_stop():
                    self._revoke(flight)
            (reply,) = self._acknowledger.insist(
                lambda: runner.finish(flight), while_stopping=False
            )
        except StopWaiting:
            self.close()
            raise UnconfirmedFetch from None
        except BaseException:
            self.close()
            raise
        if flight.failure is not None:
            self.close()
        if flight.ahead_error is None:
            self._is_polling = False
        elif _is_forbidden(flight.ahead_error) and not getattr(reply, "jobs", None):
            self._poll(flight.ahead_error, seconds)
        typed: T | QlessError | ResponseError = reply
        return typed

    def close(self) -> None:
        """Close the connection, with any reply that is still to come on it."""
        self._connection.close()

    def close_inherited(self) -> None:
        """Close the connection in a forked process without affecting the original."""
        self._connection.close_inherited()

    def _poll(self, error: ResponseError, seconds: float, *more: int) -> None:
        """Wait here instead of in the server, which rejects the blocking read."""
        if not self._is_polling and _is_forbidden(error):
            self._is_polling = True
            logger.warning("polling, since the server rejects BZPOPMIN: %s", error)
        self._control.wait(seconds, *more)

    def _revoke(self, flight: Flight) -> None:
        """Replace the call by one that fetches nothing, unless the server has run it already."""
        runner, tick = self._acknowledger.runner, protocol.queues.tick()
        self._acknowledger.insist(lambda: runner.replace(flight, tick), while_stopping=False)

    def _seconds(self, next_in: int | None) -> float:
        longest = self._longest
        return longest if next_in is None else min(longest, max(0.0, next_in / 1000))

    def _wait_for_reply(self, seconds: float, more: Sequence[int]) -> bool:
        """Return True when the reply is there, False if something else comes first, or nothing.

        Any control message ends the wait: it may be for another running job.
        """
        deadline = time.monotonic() + seconds + _REPLY_MARGIN
        descriptor = self._connection.fileno()
        while descriptor is not None and not (self._control.has_news or self._must_stop()):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ready = self._control.wait(left, descriptor, *more)
            if ready:
                return descriptor in ready
        return False

    def _must_stop(self) -> bool:
        return self._control.stop or self._control.quiet


def _is_forbidden(error: ResponseError) -> bool:
    return server_errors.meaning(error) is Meaning.FORBIDDEN
