"""The asyncio twin of `runner`: the same exchange of calls, awaited."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import redis
import redis.asyncio

from qless_py.errors import QlessError, StaleRequestError, StoreError
from qless_py.protocol import Call, instrumentation, puts
from qless_py.protocol.call import in_bytes
from qless_py.protocol.instrumentation import Instrumentation
from qless_py.store import permissions, wakeup
from qless_py.store.cancellation import CancellationGuard
from qless_py.store.resend import PIPELINE, Command, Exchange
from qless_py.store.runner import LOST, RunnerBase
from qless_py.store.turns import Turns

T = TypeVar("T")


class AsyncRunner(RunnerBase[redis.asyncio.Redis]):
    """Sends calls to one namespace, as `Runner` does; tasks of one event loop may share it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turns = Turns(self._send_turn)

    async def run(self, call: Call[T]) -> T:
        """Send one call and return its decoded reply; see `Runner.run`.

        Calls that several tasks make in the same turn of the event loop are sent together, and
        puts without options as one call, which costs the server a fraction.
        """
        observer = instrumentation.current
        if observer is None:
            result = await self._turns.run(call)
        else:
            with observer.sending([call]) as results:
                result = await self._turns.run(call)
                results.append(result)
        if isinstance(result, Exception):
            raise result
        return result

    async def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls together and return their results in order; see `Runner.run_many`."""
        results: list[Any] = []
        observer = instrumentation.current
        for start in range(0, len(calls), PIPELINE):
            some = calls[start : start + PIPELINE]
            send = self._send(some) if observer is None else self._observed(observer, some)
            results += await send
        return results

    async def wait(self, keys: Sequence[str | bytes], timeout: float) -> bytes | None:  # noqa: ASYNC109 - the server's
        """Wait until one of the wake keys has a marker, and remove it; see `Runner.wait`."""
        reply = await self._block(wakeup.command(keys, timeout), timeout)
        return None if reply is None else bytes(reply[0])

    async def wait_for_event(self, after: str, timeout: float) -> bool:  # noqa: ASYNC109 - the server's
        """Wait until the stream has an event behind an id; see `Runner.wait_for_event`."""
        command = wakeup.stream_command(self.namespace, after, timeout)
        return bool(await self._block(command, timeout))

    async def _block(self, command: tuple[str | bytes, ...], seconds: float) -> Any:
        cancellations = CancellationGuard()
        connection: Any = await self.redis.connection_pool.get_connection()
        try:
            await connection.send_command(*command)
            cancellations.reraise()
            # Far above the timeout of the socket, which would end the wait.
            async with asyncio.timeout(seconds + wakeup.REPLY_MARGIN):
                reply = await connection.read_response(disable_decoding=True, timeout=3600)
        except TimeoutError as error:
            await connection.disconnect(nowait=True)
            raise redis.TimeoutError("the server did not end a blocking read in time") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self.redis.connection_pool.release(connection)
        cancellations.reraise()
        return reply

    async def _observed(self, observer: Instrumentation, calls: Sequence[Call[Any]]) -> list[Any]:
        with observer.sending(calls) as results:
            results.extend(await self._send(calls))
        return results

    async def _send_turn(self, calls: Sequence[Call[Any]]) -> list[Any]:
        whole = puts.together(calls)
        if whole is None:
            return await self._send(calls)
        (replies,) = await self._send([whole])
        if isinstance(replies, list):
            return replies
        if isinstance(replies, QlessError) and not isinstance(replies, StaleRequestError):
            return await self._send(calls)  # None was put, and perhaps only one is to blame.
        return [copy.copy(replies) for _ in calls]  # Its callers may add notes to each.

    async def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        exchange, cancellations = self._exchange(calls), CancellationGuard()
        failure = await self._attempt(exchange)
        if not exchange.is_finished:
            await self._resend(exchange, failure, cancellations)
        results = self._results(exchange)
        cancellations.reraise()
        return results

    async def _resend(
        self, exchange: Exchange, failure: Exception | None, cancellations: CancellationGuard
    ) -> None:
        resends = self._resends(exchange, exchange.begun)
        while not exchange.is_finished:
            cancellations.reraise()
            await asyncio.sleep(resends.next_pause(failure))
            failure = await self._attempt(exchange)
        self._outage.succeeded()

    async def _attempt(self, exchange: Exchange) -> Exception | None:
        """Send what has no outcome and read the replies; return the error of a lost connection."""
        pool = self.redis.connection_pool
        try:
            connection: Any = await self._take_connection()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return error
        try:
            if self._must_check(exchange):
                self._judge(await _ask(connection, permissions.commands(self._keys)))
            commands = exchange.commands()
            await connection.send_packed_command(in_bytes(commands))
            while exchange.expected:
                try:
                    reply = await connection.read_response(disable_decoding=True)
                except redis.ResponseError as error:
                    reply = error
                exchange.take(reply)
            if exchange.deferred is not None:
                await connection.disconnect()  # The next one may lead to a server that can.
        except StoreError:
            raise
        except LOST as error:
            await connection.disconnect(nowait=True)
            exchange.lost()
            return error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return None


async def _ask(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send commands and read their replies, a refused one as its ResponseError."""
    await connection.send_packed_command(in_bytes(commands))
    replies: list[Any] = []
    for _ in commands:
        try:
            replies.append(await connection.read_response(disable_decoding=True))
        except redis.ResponseError as error:
            replies.append(error)
    return replies
