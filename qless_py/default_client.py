"""The client of tasks that have none of their own, and its replacement in tests."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from qless_py.client.client import Client
from qless_py.errors import BadArgumentError

ClientSource = Client | Callable[[], Client]


@dataclass(frozen=True, slots=True)
class Replacement:
    """The store of a test: `client` is called when something is put, `url` names its server."""

    client: Callable[[], Client]
    url: Callable[[], str]


@dataclass(frozen=True, slots=True)
class SelfReplacing:
    """Returns a client, and looks for its replacement in a test itself."""

    find: Callable[[], Client]

    def __call__(self) -> Client:
        """Return the client."""
        return self.find()


# Not a context variable: threads that the tested code starts put into the store of the test, too.
_replacements: Final[list[Replacement]] = []


def default_client() -> Client:
    """Return the client of this process for tasks without one, created on first use."""
    replacement = current_replacement()
    return _made() if replacement is None else replacement.client()


def replaceable(client: Client | Callable[[], Client] | None) -> Callable[[], Client] | None:
    """Return a function that returns this client, or the one that replaces it in a test."""
    if client is None or isinstance(client, SelfReplacing):
        return client
    checked_client(client)

    def found() -> Client:
        replacement = current_replacement()
        if replacement is not None:
            return replacement.client()
        return client if isinstance(client, Client) else client()

    return found


def checked_client(client: ClientSource) -> ClientSource:
    """Return what was given as a client, if it is one or can make one."""
    if not isinstance(client, Client) and not callable(client):
        raise BadArgumentError(
            f"client is of the type {type(client).__name__}, not a Client or a function that "
            "returns one"
        )
    return client


def current_replacement() -> Replacement | None:
    """Return what replaces every client that is not passed explicitly, None outside of tests."""
    return _replacements[-1] if _replacements else None


@contextlib.contextmanager
def replaced(by: Replacement) -> Iterator[None]:
    """Put everything into the store of a test within the block."""
    _replacements.append(by)
    try:
        yield
    finally:
        _replacements.remove(by)


@functools.cache
def _made() -> Client:
    return Client()
