"""pause and unpause: no job is popped, all other calls work."""

from __future__ import annotations

from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.steps import complete, counts, jids, ms, pop, put, take
from tests.script_runner import Scripts


def test_a_paused_queue_hands_out_nothing_and_takes_everything(call: Scripts) -> None:
    put(call, "runs")
    view = take(call)
    call("pause", ["q"], {})

    put(call, "j")
    call("heartbeat", "runs", view["lease"], "")
    complete(call, view)

    assert pop(call) == []
    assert jids(call("read/peek", "q", 0, 10)) == ["j"]
    call("unpause", ["q"])
    assert jids(pop(call)) == ["j"]


def test_a_pause_shows_its_reason_and_its_start(call: Scripts, clock: Clock) -> None:
    call("pause", ["q"], {"reason": "repairs", "by": "ada"})
    since = ms(call)
    clock.advance(5)

    shown = call("read/counts", "q")

    assert shown["paused"] is True
    assert shown["pause"] == {"since": since, "reason": "repairs", "by": "ada"}
    assert [row["paused"] for row in call("read/queues", 0, 10)["queues"]] == [True]
    call("unpause", ["q"])
    assert (call("read/counts", "q")["paused"], call("read/counts", "q").get("pause")) == (
        False,
        None,
    )


def test_only_the_queues_named_are_paused(call: Scripts) -> None:
    for queue in ("a", "b", "c"):
        put(call, queue, queue)
    call("pause", ["a", "b"], {})

    assert jids(call("pop", ["a", "b", "c"], "w", 9, {})["jobs"]) == ["c"]


def test_a_pause_until_an_instant_ends_then_and_is_published(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "j")
    call("pause", ["q"], {"until": ms(call) + 5000})
    reply = call("pop", ["q"], "w", 1, {})
    assert (reply["jobs"], reply["next"]) == ([], 5000)
    clock.advance(4.999)
    assert pop(call) == []
    clock.advance(0.001)
    assert call("read/counts", "q")["paused"] is False
    published()

    assert jids(pop(call)) == ["j"]

    assert published() == [("log", "unpaused q")]
    assert "paused:q" not in call("read/config")


def test_a_pause_that_ends_wakes_a_worker_of_any_queue(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    call("pause", ["q"], {"until": ms(call) + 5000})
    call.redis.delete("{ql}:queue:q:wake")
    clock.advance(5)

    call("pop", ["other"], "w", 1, {})

    assert call.redis.exists("{ql}:queue:q:wake")


def test_a_later_pause_replaces_an_earlier_one(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    call("pause", ["q"], {"until": ms(call) + 5000})
    call("pause", ["q"], {"until": ms(call) + 9000})
    clock.advance(5)
    assert pop(call) == []
    call("pause", ["q"], {})
    clock.advance(1000)
    assert pop(call) == []

    call("pause", ["q"], {"until": ms(call)})

    assert jids(pop(call)) == ["j"]


def test_an_unpaused_queue_forgets_until_when_it_was_paused(
    call: Scripts, clock: Clock, published: Published
) -> None:
    call("pause", ["q"], {"until": ms(call) + 5000})
    call("unpause", ["q"])
    published()
    clock.advance(5)

    call("tick")

    assert published() == []


def test_a_paused_queue_is_known_and_scheduled_jobs_become_due_in_it(
    call: Scripts, clock: Clock
) -> None:
    call("pause", ["q"], {})
    assert call("read/queues", 0, 10)["total"] == 1
    put(call, "j", delay=1000)
    clock.advance(1)

    assert pop(call) == []
    assert counts(call) == {"waiting": 1}
