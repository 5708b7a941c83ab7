"""The data of `http` jobs: checked when it is put, so that a mistake shows where it was made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.aio import Client as AsyncClient
from qless_py.errors import BadArgumentError
from qless_py.protocol import http_requests
from tests import servers

URL = "http://example.com/"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "CONNECT"}, "method 'CONNECT' is none of"),
        ({"method": 5}, "method 5 is none of"),
        ({"method": "GET", "body": "x"}, "a GET request has no body: leave out body"),
        ({"method": "HEAD", "json": {}}, "a HEAD request has no body"),
        ({"body": "x", "json": 1}, "body and json exclude each other"),
        ({"body": {"a": 1}}, "body is not text"),
        ({"json": float("nan")}, "json cannot be sent"),
        ({"json": object()}, "json cannot be sent"),
        ({"body": "\ud800"}, "body cannot be sent"),
        ({"form": "a=b"}, "form is neither"),
        ({"form": 5}, "form is neither"),
        ({"form": [("a", "b", "c")]}, "form is neither"),
        ({"form": {"a": {}}}, "field 'a' is neither text nor a number"),
        ({"form": {"a": None}}, "field 'a' is neither text nor a number"),
        ({"headers": {"Host": "x"}}, "headers: Host cannot be set"),
        ({"headers": "X: 1"}, "headers is not a mapping"),
        ({"timeout": 0}, "timeout 0 is not from"),
        ({"timeout": 1801}, "timeout 1801 is over 1800 seconds"),
        ({"timeout": True}, "timeout True is not a number"),
        ({"success": "2xx"}, "success is not a list"),
        ({"success": [99]}, "success holds 99, which is no status code"),
        ({"success": ["6xx"]}, "success holds '6xx'"),
        ({"success": [True]}, "success holds True"),
        ({"permanent": 404}, "permanent is not a list"),
        ({"permanent": [404] * 101}, "more than 100 status codes"),
        ({"hand_off": 0}, "hand_off 0 is not from"),
        ({"hand_off": 90_000}, "hand_off 90000 is over 86400 seconds"),
        ({"throttle_per_target": "no"}, "throttle_per_target 'no' is neither"),
        ({"throttles": [f"t{n}" for n in range(8)]}, "leave no room for that of the target"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_put(
    client: Client, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((BadArgumentError, TypeError), match=message):
        client.queues["hooks"].put_http(URL, **options)
    assert client.queues.counts == []


@pytest.mark.parametrize("url", [None, 5, "", "example.com", "http://u:p@example.com/"])
def test_a_wrong_url_is_refused(client: Client, url: Any) -> None:
    with pytest.raises(BadArgumentError, match="url"):
        client.queues["hooks"].put_http(url)


def test_options_of_a_put_apply(client: Client) -> None:
    queue = client.queues["hooks"]
    jid = queue.put_http(URL, jid="j", delay=60, tags=["a"], attempts=3, user="ann")
    job = client.jobs[jid]
    assert isinstance(job, Job)
    assert (job.jid, job.state, job.tags, job.attempts, job.user) == (
        "j",
        "scheduled",
        ["a"],
        3,
        "ann",
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, ["target:example.com"]),
        ([], ["target:example.com"]),
        (["a"], ["a", "target:example.com"]),
        ({"a": 2}, ["a", "target:example.com"]),
        (["target:example.com"], ["target:example.com"]),
    ],
)
def test_the_throttle_of_the_target_is_added_to_others(
    client: Client, given: Any, found: list[str]
) -> None:
    jid = client.queues["hooks"].put_http(URL, throttles=given)
    job = client.jobs[jid]
    assert job is not None
    assert job.throttles == found
    assert job.costs.get("a", 2) in (1, 2)
    jid = client.queues["hooks"].put_http(URL, throttles=given, throttle_per_target=False)
    job = client.jobs[jid]
    assert job is not None
    assert job.throttles == [one for one in found if one in (given or ())]


@pytest.mark.parametrize(
    ("url", "throttle"),
    [
        ("http://example.com/a", "target:example.com"),
        ("https://EXAMPLE.com./b", "target:example.com"),
        ("https://example.com:8443/", "target:example.com:8443"),
        ("http://[::1]:80/", "target:::1"),
        ("http://10.0.0.1:8080/", "target:10.0.0.1:8080"),
    ],
)
def test_a_target_is_a_host_and_a_port(url: str, throttle: str) -> None:
    parsed = http_requests.HttpRequest.of({"url": url}).url
    assert http_requests.throttle_of(parsed) == throttle


def test_a_long_host_still_has_a_throttle() -> None:
    host = ".".join(["a" * 60] * 3)
    found = http_requests.throttle_of(http_requests.HttpRequest.of({"url": f"http://{host}/"}).url)
    assert len(found) == len("target:") + 32


def test_asyncio_puts_them_as_well(server: servers.Server, redis: object) -> None:
    del redis

    async def put() -> None:
        async with AsyncClient(server.url) as client:
            jid = await client.queues["hooks"].put_http(URL, json=1)
            job = await client.jobs.get(jid)
            assert job is not None
            assert job.data["json"] == 1

    asyncio.run(put())
