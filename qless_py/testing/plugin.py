"""A pytest plugin: a store, a clock and a client for each test, with nothing to install or start.

    def test_a_welcome_is_sent(qless_client):
        register("ann@example.org")
        assert_put(qless_client.queues["mail"], SendMail, {"to": "ann@example.org"})

The store is a server of its own, which ends with the tests; each test has a namespace of its own.
To use another store, override the fixture `qless_url`.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from qless_py.client.client import Client
from qless_py.testing.clock import Clock

# Others may use the same store at the same time, as the processes of pytest-xdist do.
_RUN: Final = secrets.token_hex(4)
_NUMBERS: Final = count(1)
_PAGE: Final = 1000


@pytest.fixture(scope="session")
def qless_url() -> Iterator[str]:
    """Give the URL of the store of this session: embedded, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="qt"))  # Short, since the socket lies below it.
    yield f"embedded://{folder / 'store'}"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def qless_namespace() -> str:
    """Give the name of the namespace of this test."""
    return f"test-{_RUN}-{next(_NUMBERS)}"


@pytest.fixture
def qless_clock() -> Clock:
    """Give the clock of the test: it stands still until `advance` or `travel_to`."""
    return Clock()


@pytest.fixture
def qless_client(qless_url: str, qless_namespace: str, qless_clock: Clock) -> Iterator[Client]:
    """Give a client over an empty namespace that lives by `qless_clock`."""
    with contextlib.closing(
        Client(qless_url, namespace=qless_namespace, clock=qless_clock)
    ) as client:
        _clear(client, qless_namespace)
        yield client
        _clear(client, qless_namespace)


@pytest.fixture
def qless_live_client(qless_url: str, qless_namespace: str) -> Iterator[Client]:
    """Give a client over an empty namespace that lives by the server's clock, as workers do."""
    namespace = f"{qless_namespace}-live"
    with contextlib.closing(Client(qless_url, namespace=namespace)) as client:
        _clear(client, namespace)
        yield client
        _clear(client, namespace)


def _clear(client: Client, namespace: str) -> None:
    """Delete the keys of a namespace, and of no other."""
    for key in client.redis.scan_iter(f"{{{namespace}}}:*", _PAGE):
        client.redis.unlink(key)
