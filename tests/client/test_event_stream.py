"""`client.events.read`: pages of the stream, waiting for the next event, and clear refusals."""

from __future__ import annotations

import asyncio
import threading

import pytest

from qless_py import Client, EventStreamOffError, Gap, StoredEvent, aio
from qless_py.errors import BadArgumentError
from tests import servers


def types(page: object) -> list[str]:
    return [one.type for one in page.events]  # type: ignore[attr-defined]


def test_events_are_read_in_pages_and_gaps_are_shown(client: Client) -> None:
    with pytest.raises(EventStreamOffError):
        client.events.read()
    client.config.set("event-stream", 100)
    start = client.events.read()
    jid = client.queues["q"].put("K", {})

    page = client.events.read(start.last)

    assert start.events == ()
    (event,) = page.events
    assert isinstance(event, StoredEvent)
    assert (event.type, event.jid, event.queue, event.klass) == ("job.put", jid, "q", "K")
    assert event.as_dict() == {
        "id": page.last, "type": "job.put", "time": client.settings.clock(), "jid": jid,
        "queue": "q", "klass": "K",
    }  # fmt: skip
    client.config.set("event-stream", 0)
    client.config.set("event-stream", 100)
    assert isinstance(client.events.read(page.last).events[0], Gap)


def test_a_read_waits_for_the_next_event(live: Client) -> None:
    live.config.set("event-stream", 100)
    start = live.events.read()
    threading.Timer(0.05, lambda: live.queues["q"].put("K", {})).start()

    assert types(live.events.read(start.last, wait=30)) == ["job.put"]
    assert types(live.events.read(wait=0.01)) == []


def test_asyncio_reads_and_waits_in_the_same_way(live: Client, server: servers.Server) -> None:
    live.config.set("event-stream", 100)

    async def read() -> list[str]:
        async with aio.Client(server.url) as client:
            start = await client.events.read()
            waiting = asyncio.create_task(client.events.read(start.last, wait=30))
            await client.queues["q"].put("K", {})
            found = types(await waiting)
            return found + types(await client.events.read(wait=0.01))

    assert asyncio.run(read()) == ["job.put"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": "yesterday"}, {"after": "1-2-3"}, {"after": 5}, {"limit": 0}, {"limit": 1001},
        {"wait": -1}, {"wait": "long"},
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(client: Client, wrong: dict[str, object]) -> None:
    client.config.set("event-stream", 100)

    with pytest.raises(BadArgumentError, match=next(iter(wrong))):
        client.events.read(**wrong)  # type: ignore[arg-type]
