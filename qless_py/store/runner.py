"""Send calls to the server, and send them again after failures, so that each takes effect once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import redis

from qless_py.errors import StoreError
from qless_py.protocol import Call
from qless_py.store.interruption import heed, mark
from qless_py.store.resend import (
    PIPELINE,
    SLACK,
    Command,
    Exchange,
    Lane,
    Lanes,
    Outage,
    ResendPolicy,
    elapsed,
    may_resend,
)

T = TypeVar("T")


@dataclass(slots=True)
class Flight:
    """Calls that were sent and whose answers nobody has read yet.

    In front of them come the answers to as many plain commands as are `ahead`.
    """

    exchange: Exchange
    lane: Lane
    connection: Any
    failure: Exception | None = None
    ahead: int = 0
    ahead_error: redis.ResponseError | None = None


class Runner:
    """Sends calls to one namespace. Threads may share it, and it may be used after a fork.

    It works on the connections themselves and not through the commands of redis-py, whose retries
    would run a script again under the same argument as if it were another call.
    """

    def __init__(
        self,
        redis: redis.Redis,
        namespace: str,
        clock: Callable[[], float] | None = None,
        *,
        policy: ResendPolicy | None = None,
    ) -> None:
        self.redis = redis
        self.namespace = namespace
        self._key = f"{{{namespace}}}"
        self._clock = clock
        self._policy = policy or ResendPolicy()
        self._lanes = Lanes()
        self._outage = Outage()
        self._loaded: set[str] = set()

    @property
    def clock(self) -> Callable[[], float] | None:
        """The test clock of the namespace, `None` where the server's counts."""
        return self._clock

    def run(self, call: Call[T]) -> T:
        """Send one call and give its decoded reply; a refusal is raised.

        When no answer could be had within the limit of the policy, the error of redis-py is
        raised, and whether the call took effect is unknown.
        """
        (result,) = self._send([call])
        if isinstance(result, Exception):
            raise result
        decoded: T = result
        return decoded

    def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls together, in pipelines of at most 100, and give their results in order.

        A refused call has its exception in its place: a QlessError, or the ResponseError of the
        server. Each call is atomic by itself; after a failure some may be sent again behind others,
        so none may rely on one in front of it. A connection that stays lost is raised.
        """
        results: list[Any] = []
        for start in range(0, len(calls), PIPELINE):
            results += self._send(calls[start : start + PIPELINE])
        return results

    def begin(
        self, calls: Sequence[Call[Any]], connection: Any, ahead: Sequence[Command] = ()
    ) -> Flight:
        """Send at most 100 calls on a connection of the caller's own, and wait for nothing.

        The answers stay on the connection until `finish`, which must come before the next `begin`
        on it. A connection that is lost is no error yet. What goes `ahead` is sent once; an error
        reply to it is kept as `ahead_error` of the flight.
        """
        flight = self._prepared(calls, connection)
        flight.ahead = len(ahead)
        commands = [*ahead, *flight.exchange.commands()]
        try:
            connection.send_packed_command(connection.pack_commands(commands))
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            flight.failure = _broken(flight.exchange, connection, error)
        return flight

    def finish(self, flight: Flight) -> list[Any]:
        """Read the answers to what was begun, and give them as `run_many` does.

        A connection that stays lost is raised; called again, this goes on where it was.
        """
        exchange = flight.exchange
        if flight.failure is None and not exchange.is_finished:
            flight.failure = _pass_over(flight) or _receive(exchange, flight.connection)
        if not exchange.is_finished:
            self._insist(exchange, flight.failure, elapsed())
        if exchange.is_certain:
            self._lanes.give_back(flight.lane)
        return exchange.results()

    def lose(self, flight: Flight, why: str) -> None:
        """Give up the connection of a flight; `finish` asks on another one what came of it."""
        if flight.failure is None:
            error = redis.ConnectionError(why)
            flight.failure = _broken(flight.exchange, flight.connection, error)

    def replace(self, flight: Flight, call: Call[Any]) -> None:
        """Have another call done in the stead of the only one of a flight that was given up.

        Of the two the server does the one that it sees first. If it was the first one, `finish`
        still gives its answer; if not, what this one answered.
        """
        exchange = self._exchange([call], flight.lane)
        failure = self._attempt(exchange)
        if not exchange.is_finished:
            self._insist(exchange, failure, exchange.begun)
        (result,) = exchange.results()
        if isinstance(result, Exception):
            raise result

    def wait(self, keys: Sequence[str | bytes], timeout: float) -> bytes | None:
        """Block until one of the wake-up keys has a marker, take it, and give that key's name.

        None after `timeout` seconds. The connection is not shared meanwhile, and nothing is tried
        again: a lost connection is raised, and a marker it had taken is gone.
        """
        marked = mark()
        connection: Any = self.redis.connection_pool.get_connection()
        try:
            connection.send_command("BZPOPMIN", *keys, max(timeout, 0.001))
            reply = _read_late(connection, timeout + SLACK)
        except BaseException:
            connection.disconnect()
            heed(marked)
            raise
        finally:
            self.redis.connection_pool.release(connection)
        return None if reply is None else bytes(reply[0])

    def _prepared(self, calls: Sequence[Call[Any]], connection: Any = None) -> Flight:
        lane = self._lanes.take()
        exchange = self._exchange(calls, lane)
        return Flight(exchange, lane, connection)

    def _exchange(self, calls: Sequence[Call[Any]], lane: Lane) -> Exchange:
        now = "" if self._clock is None else str(round(self._clock() * 1000))
        again = self._policy.retry_forbidden
        return Exchange(calls, self._key, now, lane, self._loaded, retry_forbidden=again)

    def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        flight = self._prepared(calls)
        exchange, lane, marked = flight.exchange, flight.lane, mark()
        failure = self._attempt(exchange)
        heed(marked)
        if not exchange.is_finished:
            self._insist(exchange, failure, exchange.begun)
        # Only now: a lane whose call has no certain end must not be used again.
        if exchange.is_certain:
            self._lanes.give_back(lane)
        return exchange.results()

    def _insist(self, exchange: Exchange, failure: Exception | None, since: float) -> None:
        pauses, marked = self._policy.pauses(since), mark()
        while not exchange.is_finished:
            if failure is not None and not may_resend(failure):
                raise failure
            self._outage.lasts(exchange.begun, self._policy.limit, failure or exchange.deferred)
            pause = 0.0 if exchange.may_load(failure) else next(pauses, None)
            if pause is None:
                raise failure or exchange.deferred or StoreError("scripts are flushed too fast")
            if pause:
                time.sleep(pause)  # noqa: TID251 - there is no event of a server that comes back
            open_before = exchange.open
            failure = self._attempt(exchange)
            heed(marked)
            if exchange.open < open_before:
                # It gets on, so there is no need to wait longer and longer.
                pauses = self._policy.pauses(since)
        self._outage.is_over()

    def _attempt(self, exchange: Exchange) -> Exception | None:
        """Send what has no outcome and read the answers; give the error of a lost connection."""
        pool = self.redis.connection_pool
        try:
            connection: Any = pool.get_connection()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return error
        try:
            connection.send_packed_command(connection.pack_commands(exchange.commands()))
            return _receive(exchange, connection)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            return _broken(exchange, connection, error)
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


def _pass_over(flight: Flight) -> Exception | None:
    """Read past the answers in front; give the error of a lost connection."""
    try:
        while flight.ahead:
            flight.ahead -= 1
            try:
                flight.connection.read_response(disable_decoding=True)
            except redis.ResponseError as error:
                flight.ahead_error = error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        return _broken(flight.exchange, flight.connection, error)
    except BaseException:
        flight.connection.disconnect()
        raise
    return None


def _receive(exchange: Exchange, connection: Any) -> Exception | None:
    """Read the answers that are still to come; give the error of a lost connection."""
    try:
        while exchange.expected:
            try:
                reply = connection.read_response(disable_decoding=True)
            except redis.ResponseError as error:
                reply = error
            exchange.take(reply)
        if exchange.deferred is not None:
            connection.disconnect()  # The next one may lead to the server that can.
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        return _broken(exchange, connection, error)
    except BaseException:
        connection.disconnect()
        raise
    return None


def _broken(exchange: Exchange, connection: Any, error: Exception) -> Exception:
    connection.disconnect()
    exchange.lost()
    return error


def _read_late(connection: Any, timeout: float) -> Any:
    if not connection.can_read(timeout):
        raise redis.TimeoutError("the server did not end a blocking read in time")
    return connection.read_response(disable_decoding=True)
