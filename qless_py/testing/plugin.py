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
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from qless_py.app import App, load_app
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `qless_app` of the configuration file."""
    parser.addini("qless_app", "The App under test, as MODULE:NAME; see the fixture qless_app.")


@pytest.fixture
def qless_app(request: pytest.FixtureRequest) -> App | None:
    """Return the App under test, by default the one that the ini option `qless_app` names.

    Override it to return your App. From then on each test puts into a store of its own.
    """
    name = request.config.getini("qless_app")
    return load_app(name) if name else None


@pytest.fixture(autouse=True)
def _qless_isolation(qless_app: App | None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep a test of an App away from any other store, also if it asks for no fixture."""
    if qless_app is None:
        yield
        return

    found: dict[str, Any] = {}
    lock = threading.RLock()

    def value(fixture: str) -> Any:
        if fixture not in found:
            with lock:  # pytest sets up fixtures for one thread at a time.
                found[fixture] = request.getfixturevalue(fixture)
        return found[fixture]

    with replaced(Replacement(lambda: value("qless_client"), lambda: value("qless_url"))):
        yield


@pytest.fixture
def qless_client(
    qless_app: App | None, qless_url: str, qless_namespace: str, qless_clock: Clock
) -> Iterator[Client]:
    """Return a client of an empty namespace that uses `qless_clock`, with the codecs of the App.

    While it is in use, each App and each function with the decorator `qless_py.job` puts into that
    namespace, too.
    """
    make = Client if qless_app is None else qless_app.new_client
    with contextlib.closing(
        make(qless_url, namespace=qless_namespace, clock=qless_clock)
    ) as client:
        yield from _in_use(client, qless_url)


@pytest.fixture
def qless_live_client(
    qless_app: App | None, qless_url: str, qless_namespace: str
) -> Iterator[Client]:
    """Return the same with the server's clock, which workers use, in a namespace of its own."""
    make = Client if qless_app is None else qless_app.new_client
    with contextlib.closing(make(qless_url, namespace=f"{qless_namespace}-live")) as client:
        yield from _in_use(client, qless_url)


def _in_use(client: Client, url: str) -> Iterator[Client]:
    _clear(client, client.namespace)
    with replaced(Replacement(lambda: client, lambda: url)):
        yield client
    _clear(client, client.namespace)


def _clear(client: Client, namespace: str) -> None:
    """Delete all keys of a namespace."""
    for key in client.redis.scan_iter(f"{{{namespace}}}:*", _PAGE):
        client.redis.unlink(key)
