"""Send calls to the server, and send them again after failures, so that each takes effect once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import redis

from qless_py.errors import SOFT_LIMITS, StoreError
from qless_py.protocol import Call, instrumentation
from qless_py.protocol.call import in_bytes
from qless_py.protocol.instrumentation import Instrumentation
from qless_py.protocol.settings import channel_prefix
from qless_py.store import holds, permissions, resend, reuse, wakeup
from qless_py.store.outage import OutageLog
from qless_py.store.resend import PIPELINE, Command, Exchange, ResendLoop, ResendPolicy, elapsed
from qless_py.store.soft_limit import SoftLimitGuard, reraise
from qless_py.store.wakeup import REPLY_MARGIN, WakeConnection

T = TypeVar("T")
R = TypeVar("R")


def database_of(redis: Any) -> int:
    """Return the number of the database that a client of redis-py uses."""
    pool = getattr(redis, "connection_pool", None)
    return int(getattr(pool, "connection_kwargs", {}).get("db") or 0)


def declared_keys(namespace: str, database: int) -> tuple[str, ...]:
    """Return the keys that a call declares: they fit the pattern of all keys of the namespace."""
    prefix = f"{{{namespace}}}"
    names = (f"{prefix}:meta",)
    return (*names, channel_prefix(namespace, database)) if database else names


LOST: Final = (redis.ConnectionError, redis.TimeoutError, OSError)


class RunnerBase(Generic[R]):
    """The state of a runner, and all of its work that is no I/O."""

    def __init__(
        self,
        redis: R,
        namespace: str,
        clock: Callable[[], float] | None = None,
        *,
        policy: ResendPolicy | None = None,
    ) -> None:
        self.redis = redis
        self.namespace = namespace
        self._keys = declared_keys(namespace, database_of(redis))
        self._clock = clock
        self._policy = policy or ResendPolicy()
        # A call that waits for its permission finds out itself whether it has it.
        self._is_permitted = self._policy.retry_forbidden or not permissions.signs_in(redis)
        self._take_connection = reuse.taker(redis)
        self._series = resend.RequestSeriesPool()
        self._outage = OutageLog(resend.logger)
        self._library = resend.LibraryState()

    @property
    def clock(self) -> Callable[[], float] | None:
        """The test clock of the namespace, `None` where the server's counts."""
        return self._clock

    def _exchange(
        self, calls: Sequence[Call[Any]], series: resend.RequestSeries | None = None
    ) -> Exchange:
        now = "" if self._clock is None else str(round(self._clock() * 1000))
        series, forbidden = series or self._series.acquire(), self._policy.retry_forbidden
        return Exchange(calls, self._keys, now, series, self._library, retry_forbidden=forbidden)

    def _must_check(self, exchange: Exchange) -> bool:
        return not self._is_permitted and exchange.has_transition

    def _judge(self, replies: Sequence[Any]) -> None:
        permissions.judge(self.redis, self._keys, replies)
        self._is_permitted = isinstance(replies[-1], list)

    def _resends(self, exchange: Exchange, since: float) -> ResendLoop:
        return ResendLoop(exchange, self._policy, self._outage, since)

    def _results(self, exchange: Exchange) -> list[Any]:
        # Only now: a series must not be used again while the outcome of its call is uncertain.
        if exchange.can_reuse_series:
            self._series.release(exchange.series)
        if not holds.SCRIPTS.isdisjoint(exchange.scripts):
            holds.note()
        return exchange.results()


@dataclass(slots=True)
class Flight:
    """Calls that were sent and whose replies have not been read yet.

    The replies to as many plain commands as are `ahead` come before them.
    """

    exchange: Exchange
    connection: Any
    failure: Exception | None = None
    ahead: int = 0
    ahead_error: redis.ResponseError | None = None


class Runner(RunnerBase[redis.Redis]):
    """Sends calls to one namespace. Threads may share it, and it may be used after a fork.

    It uses the connections directly and not the commands of redis-py, whose own retries would run a
    script again under the same arguments as if it were another call.
    """

    def run(self, call: Call[T]) -> T:
        """Send one call and return its decoded reply; raise what refused it.

        When no reply arrives within the limit of the policy, the error of redis-py is raised, and
        whether the call took effect is unknown.
        """
        observer = instrumentation.current
        (result,) = self._send([call]) if observer is None else self._observed(observer, [call])
        if isinstance(result, Exception):
            raise result
        decoded: T = result
        return decoded

    def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls together, in pipelines of at most 100, and return their results in order.

        A refused call has its exception in its place: a QlessError, or the ResponseError of the
        server. Each call is atomic by itself; after a failure some may be sent again behind others,
        so none may rely on one in front of it. A connection that stays lost is raised.
        """
        results: list[Any] = []
        observer = instrumentation.current
        for start in range(0, len(calls), PIPELINE):
            some = calls[start : start + PIPELINE]
            results += self._send(some) if observer is None else self._observed(observer, some)
        return results

    def begin(
        self, calls: Sequence[Call[Any]], connection: Any, ahead: Sequence[Command] = ()
    ) -> Flight:
        """Send at most 100 calls on a connection of the caller's own, without waiting for replies.

        The replies stay on the connection until `finish`, which must come before the next `begin`
        on it. A lost connection does not raise yet. The commands `ahead` are sent once, before the
        calls; an error reply to one is kept as `ahead_error` of the flight.
        """
        flight = Flight(self._exchange(calls), connection, ahead=len(ahead))
        commands = [*ahead, *flight.exchange.commands()]
        try:
            connection.send_packed_command(in_bytes(commands))
        except LOST as error:
            flight.failure = _lost(flight.exchange, connection, error)
        return flight

    def finish(self, flight: Flight) -> list[Any]:
        """Read the replies to what was begun, and return them as `run_many` does.

        A connection that stays lost is raised; another `finish` continues where this one stopped.
        """
        exchange = flight.exchange
        if flight.failure is None and not exchange.is_finished:
            flight.failure = _skip_ahead(flight) or _receive(exchange, flight.connection)
        if not exchange.is_finished:
            self._resend(exchange, flight.failure, elapsed())
        return self._results(exchange)

    def lose(self, flight: Flight, why: str) -> None:
        """Close the connection of a flight; `finish` asks on another one for the outcome."""
        if flight.failure is None:
            error = redis.ConnectionError(why)
            flight.failure = _lost(flight.exchange, flight.connection, error)

    def replace(self, flight: Flight, call: Call[Any]) -> None:
        """Send another call in place of the only one of a flight whose connection was lost.

        Both have one request id, so the server runs only the one that it sees first. If that was
        the original, `finish` returns its reply, else the reply to this one.
        """
        exchange = self._exchange([call], flight.exchange.series)
        failure = self._attempt(exchange)
        if not exchange.is_finished:
            self._resend(exchange, failure, exchange.begun)
        (result,) = exchange.results()
        if isinstance(result, Exception):
            raise result

    def wait(self, keys: Sequence[str | bytes], timeout: float) -> bytes | None:
        """Block until one of the wake keys has a marker, remove it, and return the key.

        Returns None after `timeout` seconds. The connection is not shared meanwhile, and nothing is
        tried again: a lost connection is raised, and a marker that it had removed is gone.
        """
        reply = self._block(wakeup.command(keys, timeout), timeout)
        return None if reply is None else bytes(reply[0])

    def wait_for_event(self, after: str, timeout: float) -> bool:
        """Block until the stream has an event behind an id; returns False after `timeout` seconds.

        A lost connection is raised.
        """
        command = wakeup.stream_command(self.namespace, after, timeout)
        return bool(self._block(command, timeout))

    def _block(self, command: tuple[str | bytes, ...], timeout: float) -> Any:
        """Send a blocking command on a connection that is not shared meanwhile."""

        def has_reply() -> bool:
            if not connection.get().can_read(timeout + REPLY_MARGIN):
                raise redis.TimeoutError("the server did not end a blocking read in time")
            return True

        soft_limit = SoftLimitGuard()
        connection = WakeConnection(self.redis.connection_pool)
        try:
            return connection.ask(command, has_reply)
        except BaseException:
            soft_limit.reraise()
            raise
        finally:
            connection.release()

    def _observed(self, observer: Instrumentation, calls: Sequence[Call[Any]]) -> list[Any]:
        with observer.sending(calls) as results:
            results.extend(self._send(calls))
        return results

    def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        exchange, soft_limits = self._exchange(calls), SOFT_LIMITS.number
        failure = self._attempt(exchange)
        # What a SoftLimitGuard does, without one more file and object on the path of each put.
        if soft_limits != SOFT_LIMITS.number:
            reraise()
        if not exchange.is_finished:
            self._resend(exchange, failure, exchange.begun)
        return self._results(exchange)

    def _resend(self, exchange: Exchange, failure: Exception | None, since: float) -> None:
        resends, soft_limit = self._resends(exchange, since), SoftLimitGuard()
        while not exchange.is_finished:
            if pause := resends.next_pause(failure):
                time.sleep(pause)  # noqa: TID251 - there is no event of a server that comes back
            failure = self._attempt(exchange)
            soft_limit.reraise()
        self._outage.succeeded()

    def _attempt(self, exchange: Exchange) -> Exception | None:
        """Send what has no outcome and read the replies; return the error of a lost connection."""
        pool = self.redis.connection_pool
        try:
            connection: Any = self._take_connection()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return error
        try:
            if self._must_check(exchange):
                self._judge(_ask(connection, permissions.commands(self._keys)))
            connection.send_packed_command(in_bytes(exchange.commands()))
            return _receive(exchange, connection)
        except StoreError:
            raise
        except LOST as error:
            return _lost(exchange, connection, error)
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)


def _ask(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send commands and read their replies, a refused one as its ResponseError."""
    connection.send_packed_command(in_bytes(commands))
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(connection.read_response(disable_decoding=True))
        except redis.ResponseError as error:
            replies.append(error)
    return replies


def _skip_ahead(flight: Flight) -> Exception | None:
    """Read the replies to the commands ahead; return the error of a lost connection."""
    try:
        while flight.ahead:
            flight.ahead -= 1
            try:
                flight.connection.read_response(disable_decoding=True)
            except redis.ResponseError as error:
                flight.ahead_error = error
    except LOST as error:
        return _lost(flight.exchange, flight.connection, error)
    except BaseException:
        flight.connection.disconnect()
        raise
    return None


def _receive(exchange: Exchange, connection: Any) -> Exception | None:
    """Read the replies that are still to come; return the error of a lost connection."""
    try:
        while exchange.expected:
            try:
                reply = connection.read_response(disable_decoding=True)
            except redis.ResponseError as error:
                reply = error
            exchange.take(reply)
        if exchange.deferred is not None:
            connection.disconnect()  # The next connection may lead to a server that can.
    except LOST as error:
        return _lost(exchange, connection, error)
    except BaseException:
        connection.disconnect()
        raise
    return None


def _lost(exchange: Exchange, connection: Any, error: Exception) -> Exception:
    connection.disconnect()
    exchange.lost()
    return error
