"""Two namespaces of one server: jobs go from `client` to `other`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

import qless_py
from tests import servers
from tests.conftest import Clock


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run these tests on one server only: the scripts are tested on both."""
    item.add_marker(pytest.mark.any_server)


@pytest.fixture
def other(server: servers.Server, redis: object, clock: Clock) -> Iterator[qless_py.Client]:
    """Return a client of another empty namespace with the same clock."""
    del redis  # wanted only so that the keyspace is empty
    with contextlib.closing(qless_py.Client(server.url, namespace="other", clock=clock)) as made:
        yield made
