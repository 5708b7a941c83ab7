"""What every object of a client shares: its settings, and the runner that sends calls."""

import os
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from qless_py import codec as codecs
from qless_py import options
from qless_py.codec import Codec
from qless_py.errors import BadArgumentError, QlessError, UndecodableDataError
from qless_py.protocol import Call
from qless_py.protocol.recurring import Question

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was told; the same for the synchronous and the asyncio client."""

    namespace: str
    codec: Codec
    codecs: Mapping[str, Codec]
    clock: Callable[[], float]
    given_worker_name: str | None
    # What pops were asked and nobody has answered yet: see `qless_py.refill`.
    questions: deque[Question] = field(default_factory=lambda: deque(maxlen=100), compare=False)

    @property
    def worker_name(self) -> str:
        """The name under which jobs are taken; by default of this host and this very process."""
        if self.given_worker_name is not None:
            return self.given_worker_name
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip(".-") or "host"
        return f"{host[:100]}-{os.getpid()}"

    def codec_named(self, name: str) -> Codec:
        """Give the codec of stored data."""
        found = self.codecs.get(name)
        if found is None:
            raise UndecodableDataError(f"this client does not know the codec {name!r}")
        return found

    def channel(self, name: str) -> str:
        """Give the full name of a channel."""
        return f"{{{self.namespace}}}:{name}"


def settings(
    namespace: str,
    codec: str | Codec,
    more_codecs: Iterable[Codec],
    clock: Callable[[], float],
    worker_name: str | None,
) -> Settings:
    """Check what a client was told. JSON and msgpack can be read by every client."""
    known: dict[str, Codec] = {one.name: one for one in (codecs.JsonCodec(), codecs.MsgpackCodec())}
    known |= {_codec_name(one): one for one in more_codecs}
    chosen = known[options.choice("codec", codec, known)] if isinstance(codec, str) else codec
    known[_codec_name(chosen)] = chosen
    if worker_name is not None:
        options.name("worker_name", worker_name)
    return Settings(options.name("namespace", namespace), chosen, known, clock, worker_name)


def _codec_name(codec: Any) -> str:
    if not all(hasattr(codec, part) for part in ("name", "encode", "decode")):
        raise BadArgumentError(f"codec {codec!r} has no name, encode and decode")
    return options.name("codec", codec.name)


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
