"""Fixtures of the tests of frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qless_py
from qless_py.default_client import Replacement, replaced
from tests.frameworks import django_site
from tests.servers import Server

django_site.set_up()  # Before the modules of tests, since tasks need the settings.


@pytest.fixture
def isolated(client: qless_py.Client, server: Server) -> Iterator[qless_py.Client]:
    """Let every App put into the empty keyspace, as the plugin does for users."""
    with replaced(Replacement(lambda: client, lambda: server.url)):
        yield client


@pytest.fixture
def store(server: Server, redis: Any) -> Iterator[str]:
    """Return the URL of an empty store with the server's clock."""
    yield server.url
    redis.flushall()
