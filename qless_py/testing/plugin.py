"""A pytest plugin with fixtures for a store, a clock and a client.

    def test_a_welcome_is_sent(qless_client):
        register("ann@example.org")
        assert_put(qless_client.queues["mail"], SendMail, {"to": "ann@example.org"})

The store is an embedded server that ends with the session; each test has its own namespace. To use
another store, override the fixture `qless_url`.
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
from qless_py.default_client import Replacement, replaced
from qless_py.testing.clock import Clock

# Distinguishes this process from others that use the same store, as with pytest-xdist.
_RUN: Final = secrets.token_hex(4)
_NUMBERS: Final = count(1)
_PAGE: Final = 1000


@pytest.fixture(scope="session")
def qless_url() -> Iterator[str]:
    """Return the URL of the session's store: embedded, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="qt"))  # Short: the path of a socket is limited.
    yield f"embedded://{folder / 'store'}"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def qless_namespace() -> str:
    """Return the namespace of this test."""
    return f"test-{_RUN}-{next(_NUMBERS)}"


@pytest.fixture
def qless_clock() -> Clock:
    """Return the clock of this test, which stands still until `advance` or `travel_to`."""
    return Clock()


@pytest.fixture
def qless_client(qless_url: str, qless_namespace: str, qless_clock: Clock) -> Iterator[Client]:
    """Return a client of an empty namespace that uses `qless_clock`.

    While it is in use, functions with the decorator `qless_py.job` put into that namespace, too.
    """
    with contextlib.closing(
        Client(qless_url, namespace=qless_namespace, clock=qless_clock)
    ) as client:
        _clear(client, qless_namespace)
        with replaced(Replacement(lambda: client, lambda: qless_url)):
            yield client
        _clear(client, qless_namespace)


@pytest.fixture
def qless_live_client(qless_url: str, qless_namespace: str) -> Iterator[Client]:
    """Return a client of an empty namespace that uses the server's clock, as workers do."""
    namespace = f"{qless_namespace}-live"
    with contextlib.closing(Client(qless_url, namespace=namespace)) as client:
        _clear(client, namespace)
        yield client
        _clear(client, namespace)


def _clear(client: Client, namespace: str) -> None:
    """Delete all keys of a namespace."""
    for key in client.redis.scan_iter(f"{{{namespace}}}:*", _PAGE):
        client.redis.unlink(key)
