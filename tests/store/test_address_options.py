"""A server named by the arguments of redis-py, and what is wrong with options."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_py

from qless_py import Client, StoreError, aio
from qless_py.store.urls import options_url, parse
from tests.servers import Server


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, None),
        ({"db": 3}, None),
        ({"host": "h"}, "redis://h:6379"),
        ({"port": 7000}, "redis://localhost:7000"),
        ({"host": "::1", "port": 7000, "ssl": True}, "rediss://[::1]:7000"),
        ({"unix_socket_path": "/run/a b.sock"}, "unix:///run/a%20b.sock"),
    ],
)
def test_options_of_redis_py_may_name_the_server(options: dict[str, Any], url: str | None) -> None:
    assert options_url(options) == url


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"port": 0}, "each host must be a name or an address"),
        ({"host": ""}, "each host must be a name or an address"),
        ({"host": 5}, "host 5 is not text"),
        ({"host": "h", "unix_socket_path": "/a"}, "named twice, by unix_socket_path and by host"),
        ({"port": 1, "unix_socket_path": "/a"}, "named twice, by unix_socket_path and by host"),
    ],
)
def test_options_that_name_no_server_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(StoreError, match=problem):
        Client(**options)


@pytest.mark.parametrize("url", ["redis://user#x@h", "redis://h/3#x", "unix:///a#b"])
def test_a_hash_does_not_cut_a_url_short(url: str) -> None:
    with pytest.raises(StoreError, match="write %23 for #"):
        parse(url)


@pytest.mark.parametrize("kind", [Client, aio.Client])
def test_a_client_takes_a_host_and_a_port(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QLESS_PY_URL", "redis://elsewhere:1")

    client = kind(host="foo.bar.com", port=1234, db=2)

    made = client.redis.connection_pool.connection_kwargs
    assert (made["host"], made["port"], made["db"]) == ("foo.bar.com", 1234, 2)
    closed = client.close()
    if closed is not None:
        asyncio.run(closed)


def test_a_client_of_a_socket_puts_jobs(client: Client, server: Server) -> None:
    path = urlsplit(server.url).path
    client.redis.flushall()

    with contextlib.closing(Client(unix_socket_path=path)) as made:
        assert made.queues["q"].put("K", jid="j") == "j"


@pytest.mark.parametrize("kind", [Client, aio.Client])
def test_a_server_is_named_once(kind: Any) -> None:
    with pytest.raises(StoreError, match=r"named twice, as redis://u:.*@a and as redis://b:6379"):
        kind("redis://u:secret@a", host="b")


def test_a_database_is_named_once() -> None:
    assert parse("redis://h/?db=3").options["db"] == 3
    with pytest.raises(StoreError, match="names the database twice, in its path and as db="):
        parse("redis://h/1?db=3")


@pytest.mark.parametrize(
    ("url", "options", "problem"),
    [
        ("rediss://h/?ssl_cert_reqs=CERT_NONE", {}, "the value of ssl_cert_reqs .*none, optional"),
        ("redis://h/?socket_timeout=soon", {}, "the value of socket_timeout is not valid"),
        ("redis://h", {"protocol": 7}, "the value of protocol is not valid"),
        ("redis://h", {"pasword": "secret"}, "there is no option pasword"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    url: str, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(StoreError, match=problem) as raised:
        Client(url, **options)

    assert "secret" not in str(raised.value)
    assert not isinstance(raised.value.__cause__, redis_py.RedisError)


def test_a_job_names_its_queue_and_its_worker(client: Client) -> None:
    client.queues["mail"].put("K", jid="one")
    client.queues["mail"].recur("K", None, 60, jid="again")
    job = client.queues["mail"].pop(worker="w-1")
    assert job is not None

    assert (job.queue.name, job.worker, job.worker_name) == ("mail", "w-1", "w-1")
    job.queue.put("K", jid="two")
    again = client.recurring["again"]
    assert again is not None
    assert again.queue.name == "mail"
    job.complete()

    assert client.job("two").queue.counts["running"] == 0
    assert (client.job("one").queue, client.job("one").worker) == (None, "")
