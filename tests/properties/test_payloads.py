"""Job data comes back byte for byte, whichever way the job takes."""

# ruff: noqa: ARG001 - every way has the same form, though few need both the old and the new data

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Clock
from tests.script_runner import Scripts

INLINE = 1024

sizes = st.one_of(
    st.integers(1, 40), st.integers(INLINE - 2, INLINE + 2), st.sampled_from([5000, 70_000])
)


def _tiled(pattern: bytes, size: int) -> bytes:
    return (pattern * (size // len(pattern) + 1))[:size]


payloads = st.builds(_tiled, st.binary(min_size=1, max_size=24), sizes)
quickly = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Courier:
    """Takes one job back to a worker in any way; each way returns the data that must arrive."""

    def __init__(self, call: Scripts, clock: Clock) -> None:
        self.call = call
        self.clock = clock
        self.lease = ""

    def pop(self) -> bytes:
        """Pop the job and return the data as the worker receives it."""
        (job,) = self.call("pop", ["q"], "w", 1, {"nonce": "n"})["jobs"]
        self.lease = job["lease"]
        data: bytes = job["data"]
        return data

    def stored(self) -> bytes:
        data: bytes = self.call("read/job", "j")["data"]
        return data


Way = Callable[[Courier, bytes, bytes], bytes]


def _put(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("put", "q", "j", "K", new, {})
    return new


def _put_many(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("put_many", "q", [{"jid": "j", "klass": "K"}], new)
    return new


def _put_for_the_holder_of_a_key(to: Courier, old: bytes, new: bytes) -> bytes:
    unique = {"key": "k", "scope": "queued"}
    to.call("put", "q", "j", "K", old, {"unique": unique})
    options = {"unique": unique, "unique_conflict": "replace"}
    assert to.call("put", "q", "other", "K", new, options) == ["j", True]
    return new


def _requeue(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("requeue", "q", "j", "", new, {})
    return new


def _requeue_as_it_is(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("requeue", "q", "j", "", "", {})
    return old


def _heartbeat(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("heartbeat", "j", to.lease, new)
    assert to.stored() == new
    return _release(to, new, b"")


def _release(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("release", "j", to.lease)
    return old


def _retry(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("retry", "j", to.lease, 0, {})
    return old


def _snooze(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("snooze", "j", to.lease, 1000)
    to.clock.advance(1)
    return old


def _timeout(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("timeout", ["j"])
    return old


def _lose_the_lease(to: Courier, old: bytes, new: bytes) -> bytes:
    to.clock.advance(60)
    assert to.call("pop", ["q"], "w", 1, {})["jobs"] == []
    to.clock.advance(10)
    return old


def _die(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("worker_died", "w", "n", "", "killed")
    to.clock.advance(7200)
    to.call("tick")
    return old


def _fail(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("fail", "j", to.lease, "group", "message", new)
    assert to.call("unfail", "q", "group", 1) == 1
    return new


def _complete_into_the_next_queue(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("complete", "j", to.lease, new, "", {"next": {"queue": "q"}})
    return new


def _complete_and_put_again(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("complete", "j", to.lease, new, "", {})
    assert to.stored() == new
    return _requeue_as_it_is(to, new, b"")


def _follow_up(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("cancel", ["j"], "")
    to.call("put", "first", "before", "K", old, {})
    (job,) = to.call("pop", ["first"], "w", 1, {})["jobs"]
    jobs = [{"jid": "j", "klass": "K", "queue": "q"}]
    to.call("complete", "before", job["lease"], "", "", {"jobs": jobs}, new)
    return new


def _batch(to: Courier, old: bytes, new: bytes) -> bytes:
    to.call("cancel", ["j"], "")
    after = {"jid": "j", "klass": "K", "queue": "q", "data": 1}
    to.call("batch_open", f"b{to.clock.now}", {"on_complete": after}, new)
    to.call("batch_close", f"b{to.clock.now}")
    to.clock.advance(1)
    return new


WAYS: list[Way] = [
    *(_put, _put_many, _put_for_the_holder_of_a_key, _requeue, _requeue_as_it_is, _heartbeat),
    *(_release, _retry, _snooze, _timeout, _lose_the_lease, _die, _fail),
    *(_complete_into_the_next_queue, _complete_and_put_again, _follow_up, _batch),
]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__.strip("_") for way in WAYS])
def test_data_is_unchanged_whichever_way_a_job_reaches_its_worker(
    call: Scripts, clock: Clock, way: Way
) -> None:
    @settings(quickly, max_examples=25)
    @given(old=payloads, new=payloads)
    def journey(old: bytes, new: bytes) -> None:
        call.redis.flushall()
        courier = Courier(call, clock)
        call("put", "q", "j", "K", old, {"retries": 9})
        assert courier.pop() == old
        expected = way(courier, old, new)
        assert courier.stored() == expected
        assert courier.pop() == expected

    journey()


@quickly
@given(first=payloads, journey=st.lists(st.tuples(st.sampled_from(WAYS), payloads), max_size=8))
def test_data_is_unchanged_after_any_sequence_of_calls(
    call: Scripts, clock: Clock, first: bytes, journey: list[tuple[Way, bytes]]
) -> None:
    call.redis.flushall()
    courier = Courier(call, clock)
    call("put", "q", "j", "K", first, {"retries": 9})
    expected = courier.pop()

    for way, payload in journey:
        expected = way(courier, expected, payload)
        assert courier.pop() == expected

    assert courier.stored() == expected


@quickly
@given(given_data=payloads, later=payloads)
def test_children_of_a_recurring_job_get_its_data(
    call: Scripts, clock: Clock, given_data: bytes, later: bytes
) -> None:
    call.redis.flushall()
    call("recur", "q", "r", "K", given_data, 60_000, 0, {})

    first = call("pop", ["q"], "w", 1, {})["jobs"][0]["data"]
    call("recur_update", "r", later, {})
    clock.advance(60)
    second = call("pop", ["q"], "w", 1, {})["jobs"][0]["data"]

    assert (first, second) == (given_data, later)
    assert call("read/job", "r")["data"] == later


@quickly
@given(result=payloads, progress=payloads, logged=payloads)
def test_results_progress_and_log_entries_come_back_as_given(
    call: Scripts, result: bytes, progress: bytes, logged: bytes
) -> None:
    call.redis.flushall()
    call("put", "q", "j", "K", "{}", {})
    (job,) = call("pop", ["q"], "w", 1, {})["jobs"]

    call("progress", "j", job["lease"], progress)
    call("log", "j", "", "note", logged)
    call("complete", "j", job["lease"], "", result, {})

    shown: dict[bytes, Any] = call.raw("read/job", "j")
    assert (shown[b"progress"], shown[b"result"]) == (progress, result)
    assert any(logged in entry for entry in shown[b"history"])
