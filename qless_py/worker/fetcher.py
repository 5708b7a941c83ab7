"""How an idle child sleeps: until a job may be there, an order comes, or the time is up."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from redis.exceptions import RedisError, ResponseError

from qless_py import protocol
from qless_py.errors import QlessError
from qless_py.protocol import Call
from qless_py.store import server_errors
from qless_py.store.runner import Flight
from qless_py.store.server_errors import Meaning
from qless_py.worker.acknowledger import Leave, Post, Unsettled, sever
from qless_py.worker.control_pipe import Orders

logger = logging.getLogger(__name__)

T = TypeVar("T")

_SHORTEST: Final = 0.001
_LATE: Final = 1.0


class Doorbell:
    """A blocking read of the queues' wake keys, on a connection of its own.

    It waits for the reply and for orders at once, so an idle child leaves as soon as it is told.
    A process that stopped swallows a wake-up, and its request takes a job, only if that comes
    within `longest` seconds; the job is back when its parent has buried it, or its lease has ended.
    """

    def __init__(self, post: Post, orders: Orders, longest: float = 2.0) -> None:
        self._post = post
        self._orders = orders
        self._longest = longest
        self._connection: Any = None
        self._is_polling = False

    def wait(self, keys: Sequence[str], next_in: int | None, more: Sequence[int] = ()) -> None:
        """Sleep at most until `next_in` ms from now, when something becomes due.

        Ends early when one of `more` descriptors becomes readable.
        """
        seconds = self._seconds(next_in)
        if not keys:
            self._orders.wait(seconds, *more)
            return
        answered = False
        try:
            connection = self._connected()
            connection.send_command(*_ring(keys, seconds))
            if answered := self._is_answered(seconds, more):
                connection.read_response()
        except ResponseError as error:
            self._poll(error, seconds, *more)
        finally:
            if not answered:
                self.close()

    def take(
        self, call: Call[T], keys: Sequence[str], next_in: int | None
    ) -> T | QlessError | ResponseError:
        """Sleep likewise, and have the server make a call at the very end of it; give its answer.

        It lies there behind the blocking read: nobody has to ask once he was woken. An order that
        ends the sleep takes it back; if the server was faster, the answer is still given. Raises
        `Unsettled` when told to stop while the store is away.
        """
        seconds = self._seconds(next_in)
        runner = self._post.runner
        flight = runner.begin([call], self._connected(), [_ring(keys, seconds)])
        try:
            if flight.failure is None and not self._is_answered(seconds, ()):
                runner.lose(flight, "no answer in time")
                if self._interrupted():
                    self._take_back(flight)
            (answer,) = self._post.insist(lambda: runner.finish(flight), also_stopping=False)
        except Leave:
            self.close()
            raise Unsettled from None
        except BaseException:
            self.close()
            raise
        if flight.failure is not None:
            self.close()
        if flight.ahead_error is None:
            self._is_polling = False
        elif _is_forbidden(flight.ahead_error) and not getattr(answer, "jobs", None):
            self._poll(flight.ahead_error, seconds)
        given: T | QlessError | ResponseError = answer
        return given

    def close(self) -> None:
        """Give the connection up, with whatever reply was still to come on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
            self._post.pool.release(connection)

    def drop(self) -> None:
        """Close the connection in a forked process without a word to the server."""
        connection, self._connection = self._connection, None
        sever(connection)

    def _poll(self, error: ResponseError, seconds: float, *more: int) -> None:
        """Wait without the server, which rejects the blocking read: else nothing would wait."""
        if not self._is_polling and _is_forbidden(error):
            self._is_polling = True
            logger.warning("polling, since the server rejects BZPOPMIN: %s", error)
        self._orders.wait(seconds, *more)

    def _take_back(self, flight: Flight) -> None:
        """Have nothing taken any more under this call, if nothing was taken yet."""
        runner, tick = self._post.runner, protocol.queues.tick()
        self._post.insist(lambda: runner.replace(flight, tick), also_stopping=False)

    def _seconds(self, next_in: int | None) -> float:
        longest = self._longest
        return longest if next_in is None else min(longest, max(_SHORTEST, next_in / 1000))

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._post.pool.get_connection()
        return self._connection

    def _is_answered(self, seconds: float, more: Sequence[int]) -> bool:
        """Wait for an answer; not if an order or something else comes first, or nothing at all.

        An order is for a job that runs beside: it would be too late when this sleep is over.
        """
        until = time.monotonic() + seconds + _LATE
        # The library offers no public way to select on a connection beside something else.
        descriptor = self._connection._sock.fileno()  # noqa: SLF001
        while not self._disturbed() and (left := until - time.monotonic()) > 0:
            ready = self._orders.wait(left, descriptor, *more)
            if descriptor in ready:
                return True
            if ready:
                return False
        return False

    def _disturbed(self) -> bool:
        return self._orders.fresh or self._interrupted()

    def _interrupted(self) -> bool:
        return self._orders.stop or self._orders.quiet


def _is_forbidden(error: ResponseError) -> bool:
    return server_errors.meaning(error) is Meaning.FORBIDDEN


def _ring(keys: Sequence[str], seconds: float) -> tuple[str, ...]:
    return ("BZPOPMIN", *keys, f"{seconds:.3f}")
