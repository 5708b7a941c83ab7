"""The clock of the caller, clocks that are set back, and the schema version."""

from __future__ import annotations

import pytest

from qless_py.scripts import assemble
from qless_py.errors import BadArgumentError, ClockError, SchemaError
from tests.conftest import Clock
from tests.lua.conftest import Published
from tests.lua.good_calls import good_calls, good_queries
from tests.lua.steps import complete, counts, jids, job, ms, pop, put, state, take
from tests.lua.test_retention import settle
from tests.population import populate
from tests.script_runner import Scripts


def on_server(call: Scripts, name: str, *args: object) -> object:
    """Run a script by the clock of the server."""
    return call(name, *args, now="")


def notice(call: Scripts) -> None:
    """Have one call notice that the clock was set back, and later ones do the maintenance."""
    call("tick")
    settle(call)


def test_the_first_write_decides_whose_clock_rules(call: Scripts) -> None:
    put(call, "j")
    with pytest.raises(ClockError, match="has a test clock"):
        on_server(call, "put", "q", "k", "K", "{}", {})
    with pytest.raises(ClockError):
        on_server(call, "read/job", "j")
    call.redis.flushall()
    on_server(call, "put", "q", "j", "K", "{}", {})

    with pytest.raises(ClockError, match="has a server clock"):
        put(call, "k")
    with pytest.raises(ClockError):
        call("read/counts", "q")

    assert on_server(call, "read/length", "q") == 1


def test_reading_decides_nothing(call: Scripts) -> None:
    assert call("read/length", "q") == 0
    assert on_server(call, "read/length", "q") == 0

    assert call.redis.dbsize() == 0


def test_the_query_of_the_clock_works_whatever_clock_the_caller_has(call: Scripts) -> None:
    assert set(call("read/meta")) == {"now"}
    put(call, "j")

    for meta in (call("read/meta"), on_server(call, "read/meta")):
        assert isinstance(meta, dict)
        assert (meta["schema"], meta["clock"], meta["time"]) == ("2", "test", ms(call))
        assert meta["sequence"] >= 1


def test_the_clock_of_the_server_gives_leases_of_their_length(call: Scripts) -> None:
    on_server(call, "put", "q", "j", "K", "{}", {})
    reply = on_server(call, "pop", ["q"], "w", 1, {})

    assert isinstance(reply, dict)
    (view,) = reply["jobs"]
    assert view["expires_at"] == view["popped_at"] + 60_000
    meta = on_server(call, "read/meta")
    assert isinstance(meta, dict)
    assert 0 <= meta["now"] - view["popped_at"] < 60_000


@pytest.mark.parametrize("now", ["x", "nan", "inf", "-1", "1.5", "0x10", " 5", "99999999999999999"])
def test_a_time_that_is_none_is_rejected(call: Scripts, now: str) -> None:
    with pytest.raises(BadArgumentError):
        call("put", "q", "j", "K", "{}", {}, now=now)

    assert call.redis.dbsize() == 0


def test_time_begins_with_zero(call: Scripts, clock: Clock) -> None:
    clock.now = 0
    put(call, "j", delay=1000)
    assert pop(call) == []
    clock.now = 1

    assert jids(pop(call)) == ["j"]


def test_a_clock_that_is_behind_for_less_than_a_minute_is_taken_for_a_wobble(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "a")
    latest = ms(call)
    published()
    clock.advance(-60)

    put(call, "b")
    view = take(call)

    assert job(call, "b")["put_at"] == latest
    assert view["expires_at"] == latest + 60_000
    assert call("read/meta")["time"] == latest
    assert [text for _, text in published()] == ["put b q"]


def test_a_clock_that_was_set_back_for_good_is_accepted_and_published(
    call: Scripts, clock: Clock, published: Published
) -> None:
    put(call, "a")
    published()
    clock.advance(-60.001)

    put(call, "b")

    assert job(call, "b")["put_at"] == ms(call)
    assert call("read/meta")["time"] == ms(call)
    assert [text.split()[0] for _, text in published()] == ["put", "clock_set_back"]
    clock.advance(1)
    put(call, "c")
    assert [text for _, text in published()] == ["put c q"], "it is published once"


def test_leases_are_cut_to_their_length_when_the_clock_is_set_back(
    call: Scripts, clock: Clock
) -> None:
    call("config_set", "grace-period", "0")
    call("config_set", "slow-heartbeat", "600")
    put(call, "j")
    put(call, "slow", "slow")
    take(call)
    take(call, "slow")
    clock.advance(-3600)

    notice(call)

    assert job(call, "j")["expires_at"] == ms(call) + 60_000
    assert job(call, "slow")["expires_at"] == ms(call) + 600_000
    assert call("read/meta").keys() == {"schema", "clock", "time", "sequence", "now"}
    clock.advance(60)
    assert jids(pop(call)) == ["j"]


def test_many_leases_are_cut_in_bounded_steps(call: Scripts, clock: Clock) -> None:
    for i in range(230):
        put(call, f"j{i}", f"q{i % 3}")
    for queue in ("q0", "q1", "q2"):
        pop(call, 100, queue)
    clock.advance(-3600)

    call("tick")

    assert 4 < settle(call, 40) < 20
    ends = {job(call, f"j{i}")["expires_at"] for i in range(230)}
    assert max(ends) <= ms(call) + 60_000


def test_an_owner_goes_on_after_the_clock_was_set_back(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    view = take(call)
    clock.advance(-3600)
    notice(call)

    assert call("heartbeat", "j", view["lease"], "") == ms(call) + 60_000
    complete(call, view)

    assert state(call, "j") == "complete"


def test_pending_releases_do_not_wait_for_the_clock_to_catch_up(
    call: Scripts, clock: Clock
) -> None:
    put(call, "parent", "p")
    for i in range(150):
        put(call, f"j{i}", depends=["parent"])
    clock.advance(7200)
    view = take(call, "p")
    clock.advance(1)
    complete(call, view)
    clock.advance(-3600)

    notice(call)

    assert counts(call) == {"waiting": 150}


def test_a_run_that_seems_to_end_before_it_began_took_no_time(call: Scripts, clock: Clock) -> None:
    put(call, "j")
    view = take(call)
    clock.advance(-3600)

    complete(call, view)

    assert call("read/stats", "q", "")["run"]["mean"] == 0


def test_the_first_write_raises_the_schema_of_an_earlier_version(call: Scripts) -> None:
    call("put", "q", "a", "K", "{}", {})
    call.redis.hset("{ql}:meta", "schema", "1")

    call("read/job", "a")
    assert call.redis.hget("{ql}:meta", "schema") == b"1"
    call("put", "q", "b", "K", "{}", {})
    assert call.redis.hget("{ql}:meta", "schema") == b"2"


def test_a_lost_list_of_tasks_is_restored_in_a_namespace_of_an_earlier_version(
    call: Scripts, clock: Clock
) -> None:
    call("put", "q", "later", "K", "{}", {"delay": 1000})
    call.redis.hset("{ql}:meta", "schema", "1")
    call.redis.delete("{ql}:due")

    call("put", "q", "now", "K", "{}", {})
    clock.advance(2)

    popped = [view["jid"] for _ in range(10) for view in call("pop", ["q"], "w", 5, {})["jobs"]]
    assert sorted(popped) == ["later", "now"]


@pytest.mark.parametrize("name", [name for name in assemble.names() if name != "read/meta"])
@pytest.mark.corrupts
def test_a_keyspace_of_another_schema_is_rejected_by_everything(call: Scripts, name: str) -> None:
    populate(call)
    arguments = (good_calls(call) | good_queries())[name]
    call.redis.hset("{ql}:meta", "schema", "3")
    before = call.redis.execute_command("DEBUG", "DIGEST")

    with pytest.raises(SchemaError, match="has schema 3, not 2"):
        call(name, *arguments)

    assert call.redis.execute_command("DEBUG", "DIGEST") == before


def score(call: Scripts, name: str, member: str) -> float:
    found = call.redis.zscore("{ql}:" + name, member)
    assert found is not None
    return found


def adjust(call: Scripts, clock: Clock, steps: int = 30) -> None:
    """Let maintenance adjust everything to a clock that was set back."""
    for _ in range(steps):
        call("tick")
        clock.advance(0.05)


HOUR = 3600


def test_a_forgotten_queue_is_adjusted_as_well_when_the_clock_is_set_back(
    call: Scripts, clock: Clock
) -> None:
    call("put", "q", "held", "K", "{}", {})
    call("pop", ["q"], "w", 1, {})
    call("queue_forget", ["q"])
    clock.advance(-10 * HOUR)

    adjust(call, clock)

    assert score(call, "queue:q:running", "held") <= (clock() + 60) * 1000


def test_recurring_jobs_go_on_at_once_after_the_clock_was_ahead(
    call: Scripts, clock: Clock
) -> None:
    now = round(clock() * 1000)
    call("recur", "q", "minutely", "K", "{}", 60_000, 0, {})
    call("recur", "q", "distant", "K", "{}", 60_000, 90 * 86_400_000, {})
    call("recur", "q", "paused", "K", "{}", 60_000, 0, {})
    ticks = [now + 60_000, now + 120_000]
    by_cron = {"cron": "* * * * *", "zone": "UTC", "after": now, "ticks": ticks}
    call("recur", "q", "cron", "K", "{}", 0, 0, by_cron)
    clock.advance(HOUR)
    call("pop", ["q"], "w", 100, {})
    call("recur_update", "paused", "", {"paused": True})
    clock.advance(-HOUR)

    adjust(call, clock)
    call("recur_update", "paused", "", {"paused": False})

    views = {jid: call("read/job", jid) for jid in ("minutely", "distant", "paused", "cron")}
    assert 0 < views["minutely"]["next"] - clock() * 1000 <= 60_000
    assert (views["minutely"]["next"] - now) % 60_000 == 0
    assert views["distant"]["next"] == now + 90 * 86_400_000
    assert 0 < views["paused"]["next"] - clock() * 1000 <= 60_000
    assert views["cron"]["covered"] <= clock() * 1000
    assert call.redis.zscore("{ql}:refills", "cron") is not None


def test_a_schedule_that_ended_only_by_a_clock_ahead_goes_on(call: Scripts, clock: Clock) -> None:
    end = round((clock() + HOUR) * 1000)
    call("recur", "q", "job", "K", "{}", 60_000, 60_000, {"end": end, "misfire": "one"})
    clock.advance(3 * HOUR)
    call("tick")
    assert call("read/job", "job")["over"] is True
    clock.advance(-3 * HOUR)

    adjust(call, clock)

    assert call("read/job", "job").get("over") is None
    assert 0 < call("read/job", "job")["next"] - clock() * 1000 <= 60_000


def test_what_was_put_while_the_clock_was_ahead_is_counted_from_now(
    call: Scripts, clock: Clock
) -> None:
    call("put", "q", "early", "K", "{}", {"delay": 5 * HOUR * 1000})
    due = call.redis.zscore("{ql}:queue:q:scheduled", "early")
    clock.advance(10 * HOUR)
    window = {"key": "k", "scope": "window", "window": 50_000}
    call("put", "q", "late", "K", "{}", {"delay": 30_000, "unique": window})
    call("pause", ["q"], {"until": round((clock() + 60) * 1000)})
    clock.advance(-10 * HOUR)

    adjust(call, clock)

    assert score(call, "queue:q:scheduled", "late") <= (clock() + 30) * 1000
    assert call.redis.zscore("{ql}:queue:q:scheduled", "early") in (due, None)
    assert score(call, "windows", "k") <= (clock() + 50) * 1000
    clock.advance(61)
    adjust(call, clock, 3)
    assert call("read/counts", "q")["paused"] is False
