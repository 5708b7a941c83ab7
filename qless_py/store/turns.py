"""Calls that tasks make in the same turn of their event loop travel together."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from qless_py.protocol import Call
from qless_py.store.resend import PIPELINE

T = TypeVar("T")


class _Turn:
    """The calls of one turn, the future of each reply, and the task that sends the calls."""

    def __init__(self) -> None:
        self.calls: list[Call[Any]] = []
        self.replies: list[asyncio.Future[Any]] = []
        self.sender: asyncio.Task[None] | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether a task still waits for one of the replies."""
        return not all(one.done() for one in self.replies)


class Turns:
    """Sends the calls of each turn in pipelines of 100, in the order in which they were made.

    `send` sends one pipeline and returns the results, an exception in place of a refused call. What
    it raises, such as a lost connection, is raised for each call that has no reply yet.

    Canceling a task does not affect the calls of other tasks. Once all tasks of a turn have been
    canceled, the sending is canceled as well.
    """

    def __init__(self, send: Callable[[Sequence[Call[Any]]], Awaitable[list[Any]]]) -> None:
        self._send = send
        self._turn = _Turn()
        self._senders: set[asyncio.Task[None]] = set()

    async def run(self, call: Call[T]) -> T | Exception:
        """Send a call in this turn, and return its decoded reply or what refused it."""
        turn, loop = self._turn, asyncio.get_running_loop()
        if not turn.calls:
            loop.call_soon(self._end, turn)
        reply: asyncio.Future[Any] = loop.create_future()
        # Decoded here, so that a reply that cannot be decoded concerns nobody else.
        turn.calls.append(call.raw())
        turn.replies.append(reply)
        try:
            outcome = await reply
        except asyncio.CancelledError:
            if turn.sender is not None and not turn.is_awaited:
                turn.sender.cancel()
            raise
        return outcome if isinstance(outcome, Exception) else call.decode(outcome)

    def _end(self, turn: _Turn) -> None:
        """End a turn: send its calls, unless all of their tasks have been canceled by now."""
        self._turn = _Turn()
        if turn.is_awaited:
            turn.sender = asyncio.ensure_future(self._answer(turn))
            self._senders.add(turn.sender)  # The event loop itself keeps no reference to a task.
            turn.sender.add_done_callback(self._senders.discard)

    async def _answer(self, turn: _Turn) -> None:
        try:
            for start in range(0, len(turn.calls), PIPELINE):
                results = await self._send(turn.calls[start : start + PIPELINE])
                for reply, result in zip(turn.replies[start:], results, strict=False):
                    if not reply.done():  # Unless its task was canceled.
                        reply.set_result(result)
        except Exception as error:  # noqa: BLE001 - raised by each of the calls
            for reply in turn.replies:
                if not reply.done():
                    # Each has its own, to which its caller may add notes.
                    reply.set_exception(copy.copy(error))
        finally:
            for reply in turn.replies:
                reply.cancel()  # Of use only if this task was canceled: else they are done.
