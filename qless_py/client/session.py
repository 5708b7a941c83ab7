"""How the objects of a client reach the store, and sequences of calls; no I/O."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from qless_py.protocol import Call
from qless_py.protocol.settings import Settings

if TYPE_CHECKING:
    from qless_py.store.async_runner import AsyncRunner
    from qless_py.store.runner import Runner

T = TypeVar("T")


class Session(Protocol):
    """What a synchronous object needs of its client."""

    @property
    def settings(self) -> Settings:
        """The settings of the client."""

    @property
    def runner(self) -> Runner:
        """What sends calls and decodes their replies."""

    @property
    def redis(self) -> Any:
        """The client of redis-py, for pub/sub."""

    @property
    def queues(self) -> Any:
        """The queues by their names."""


class AsyncSession(Protocol):
    """What an asyncio object needs of its client."""

    @property
    def settings(self) -> Settings:
        """The settings of the client."""

    @property
    def runner(self) -> AsyncRunner:
        """What sends calls and decodes their replies."""

    @property
    def redis(self) -> Any:
        """The client of redis-py, for pub/sub."""

    @property
    def queues(self) -> Any:
        """The queues by their names."""


Calls = Generator[Call[Any], Any, T]
"""Yields calls to send one after the other, and receives the reply of each."""
Rounds = Generator[Call[Any] | list[Call[Any]], Any, T]
"""The same; a list of calls is sent together and answered with the list of their replies."""


def answered(replies: list[Any]) -> list[Any]:
    """Return the replies; raises the first that is an exception."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
