"""The asyncio twin of `runner`: the same exchange of calls, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio

from qless_py.errors import StoreError
from qless_py.protocol import Call
from qless_py.store.resend import (
    PIPELINE,
    SLACK,
    Exchange,
    Lane,
    Lanes,
    Outage,
    ResendPolicy,
    may_resend,
)

T = TypeVar("T")


class AsyncRunner:
    """Sends calls to one namespace, as `Runner` does; tasks of one event loop may share it."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
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

    async def run(self, call: Call[T]) -> T:
        """Send one call and give its decoded reply; see `Runner.run`."""
        (result,) = await self._send([call])
        if isinstance(result, Exception):
            raise result
        decoded: T = result
        return decoded

    async def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls together and give their results in order; see `Runner.run_many`."""
        results: list[Any] = []
        for start in range(0, len(calls), PIPELINE):
            results += await self._send(calls[start : start + PIPELINE])
        return results

    async def wait(self, keys: Sequence[str | bytes], timeout: float) -> bytes | None:  # noqa: ASYNC109 - the server's
        """Wait until one of the wake-up keys has a marker, and take it; see `Runner.wait`."""
        known = _cancellations()
        connection: Any = await self.redis.connection_pool.get_connection()
        try:
            await connection.send_command("BZPOPMIN", *keys, max(timeout, 0.001))
            _heed(known)
            # Far above the socket's own timeout, which would end the wait.
            async with asyncio.timeout(timeout + SLACK):
                reply = await connection.read_response(disable_decoding=True, timeout=3600)
        except TimeoutError as error:
            await connection.disconnect(nowait=True)
            raise redis.TimeoutError("the server did not end a blocking read in time") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self.redis.connection_pool.release(connection)
        return None if reply is None else bytes(reply[0])

    async def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        lane = self._lanes.take()
        exchange = self._exchange(calls, lane)
        known = _cancellations()
        failure = await self._attempt(exchange)
        if not exchange.is_finished:
            await self._insist(exchange, failure, known)
        # Only now: a lane whose call has no certain end must not be used again.
        if exchange.is_certain:
            self._lanes.give_back(lane)
        return exchange.results()

    def _exchange(self, calls: Sequence[Call[Any]], lane: Lane) -> Exchange:
        now = "" if self._clock is None else str(round(self._clock() * 1000))
        again = self._policy.retry_forbidden
        return Exchange(calls, self._key, now, lane, self._loaded, retry_forbidden=again)

    async def _insist(self, exchange: Exchange, failure: Exception | None, known: int) -> None:
        pauses = self._policy.pauses(exchange.begun)
        while not exchange.is_finished:
            _heed(known)
            if failure is not None and not may_resend(failure):
                raise failure
            self._outage.lasts(exchange.begun, self._policy.limit, failure or exchange.deferred)
            pause = 0.0 if exchange.may_load(failure) else next(pauses, None)
            if pause is None:
                raise failure or exchange.deferred or StoreError("scripts are flushed too fast")
            await asyncio.sleep(pause)
            open_before = exchange.open
            failure = await self._attempt(exchange)
            if exchange.open < open_before:
                # It gets on, so there is no need to wait longer and longer.
                pauses = self._policy.pauses(exchange.begun)
        self._outage.is_over()

    async def _attempt(self, exchange: Exchange) -> Exception | None:
        """Send what has no outcome and read the answers; give the error of a lost connection."""
        pool = self.redis.connection_pool
        try:
            connection: Any = await pool.get_connection()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return error
        try:
            commands = exchange.commands()
            await connection.send_packed_command(connection.pack_commands(commands))
            while exchange.expected:
                try:
                    reply = await connection.read_response(disable_decoding=True)
                except redis.ResponseError as error:
                    reply = error
                exchange.take(reply)
            if exchange.deferred is not None:
                await connection.disconnect()  # The next one may lead to the server that can.
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            await connection.disconnect(nowait=True)
            exchange.lost()
            return error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return None


def _cancellations() -> int:
    """Count how often somebody has canceled this task."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _heed(known: int) -> None:
    """Raise the cancellation that came since and was swallowed.

    Before Python 3.12 `asyncio.wait_for`, with which redis-py sends, does that when what it waited
    for has ended at the same moment.
    """
    if _cancellations() > known:
        raise asyncio.CancelledError
