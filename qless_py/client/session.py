"""How the objects of a client reach the store."""

from collections.abc import Awaitable, Generator, Sequence
from typing import Any, Protocol, TypeVar

from qless_py.errors import QlessError
from qless_py.protocol import Call
from qless_py.protocol.settings import Settings

T = TypeVar("T")


class Session(Protocol):
    """How the synchronous objects reach the store."""

    @property
    def settings(self) -> Settings:
        """What the client was told."""

    @property
    def redis(self) -> Any:
        """The connection, for pubsub."""

    def run(self, call: Call[T]) -> T:
        """Send one call and read its reply."""

    def run_many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Send calls in one round trip; an error stands in the place of its reply."""


class AsyncSession(Protocol):
    """How the asyncio objects reach the store."""

    @property
    def settings(self) -> Settings:
        """What the client was told."""

    @property
    def redis(self) -> Any:
        """The connection, for pubsub."""

    def run(self, call: Call[T]) -> Awaitable[T]:
        """Send one call and read its reply."""

    def run_many(self, calls: Sequence[Call[Any]]) -> Awaitable[list[Any]]:
        """Send calls in one round trip; an error stands in the place of its reply."""


Calls = Generator[Call[Any], Any, T]
"""Calls to be sent one after the other, each of which is answered with its reply."""
Rounds = Generator[Call[Any] | list[Call[Any]], Any, T]
"""The same with lists of calls that go together, answered with the list of their replies."""


def answered(replies: list[Any]) -> list[Any]:
    """Give replies none of which is a refusal; raises the first that is."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def drive(session: Session, calls: Rounds[T]) -> T:
    """Send calls one after the other, and tell each reply or refusal to whoever makes them."""
    try:
        call = next(calls)
        while True:
            try:
                reply = (
                    answered(session.run_many(call))
                    if isinstance(call, list)
                    else session.run(call)
                )
            except QlessError as error:
                call = calls.throw(error)
            else:
                call = calls.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


async def drive_async(session: AsyncSession, calls: Rounds[T]) -> T:
    """Do the same for asyncio."""
    try:
        call = next(calls)
        while True:
            try:
                reply = (
                    answered(await session.run_many(call))
                    if isinstance(call, list)
                    else await session.run(call)
                )
            except QlessError as error:
                call = calls.throw(error)
            else:
                call = calls.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result
