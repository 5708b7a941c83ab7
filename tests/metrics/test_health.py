"""Ready means: the store answers, runs the scripts, keeps what it has, and takes writes."""

from __future__ import annotations

import pytest

from qless_py import Client
from qless_py.metrics import health
from tests import servers
from tests.store.ports import free_port


def test_a_store_that_works_is_ready(live: Client) -> None:
    found = health.check(live)

    assert (found.is_ready, found.status) == (True, 200)
    assert found.body() == {"ready": True, "failed": []}


def test_a_store_that_is_away_is_not_ready(dead_client: Client) -> None:
    found = health.check(dead_client)

    assert (found.status, list(found.problems)) == (503, ["store"])
    assert found.body() == {"ready": False, "failed": ["store"]}  # No address for strangers.


@pytest.mark.corrupts
def test_a_keyspace_of_another_version_is_not_ready(client: Client) -> None:
    client.redis.hset("{ql}:meta", "schema", "99")

    assert "schema 99" in health.examine(client).problems["scripts"]


def test_a_full_server_that_would_delete_jobs_is_not_ready(server: servers.Server) -> None:
    with Client(server.url) as client:
        assert health.examine(client).is_ready
        client.redis.config_set("maxmemory-policy", "allkeys-lru")
        client.redis.config_set("maxmemory", "1gb")
        try:
            found = health.examine(client)
        finally:
            client.redis.config_set("maxmemory", "0")
            client.redis.config_set("maxmemory-policy", "noeviction")

    assert "allkeys-lru" in found.problems["memory_policy"]


def test_a_replica_is_not_ready(server: servers.Server) -> None:
    with Client(server.url) as client:
        assert health.examine(client).is_ready
        client.redis.replicaof("127.0.0.1", free_port())
        try:
            found = health.examine(client)
        finally:
            client.redis.replicaof("NO", "ONE")

    assert list(found.problems) == ["writable"]


def test_being_live_says_nothing_of_the_store() -> None:
    assert health.live() == {"live": True}
