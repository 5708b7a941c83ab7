"""Typed events by callback and iterator, also after a lost connection."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, Event
from qless_py.client import events as kinds
from qless_py.client.events import Listener
from tests.client.test_queue import found, taken
from tests.conftest import Clock


def received(listener: Listener, number: int) -> list[Event]:
    events: list[Event] = []
    while len(events) < number:
        event = listener.get(30)
        assert event is not None
        events.append(event)
    return events


def test_the_log_publishes_every_step_with_its_type(client: Client) -> None:
    queue = client.queues["q"]
    with client.events.listen() as listener:
        queue.put("k", jid="a")
        taken(client).complete("next")
        taken(client, "next").fail("group", "mess")
        found(client, "a").cancel()
        client.config["heartbeat"] = 30
        queue.pause(reason="why")

        put, advanced, failed, canceled, config, paused = received(listener, 6)

    assert (put.name, put.jid, put.queue, put.channel) == ("put", "a", "q", "log")
    assert isinstance(advanced, kinds.JobAdvanced)
    assert (advanced.queue, advanced.to) == ("q", "next")
    assert isinstance(failed, kinds.JobFailed)
    assert (failed.group, failed.message, failed.worker) == ("group", "mess", client.worker_name)
    assert isinstance(canceled, kinds.JobCanceled)
    assert isinstance(config, kinds.ConfigChanged)
    assert (config.option, config.value) == ("heartbeat", "30")
    assert (paused.name, paused.details["reason"]) == ("paused", "why")


def test_tracked_jobs_tell_their_steps_on_channels_of_their_own(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("k", jid="quiet")
    queue.put("k", jid="loud")
    with client.events.listen(*kinds.PLAIN) as listener:
        client.track("loud")
        for job in queue.pop(2):
            job.complete()
        client.untrack("loud")

        events = received(listener, 4)

    assert [(event.name, event.jid) for event in events] == [
        ("track", "loud"),
        ("popped", "loud"),
        ("completed", "loud"),
        ("untrack", "loud"),
    ]


def test_a_worker_receives_an_event_about_its_lost_job(client: Client) -> None:
    client.queues["q"].put("k", jid="j")
    job = taken(client)
    with client.events.listen(f"worker:{client.worker_name}") as listener:
        found(client, "j").timeout()

        (event,) = received(listener, 1)

    assert isinstance(event, kinds.LockLost)
    assert (event.jid, event.lease) == ("j", job.lease)


def test_callbacks_are_called_in_a_thread_until_it_stops(client: Client) -> None:
    seen: list[str] = []
    both = threading.Barrier(2, timeout=30)

    def note(event: Event) -> None:
        seen.append(event.jid)
        both.wait()

    def broken(event: Event) -> None:
        raise RuntimeError(event.jid)

    client.events.on("completed", broken)
    client.events.on("completed", note)
    client.queues["q"].put("k", jid="j")
    client.track("j")
    with client.events.thread():
        taken(client).complete()
        both.wait()

    client.queues["q"].put("k", jid="j")
    taken(client).complete()
    assert seen == ["j"]


def test_off_drops_one_callback_or_all(client: Client) -> None:
    seen: list[str] = []

    def first(event: Event) -> None:
        seen.append(f"first {event.jid}")

    def second(event: Event) -> None:
        seen.append(f"second {event.jid}")

    client.events.on("put", first)
    client.events.on("put", second)
    client.events.off("put", first)
    client.events.dispatch(Event("put", "put", "a"))
    client.events.off("put")
    client.events.dispatch(Event("put", "put", "b"))

    assert seen == ["second a"]


def test_a_listener_continues_after_its_connection_was_killed(client: Client) -> None:
    with client.events.listen() as listener:
        client.queues["q"].put("k", jid="before")
        assert received(listener, 1)[0].jid == "before"

        client.redis.client_kill_filter(_type="pubsub")

        assert isinstance(received(listener, 1)[0], kinds.Resubscribed)
        client.queues["q"].put("k", jid="after")
        assert received(listener, 1)[0].jid == "after"


def test_an_iteration_ends_on_request(client: Client) -> None:
    listener = client.events.listen()
    client.queues["q"].put("k")
    for event in listener:
        assert event.name == "put"
        listener.end()
    listener.close()


@pytest.mark.parametrize("name", ["", "nothing", "worker", "worker:", "worker:no name", "logs"])
def test_an_unknown_channel_is_rejected(client: Client, name: str) -> None:
    with pytest.raises(BadArgumentError):
        client.events.listen(name)
    with pytest.raises(BadArgumentError):
        client.events.on(name, print)


def test_events_stay_within_their_namespace(client: Client, clock: Clock) -> None:
    other = Client(redis=client.redis, namespace="other", clock=clock)
    with client.events.listen() as listener:
        other.queues["q"].put("k")
        client.queues["q"].put("k", jid="mine")

        assert received(listener, 1)[0].jid == "mine"


def test_an_unparsable_message_is_delivered_as_unknown(client: Client) -> None:
    with client.events.listen() as listener:
        for text in (b"{", b"[]", b"\xff"):
            client.redis.publish(client.settings.channel("log"), text)

        events = received(listener, 3)

    assert {event.name for event in events} == {"unreadable"}


def test_a_callback_that_cannot_be_called_is_rejected(client: Client) -> None:
    nothing: Any = None

    with pytest.raises(BadArgumentError):
        client.events.on("log", nothing)
