"""Throttles: set, read, block, release, and backing off."""

from __future__ import annotations

import email.utils
from datetime import timedelta
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, LostLeaseError, ThrottleState, retry_after
from tests.client.test_queue import found, taken
from tests.conftest import Clock


def put(client: Client, *jids: str, throttles: Any = ("api",), **options: Any) -> None:
    for jid in jids:
        client.queues["q"].put("k", jid=jid, throttles=throttles, **options)


def pops(client: Client, count: int = 100) -> list[str]:
    return [job.jid for job in client.queues["q"].pop(count)]


def test_a_throttle_has_no_limits_until_they_are_set(client: Client) -> None:
    throttle = client.throttles["api"]
    put(client, "a", "b")

    assert throttle.get() == ThrottleState("api")
    assert not throttle.get().is_limited
    assert pops(client) == ["a", "b"]
    assert (throttle.get().holding, throttle.holders()) == (2, ["a", "b"])


def test_a_concurrency_lets_so_many_run(client: Client, clock: Clock) -> None:
    throttle = client.throttles["api"]

    state = throttle.set(concurrency=2)
    put(client, "a", "b", "c", "d")

    assert (state.concurrency, state.rate, state.set_at) == (2, None, clock.now)
    assert state.is_limited
    assert pops(client) == ["a", "b"]
    assert (throttle.holders(), throttle.waiting()) == (["a", "b"], ["c", "d"])
    assert throttle.waiting(1, 1) == ["d"]
    state = throttle.get()
    assert (state.holding, state.waiting) == (2, 2)
    assert client.queues["q"].counts["throttled"] == 2
    assert client.queues["q"].jobs.throttled() == ["c", "d"]
    client.jobs["a"].force_finish()  # type: ignore[union-attr]
    assert pops(client) == ["c"]


def test_a_rate_lets_so_many_start(client: Client, clock: Clock) -> None:
    throttle = client.throttles["api"]
    state = throttle.set(rate=2, per=timedelta(minutes=1), burst=3)
    put(client, "a", "b", throttles={"api": 1.5})
    put(client, "c")

    assert (state.rate, state.per, state.burst, state.tokens) == (2, 60, 3, 3)
    assert pops(client) == ["a", "b"]
    assert throttle.get().tokens == 0
    clock.advance(30)
    assert throttle.get().tokens == 1
    assert pops(client) == ["c"]


def test_the_defaults_of_a_rate(client: Client) -> None:
    slow, fast = client.throttles["slow"].set(rate=0.5), client.throttles["fast"].set(rate=50)

    assert (slow.per, slow.burst, fast.per, fast.burst) == (1, 1, 1, 50)


def test_setting_replaces_and_deleting_frees(client: Client) -> None:
    throttle = client.throttles["api"]
    throttle.set(concurrency=0)
    put(client, "a")
    assert pops(client) == []

    throttle.set(rate=100)
    assert (throttle.get().concurrency, pops(client)) == (None, ["a"])

    throttle.set(concurrency=0)
    put(client, "b")
    assert pops(client) == []
    assert throttle.delete() is True
    assert throttle.delete() is False
    assert pops(client) == ["b"]


def test_several_throttles_are_taken_all_or_none(client: Client) -> None:
    client.throttles["a"].set(rate=1)
    client.throttles["b"].set(concurrency=0)
    put(client, "j", throttles=["a", "b"])

    assert pops(client) == []
    assert client.throttles["a"].get().tokens == 1


def test_a_queue_has_a_throttle(client: Client) -> None:
    queue = client.queues["q"]
    queue.throttle.set(concurrency=1)
    put(client, "a", "b", throttles=[])

    assert pops(client) == ["a"]
    assert queue.throttle.id == "queue:q"
    assert client.throttles["queue:q"].get().holding == 1
    assert queue.throttle.holders() == ["a"]
    assert queue.counts["waiting"] == 1


def test_blocking_for_a_while(client: Client, clock: Clock) -> None:
    throttle = client.throttles["api"]
    put(client, "a", "b")

    until = throttle.block(timedelta(seconds=30))

    assert until == clock.now + 30
    assert (throttle.get().blocked_until, throttle.get().is_limited) == (until, True)
    assert pops(client) == []
    clock.advance(30)
    assert pops(client, 1) == ["a"]
    throttle.block(30)
    assert pops(client) == []
    throttle.unblock()
    assert (throttle.get().blocked_until, pops(client)) == (None, ["b"])


def test_releasing_a_slot_by_force(client: Client) -> None:
    throttle = client.throttles["api"]
    throttle.set(concurrency=1)
    put(client, "a", "b")
    job = taken(client)

    assert throttle.release("a", "b", "nobody") == 1

    assert throttle.release("a") == 0
    assert pops(client) == ["b"]
    assert throttle.get().holding == 1
    assert job.complete() == "complete"
    assert throttle.holders() == ["b"]


def test_all_throttles_are_listed(client: Client, clock: Clock) -> None:
    for name in ("b", "a"):
        client.throttles[name].set(concurrency=1)
        clock.advance(1)
    client.queues["q"].throttle.block(60)
    client.users["alice"].max_running = 3

    states = client.throttles.all

    assert [one.id for one in states] == ["b", "a", "queue:q", "user:alice"]
    assert [one.id for one in client.throttles] == [one.id for one in states]
    assert states[0] == client.throttles["b"].get()
    assert "a" in client.throttles
    assert "c" not in client.throttles
    assert "no name" not in client.throttles
    assert repr(client.throttles["a"]) == "<Throttle a>"


def test_pages_of_throttles_go_on_where_they_ended_though_some_are_gone(
    client: Client, clock: Clock
) -> None:
    for number in range(7):
        client.throttles[f"t{number}"].set(concurrency=1)
        clock.advance(number % 2)

    first = client.throttles.page(count=3)
    client.throttles["t1"].delete()
    client.throttles["t2"].delete()
    client.throttles["t9"].set(concurrency=1)
    second = client.throttles.page(first.cursor, count=3)
    third = client.throttles.page(second.cursor, count=3)

    pages = [[one.id for one in page.throttles] for page in (first, second, third)]
    assert pages == [["t0", "t1", "t2"], ["t3", "t4", "t5"], ["t6", "t9"]]
    assert (first.total, third.total, third.cursor) == (7, 6, None)
    for cursor in ("", "x", "W10", second.cursor and second.cursor[:-9]):
        with pytest.raises(BadArgumentError, match="no cursor"):
            client.throttles.page(cursor)
    for count in (0, 251, True):
        with pytest.raises(BadArgumentError):
            client.throttles.page(count=count)


def test_the_throttles_of_a_job(client: Client) -> None:
    client.throttles["api"].set(concurrency=0)
    put(client, "j", throttles={"api": 2.5, "db": 1}, user="alice")
    put(client, "plain", throttles=None)

    assert pops(client) == ["plain"]
    job, plain = found(client, "j"), found(client, "plain")

    assert (job.state, job.gate, job.user) == ("throttled", "api", "alice")
    assert (job.throttles, job.costs) == (["api", "db"], {"api": 2.5, "db": 1})
    assert (plain.throttles, plain.costs, plain.gate, plain.user) == ([], {}, None, None)


def test_putting_again_keeps_what_is_not_given(client: Client) -> None:
    put(client, "j", throttles={"api": 2}, user="alice")
    job = found(client, "j")

    job.requeue()
    kept = found(client, "j")
    assert (kept.user, kept.costs) == ("alice", {"api": 2})
    job.requeue(throttles=["db"], user="bob")
    changed = found(client, "j")
    assert (changed.user, changed.costs) == ("bob", {"db": 1})
    job.requeue(throttles=[], user=False)
    gone = found(client, "j")
    assert (gone.user, gone.throttles) == (None, [])


def test_every_put_accepts_throttles_and_users(client: Client) -> None:
    options: Any = {"user": "alice", "throttles": {"api": 2}}
    queue = client.queues["q"]
    spec: Any = {"klass": "k", **options}
    jids = [queue.put("k", **options), *queue.put_many([spec])]
    with client.pipeline() as pipeline:
        pending = pipeline.put("q", "k", **options)
    jids.append(pending.result())
    with client.batch() as batch:
        jids.append(batch.put("q", "k", **options))
    recurring = queue.recur("k", {}, 60, **options)
    jids.append(client.jobs[recurring].run())  # type: ignore[union-attr]
    parent = client.queues["parents"]
    parent.put("k")
    job = taken(client, "parents")
    jids.append(job.put("q", "k", **options))
    job.complete()

    for jid in jids:
        made = found(client, jid)
        assert (made.user, made.costs) == ("alice", {"api": 2}), jid
    made_by = client.jobs[recurring]
    assert made_by is not None
    assert (made_by.user, made_by.costs) == ("alice", {"api": 2})


def test_a_class_may_say_what_throttles_its_jobs_have(client: Client) -> None:
    class Sync:
        """Has a throttle."""

        @staticmethod
        def default_job_options(data: Any) -> dict[str, Any]:
            return {"throttles": ["api"], "user": data["user"]}

    Sync.__qualname__ = "Sync"
    jid = client.queues["q"].put(Sync, {"user": "alice"})

    assert (found(client, jid).throttles, found(client, jid).user) == (["api"], "alice")


def test_backing_off_blocks_the_throttles_of_the_job(client: Client, clock: Clock) -> None:
    put(client, "first", throttles=["api", "db"])
    put(client, "second")
    client.queues["q"].put("k", jid="free")
    job = taken(client)

    assert job.back_off(30) == ["api", "db"]

    assert (job.state, job.retries_left) == ("waiting", 5)
    assert client.throttles["db"].get().blocked_until == clock.now + 30
    assert pops(client) == ["free"]
    with pytest.raises(LostLeaseError):
        job.back_off(30)
    clock.advance(30)
    assert pops(client) == ["first", "second"]


def test_backing_off_without_throttles_blocks_the_queue(client: Client) -> None:
    client.queues["q"].put("k", jid="a")
    client.queues["q"].put("k", jid="b")

    assert taken(client).back_off(timedelta(minutes=1)) == ["queue:q"]

    assert pops(client) == []


def test_backing_off_from_what_is_named(client: Client) -> None:
    put(client, "a", throttles=["api", "db"], user="alice")
    put(client, "b", throttles=["api"], user="alice")

    job = taken(client)
    assert job.back_off(9, "db") == ["db"]
    assert taken(client).jid == "b"
    client.throttles["db"].unblock()
    job = taken(client)
    assert job.back_off(9, "user:alice") == ["user:alice"]
    client.users["alice"].throttle.unblock()
    job = taken(client)
    with pytest.raises(BadArgumentError, match="throttle other is not a throttle of job a"):
        job.back_off(9, "other")
    assert job.back_off(0) == ["api", "db"]


def test_backing_off_in_a_pipeline(client: Client) -> None:
    put(client, "a")
    job = taken(client)

    with client.pipeline() as pipeline:
        pending = pipeline.back_off(job, 9)

    assert pending.result() == ["api"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("0", 0), (3, 3), (2.5, 2.5), ("-5", 0), ("1e9", 3600),
        ("inf", 3600), ("nan", 60), (None, 60), ("", 60), ("soon", 60), ("Wed, 21 Oct", 60),
    ],
)  # fmt: skip
def test_a_retry_after_in_seconds(value: Any, seconds: float) -> None:
    assert retry_after(value, longest=3600) == seconds


def test_a_retry_after_as_a_date(clock: Clock) -> None:
    later, earlier = clock.now + 95, clock.now - 95

    def date(at: float) -> str:
        return email.utils.formatdate(at, usegmt=True)

    assert retry_after(date(later), clock=clock) == 95
    assert retry_after(date(later).replace("GMT", "-0000"), clock=clock) == 95
    assert retry_after(date(earlier), clock=clock) == 0
    assert retry_after("Sunday, 06-Nov-94 08:49:37 GMT", clock=clock) == 0
    assert retry_after("Sun Nov  6 08:49:37 1994", default=5, clock=clock) in {0, 5}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "no limit"),
        ({"concurrency": -1}, "concurrency"),
        ({"concurrency": 1.5}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"concurrency": 2**31}, "concurrency"),
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": "5"}, "rate"),
        ({"rate": 1e10}, "rate"),
        ({"rate": 1, "per": 0}, "per"),
        ({"rate": 1, "per": -1}, "per"),
        ({"rate": 1, "per": 400 * 86400}, "year"),
        ({"rate": 1, "burst": 0}, "burst"),
        ({"rate": 1, "burst": float("nan")}, "burst"),
        ({"concurrency": 1, "per": 5}, "rate"),
        ({"concurrency": 1, "burst": 5}, "rate"),
    ],
)
def test_an_invalid_limit_is_rejected(client: Client, limits: dict[str, Any], message: str) -> None:
    client.throttles["api"].set(concurrency=3)
    before = client.throttles["api"].get()

    with pytest.raises(BadArgumentError, match=message):
        client.throttles["api"].set(**limits)

    assert client.throttles["api"].get() == before


@pytest.mark.parametrize(
    ("throttles", "message"),
    [
        ("api", "list"),
        (5, "list"),
        (["a b"], "name"),
        ([5], "name"),
        (["queue:q"], "queue"),
        ({"user:alice": 1}, "user"),
        ([f"t{number}" for number in range(9)], "9"),
        ({"api": 0}, "cost"),
        ({"api": -1}, "cost"),
        ({"api": 1e-7}, "cost"),
        ({"api": 1e10}, "cost"),
        ({"api": float("nan")}, "cost"),
        ({"api": float("inf")}, "cost"),
        ({"api": "1"}, "cost"),
        ({"api": True}, "cost"),
    ],
)
def test_invalid_throttles_are_rejected(client: Client, throttles: Any, message: str) -> None:
    queue = client.queues["q"]

    with pytest.raises(BadArgumentError, match=message):
        queue.put("k", throttles=throttles)
    with pytest.raises(BadArgumentError, match=message):
        queue.recur("k", {}, 60, throttles=throttles)

    assert len(queue) == 0


def test_a_cost_over_what_a_throttle_holds_is_rejected(client: Client) -> None:
    client.throttles["api"].set(rate=5)

    with pytest.raises(BadArgumentError, match="costs 10 of throttle api, which holds at most 5"):
        put(client, "j", throttles={"api": 10})

    assert client.jobs["j"] is None


def test_other_bad_input_is_rejected(client: Client) -> None:
    throttle = client.throttles["api"]
    for wrong in ("", "a b", "user:a b", "queue:user:x y", "-a", 5):
        with pytest.raises(BadArgumentError, match="throttle"):
            client.throttles[wrong]  # type: ignore[index]
    for seconds in (0, -1, float("nan"), "5", True, 1e12):
        with pytest.raises(BadArgumentError, match="seconds"):
            throttle.block(seconds)  # type: ignore[arg-type]
    with pytest.raises(BadArgumentError, match="jids"):
        throttle.release()
    with pytest.raises(BadArgumentError, match="count"):
        throttle.holders(0, 1001)
    assert client.throttles.all == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), "5", None])
def test_backing_off_for_no_time_is_rejected(client: Client, seconds: Any) -> None:
    put(client, "a")
    job = taken(client)

    with pytest.raises(BadArgumentError, match="seconds"):
        job.back_off(seconds)

    assert job.complete() == "complete"
