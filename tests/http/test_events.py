"""Events over HTTP: pages and streams, filters, gaps, limits, and streams that are left."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from qless_py import Client, Token
from qless_py.http import HttpConfig, callers, create_api
from qless_py.http.event_fanout import EventFanout
from qless_py.protocol.events import StoredEvent
from tests import servers
from tests.eventually import eventually
from tests.http.conftest import Api

Opened = Callable[..., "Stream"]


@pytest.fixture
def _stream_on(client: Client) -> None:
    client.config.set("event-stream", 1000)


on = pytest.mark.usefixtures("_stream_on")


class Stream:
    """A client of one stream: reads the events that arrive."""

    def __init__(self, url: str, path: str, **headers: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self.connection.request("GET", f"/api/v1/events{path}", headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self) -> dict[str, Any]:
        """Return the next event, with its id and name as they stand in the stream."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode().rstrip("\n")
            if not line and "data" in fields:
                return {
                    **json.loads(fields["data"]),
                    "_id": fields["id"],
                    "_event": fields["event"],
                }
            name, _, value = line.partition(": ")
            fields[name] = value

    def close(self) -> None:
        self.response.close()
        self.connection.close()


@pytest.fixture
def serve(server: servers.Server, client: Client) -> Iterator[Callable[..., str]]:
    """Serve an API on a port of this machine; return its URL."""
    with contextlib.ExitStack() as stack:

        def run(**settings: Any) -> str:
            own = stack.enter_context(Client(server.url, clock=client.settings.clock))
            app = create_api(own, HttpConfig(**settings))
            made = make_server("127.0.0.1", 0, app, threaded=True)
            thread = threading.Thread(target=made.serve_forever, daemon=True)
            thread.start()
            stack.callback(made.shutdown)
            return f"http://127.0.0.1:{made.port}"

        yield run


@pytest.fixture
def opened(serve: Callable[..., str]) -> Iterator[Opened]:
    """Open streams of one server, and close them at the end."""
    with contextlib.ExitStack() as stack:
        urls: list[str] = []

        def run(path: str = "", headers: dict[str, str] | None = None, **settings: Any) -> Stream:
            if not urls:
                urls.append(serve(**settings))
            found = Stream(urls[0], path, **(headers or {}))
            stack.callback(found.close)
            return found

        yield run


@on
def test_events_are_polled_page_by_page(client: Client, api: Api) -> None:
    first = api.ok("GET", "/events/poll")
    jids = [client.queues["q"].put("K", {}) for _ in range(3)]

    page = api.ok("GET", f"/events/poll?after={first['last']}&limit=2")
    rest = api.ok("GET", f"/events/poll?after={page['last']}&limit=2")

    assert first["events"] == []
    found = [*page["events"], *rest["events"]]
    assert [(one["type"], one["jid"], one["klass"]) for one in found] == [
        ("job.put", jid, "K") for jid in jids
    ]


@on
def test_events_are_filtered_by_queue_type_jid_and_worker(client: Client, api: Api) -> None:
    client.queues["ab"].put("K", {}, jid="one")
    client.queues["q"].put("K", {}, jid="two")
    job = client.queues["ab"].pop(worker="w1")
    assert job is not None
    job.complete()

    def types(query: str) -> list[str]:
        return [one["type"] for one in api.ok("GET", f"/events/poll?after=0&{query}")["events"]]

    assert types("queues=a*") == ["job.put", "job.popped", "job.completed"]
    assert types("types=job.put,config.*") == ["config.set", "job.put", "job.put"]
    assert types("jid=two") == ["job.put"]
    assert types("worker=w1") == ["job.popped", "job.completed"]


@on
def test_a_poll_waits_for_an_event_that_is_wanted(client: Client, api: Api) -> None:
    last = api.ok("GET", "/events/poll")["last"]

    def put() -> None:
        client.queues["other"].put("K", {})
        client.queues["q"].put("K", {}, jid="mine")

    threading.Timer(0.05, put).start()
    page = api.ok("GET", f"/events/poll?after={last}&wait=20&queues=q")

    assert [one["jid"] for one in page["events"]] == ["mine"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/events", "event-stream-off"),
        ("/events/poll", "event-stream-off"),
        ("/events/poll?after=x", "invalid"),
        ("/events?after=1", "invalid"),
        ("/events?types=job.faild", "invalid"),
        ("/events?queues=a%20b", "invalid"),
        ("/events?other=1", "invalid"),
        ("/events/poll?limit=0", "invalid"),
        ("/events/poll?wait=-1", "invalid"),
    ],
)
def test_what_is_wrong_is_a_problem(api: Api, path: str, code: str) -> None:
    assert api.problem("GET", path)["code"] == code


@on
def test_a_wrong_last_event_id_is_a_problem(api: Api) -> None:
    assert api.problem("GET", "/events", headers={"Last-Event-ID": "x"})["code"] == "invalid"


@on
def test_a_stream_begins_now_and_goes_on_behind_the_last_id(client: Client, opened: Opened) -> None:
    client.queues["q"].put("K", {}, jid="before")
    stream = opened()
    assert stream.status == 200
    assert stream.response.headers["Content-Type"].startswith("text/event-stream")
    assert stream.response.readline() == b"retry: 3000\n"
    for jid in ("a", "b", "c"):
        client.queues["q"].put("K", {}, jid=jid)

    seen = [stream.next() for _ in range(3)]

    assert [one["jid"] for one in seen] == ["a", "b", "c"]
    assert all(one["_id"] == one["id"] and one["_event"] == "job.put" for one in seen)
    stream.close()
    again = opened(headers={"Last-Event-ID": seen[0]["id"]})
    assert [again.next()["jid"] for _ in range(2)] == ["b", "c"]
    client.queues["q"].put("K", {}, jid="d")
    assert again.next()["jid"] == "d"


@on
def test_missed_events_are_a_gap_in_the_stream(client: Client, opened: Opened) -> None:
    last = client.events.read().last
    for number in range(5):
        client.queues["q"].put("K", {}, jid=f"j{number}")
    client.redis.xtrim("{ql}:stream", maxlen=2, approximate=False)

    stream = opened(f"?after={last}&types=job.*")

    gap = stream.next()
    assert (gap["_event"], gap["lost"], gap["after"]) == ("gap", 3, last)
    assert [stream.next()["jid"] for _ in range(2)] == ["j3", "j4"]


@on
def test_streams_are_limited_and_one_that_is_left_is_free_again(
    client: Client, opened: Opened
) -> None:
    streams = [opened(event_streams=2), opened()]
    refused = opened()
    assert refused.status == 503
    assert json.loads(refused.response.read())["code"] == "too-many-streams"
    assert int(refused.response.headers["Retry-After"]) > 0

    streams[0].close()

    def is_free() -> bool:
        client.queues["q"].put("K", {})
        return opened().status == 200

    eventually(is_free, every=0.2)


@on
def test_fifty_readers_get_every_event_in_order(client: Client, opened: Opened) -> None:
    last = client.events.read().last
    streams = [opened(f"?after={last}&queues=q") for _ in range(50)]
    jids = [f"j{number}" for number in range(40)]
    for jid in jids:
        client.queues["q"].put("K", {}, jid=jid)

    for one in streams:
        assert [one.next()["jid"] for _ in jids] == jids


@on
def test_a_reader_that_is_too_slow_catches_up_from_the_store(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qless_py.http.event_fanout.QUEUED", 5)
    fanout = EventFanout(client, 2)
    with fanout.subscribed(client.events.read().last) as slow:
        while not slow.is_live:
            slow.take(0.01)
        jids = [f"j{number}" for number in range(50)]
        for jid in jids:
            client.queues["q"].put("K", {}, jid=jid)
        eventually(lambda: slow not in fanout._live)
        found: list[str] = []
        end = time.monotonic() + 20
        while len(found) < 50 and time.monotonic() < end:
            found += [event.jid for event in slow.take(0.1) if isinstance(event, StoredEvent)]
        assert found == jids
        assert fanout.streams == 1
    assert fanout.streams == 0


@on
def test_a_token_shows_the_events_of_its_queues_only(
    client: Client, make_api: Callable[..., Api]
) -> None:
    api = make_api()
    client.queues["mail"].put("K", {}, jid="mine")
    client.queues["other"].put("K", {}, jid="theirs")
    kept = callers.LOCAL
    try:
        token = Token("t", "n", ("read",), ("ma*",))
        callers.LOCAL = callers.Caller("t", frozenset({"read"}), token)  # type: ignore[misc]
        page = api.ok("GET", "/events/poll?after=0")
    finally:
        callers.LOCAL = kept  # type: ignore[misc]

    assert [one["jid"] for one in page["events"]] == ["mine"]


@on
def test_a_quiet_stream_sends_comments_and_ends_after_its_time(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LIFE", 0.4), ("HEARTBEAT", 0.1), ("_LOOK", 0.02)):
        monkeypatch.setattr(f"qless_py.http.routes.events.{name}", value)

    lines = opened().response.read().decode().splitlines()

    assert lines[0] == "retry: 3000"
    assert len([line for line in lines if line.startswith(": ")]) >= 1


@on
def test_messages_of_failures_are_hidden_from_who_may_not_see_data(
    client: Client, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.queues["q"].put("K", {})
    job = client.queues["q"].pop()
    assert job is not None
    job.fail("group", "password=hunter2")
    path = "/events/poll?after=0&types=job.failed"

    assert api.ok("GET", path)["events"][0]["message"] == "password=hunter2"
    plain = callers.Caller("viewer", frozenset({"read"}), shows_data=False)
    monkeypatch.setattr("qless_py.http.callers.LOCAL", plain)
    (event,) = api.ok("GET", path)["events"]
    assert (event["group"], "message" in event) == ("group", False)


@on
def test_a_poll_that_finds_nothing_says_how_far_it_has_looked(client: Client, api: Api) -> None:
    client.queues["q"].put_many([{"klass": "K"}] * 30)

    page = api.ok("GET", "/events/poll?after=0&limit=1&queues=other")

    assert page["events"] == []
    assert int(page["last"].partition("-")[2]) == 20


@on
def test_a_stream_that_is_turned_off_ends(client: Client, opened: Opened) -> None:
    stream = opened()
    client.queues["q"].put("K", {}, jid="a")
    assert stream.next()["jid"] == "a"

    client.config.set("event-stream", 0)

    assert stream.response.read() == b""
    assert opened().status == 409
