"""The stream of events: what it holds, in which order, and that no reader misses one silently."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis as redis_py

from qless_py.errors import BadArgumentError, EventStreamOffError
from qless_py.protocol import events
from qless_py.protocol.events import Gap, StoredEvent
from qless_py.scripts import assemble, protocol_doc
from tests.conftest import Clock
from tests import random_transitions
from tests.lua.conftest import Published
from tests.lua.steps import complete, fail, ms, pop, put, take
from tests.script_runner import Scripts

STREAM = "{ql}:stream"
# In the stream only: in the log they would be most of it.
STREAM_ONLY = {"popped", "put"}


@pytest.fixture
def on(call: Scripts) -> Scripts:
    """Run scripts in a namespace that keeps its events."""
    call("config_set", "event-stream", "1000")
    return call


def entries(call: Scripts) -> list[tuple[bytes, dict[bytes, bytes]]]:
    found: Any = call.redis.xrange(STREAM)
    return list(found)


def texts(call: Scripts) -> list[dict[str, Any]]:
    return [json.loads(fields[b"event"]) for _, fields in entries(call)]


def names(call: Scripts) -> list[str]:
    return [text["event"] for text in texts(call)]


def read(call: Scripts, after: str | None, limit: int = 100) -> events.EventPage:
    step = events.read(after, limit)
    return step.decode(call.send(step.script, str(ms(call)), *map(str, step.args)))


def test_nothing_is_written_while_the_stream_is_off(call: Scripts) -> None:
    put(call, "j")
    complete(call, take(call))

    assert call.redis.exists(STREAM) == 0
    assert call.redis.hget("{ql}:meta", "events") is None
    with pytest.raises(EventStreamOffError, match="event-stream"):
        read(call, "0")


def test_the_stream_holds_what_happened_to_a_job_with_its_klass_and_worker(on: Scripts) -> None:
    put(on, "j")
    complete(on, take(on, worker="w"))

    page = read(on, "0")

    assert [(one.type, one.jid, one.queue, one.klass, one.worker) for one in seen(page)] == [
        ("config.set", "", "", "", ""),
        ("job.put", "j", "q", "K", ""),
        ("job.popped", "j", "q", "K", "w"),
        ("job.completed", "j", "q", "K", "w"),
    ]
    assert [one.time for one in seen(page)] == [on.clock()] * 4


def seen(page: events.EventPage) -> list[StoredEvent]:
    return [one for one in page.events if isinstance(one, StoredEvent)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_stream_holds_what_is_published_to_the_log_in_its_order(
    on: Scripts, clock: Clock, published: Published, seed: int
) -> None:
    on("config_set", "event-stream", "100000")
    before = on.redis.xlen(STREAM)
    published()

    mixture = random_transitions.Mixture(on, clock, seed)
    for _ in range(400):
        mixture.step()

    kept = texts(on)[before:]
    logged = [text.split()[0] for channel, text in published() if channel == "log"]
    in_both = _without_what_only_the_stream_has([text["event"] for text in kept], logged)
    assert in_both == logged
    assert len(set(logged)) > 10


def _without_what_only_the_stream_has(kept: list[str], logged: list[str]) -> list[str]:
    """Leave out pops, and puts that the log does not have at that place."""
    found: list[str] = []
    for name in kept:
        wanted = logged[len(found)] if len(found) < len(logged) else None
        if name == wanted or name not in STREAM_ONLY:
            found.append(name)
    return found


def test_every_event_has_a_type_of_its_own() -> None:
    published = {event for name in assemble.names() for event in protocol_doc.read(name).events}
    kept = published - {"stalled", "command"} | {"clock_set_back"}  # Any call may make it.

    assert kept == set(events.TYPES)
    assert len(set(events.TYPES.values())) == len(events.TYPES)


def test_numbers_count_events_without_gaps_and_ids_carry_the_time(
    on: Scripts, clock: Clock
) -> None:
    put(on, "a")
    clock.advance(5)
    on("put_many", "q", [{"jid": "b", "klass": "K"}, {"jid": "c", "klass": "K"}], "{}", "{}")

    ids = [identity.decode() for identity, _ in entries(on)]

    start = round((clock.now - 5) * 1000)
    assert ids == [f"{start}-1", f"{start}-2", f"{start + 5000}-3", f"{start + 5000}-4"]
    assert on.redis.hget("{ql}:meta", "events") == ids[-1].encode()


def test_a_clock_that_is_set_back_moves_no_id_back(on: Scripts, clock: Clock) -> None:
    clock.advance(1000)
    put(on, "a")
    clock.advance(-900)
    put(on, "b")

    page = read(on, "0")

    assert [one.jid for one in seen(page) if one.type == "job.put"] == ["a", "b"]
    assert [one for one in page.events if isinstance(one, Gap)] == []


def test_reading_goes_on_page_by_page(on: Scripts) -> None:
    for number in range(7):
        put(on, f"j{number}")

    found, after = [], "0"
    while (page := read(on, after, 3)).events:
        found += [one.jid for one in seen(page)]
        after = page.last

    assert found == ["", *(f"j{number}" for number in range(7))]
    assert read(on, None) == events.EventPage((), after)


def test_events_that_were_trimmed_are_a_gap_with_their_number(on: Scripts) -> None:
    put(on, "a")
    last = read(on, "0").last
    for number in range(5):
        put(on, f"j{number}")
    on.redis.xtrim(STREAM, maxlen=2, approximate=False)

    page = read(on, last)

    gap, *rest = page.events
    assert (gap.type, [one.jid for one in rest if isinstance(one, StoredEvent)]) == (
        "gap", ["j3", "j4"],
    )  # fmt: skip
    assert isinstance(gap, Gap)
    assert (gap.after, gap.lost) == (last, 3)
    assert [one.type for one in read(on, gap.id).events] == ["job.put", "job.put"], "once"


def test_the_stream_is_trimmed_to_about_its_size(on: Scripts) -> None:
    on("config_set", "event-stream", "10")
    for number in range(300):
        put(on, f"j{number}")

    assert 10 <= on.redis.xlen(STREAM) < 150


@pytest.mark.parametrize("how", ["delete", "restore", "off"])
def test_a_stream_that_was_lost_is_a_gap(on: Scripts, clock: Clock, how: str) -> None:
    put(on, "a")
    before = read(on, "0").last
    put(on, "b")
    last = read(on, "0").last
    if how == "delete":
        on.redis.delete(STREAM)
        on("put", "q", "c", "K", "{}", {})
    elif how == "restore":  # From a backup that is older than what the reader saw.
        on.redis.hset("{ql}:meta", "events", before)
        on.redis.xdel(STREAM, last)
        clock.advance(1)
        on("put", "q", "c", "K", "{}", {})
        before = ""
    else:
        on("config_set", "event-stream", "0")
        on("put", "q", "c", "K", "{}", {})
        on("config_set", "event-stream", "10")

    reader = last if how != "delete" else before

    assert read(on, reader).events[0].type == "gap"
    assert read(on, read(on, reader).last).events == ()


def test_a_reader_ahead_of_the_stream_is_sent_back_to_it(on: Scripts) -> None:
    newest = read(on, None).last

    page = read(on, "9999999999999-50")

    assert page.events == (Gap(newest, "9999999999999-50", None),)
    assert page.last == newest


def test_events_can_be_read_from_a_time_on(on: Scripts, clock: Clock) -> None:
    put(on, "a")
    clock.advance(10)
    put(on, "b")

    assert [one.jid for one in seen(read(on, events.at(clock.now)))] == ["b"]
    assert [one.jid for one in seen(read(on, events.at(clock.now - 10)))] == ["", "a", "b"]
    later = events.at(clock.now + 10)
    assert read(on, later) == events.EventPage((), later)


@pytest.mark.corrupts
def test_an_entry_with_the_last_possible_id_does_not_end_the_stream(on: Scripts) -> None:
    on.redis.xadd(STREAM, {"other": "x"}, id=f"{2**64 - 1}-{2**64 - 1}")

    put(on, "j")

    assert names(on) == ["put"]
    assert on.redis.type("{ql}:quarantine:stream") == b"stream"


@pytest.mark.corrupts
def test_a_key_of_another_type_is_set_aside_and_announced(on: Scripts) -> None:
    last = read(on, "0").last
    put(on, "lost")
    on.redis.delete(STREAM)
    on.redis.set(STREAM, "junk")

    put(on, "j")

    assert on.redis.get("{ql}:quarantine:stream") == b"junk"
    gap, event = read(on, last).events
    assert (gap.type, event.type) == ("gap", "job.put")


def test_a_key_of_another_type_reads_as_empty(on: Scripts) -> None:
    put(on, "j")
    on.redis.delete(STREAM)
    on.redis.set(STREAM, "junk")

    assert [one.type for one in read(on, "1-1").events] == ["gap"]
    on.redis.delete(STREAM)


def test_an_entry_that_is_none_of_ours_is_shown_as_unreadable(on: Scripts) -> None:
    on.redis.xadd(STREAM, {"other": "{"}, id=f"{ms(on)}-2")
    on.redis.hset("{ql}:meta", "events", f"{ms(on)}-2")

    assert [one.type for one in read(on, "0").events] == ["config.set", "unreadable"]


def test_the_stream_keeps_a_short_message_of_a_failure(on: Scripts, published: Published) -> None:
    put(on, "j")
    fail(on, take(on), "g", "é" * 30_000)

    assert len(seen(read(on, "0"))[-1].details["message"]) <= 1000
    assert "é" * 30_000 in published()[-1][1]


def test_a_full_server_still_keeps_the_events_of_jobs_that_end(
    on: Scripts, redis: redis_py.Redis
) -> None:
    put(on, "j")
    view = take(on)
    redis.config_set("maxmemory", 1)

    complete(on, view)
    redis.config_set("maxmemory", 0)

    assert names(on)[-1] == "completed"


def test_a_refused_or_repeated_call_adds_nothing(on: Scripts) -> None:
    on("put", "q", "j", "K", "{}", {}, request="s:1:0")
    before = on.redis.xlen(STREAM)

    on("put", "q", "j", "K", "{}", {}, request="s:1:0")
    with pytest.raises(BadArgumentError):
        on("put", "q", "j", "K", "{}", {"priority": "high"})

    assert on.redis.xlen(STREAM) == before


def test_children_of_recurring_jobs_are_in_the_stream(on: Scripts) -> None:
    on("recur", "q", "r", "K", "{}", 60_000, 0, {})
    pop(on)

    assert [one.type for one in seen(read(on, "0"))][1:] == ["job.put", "job.popped"]


def test_event_types_are_checked_with_a_hint() -> None:
    assert events.check_types("types", ["job.*", "queue.paused"]) == ["job.*", "queue.paused"]
    with pytest.raises(BadArgumentError, match=r"did you mean job\.failed"):
        events.check_types("types", ["job.faild"])
    with pytest.raises(BadArgumentError, match="after"):
        events.read("yesterday")
