"""Recurring jobs by cron expressions through the client."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from qless_py import AlreadyExistsError, BadArgumentError, Client, RecurringJob, ScheduleError, cron
from qless_py.protocol import Call, recurring
from qless_py.protocol.recurring import RecurSpec
from qless_py.protocol.settings import TickRequest
from tests.client.handlers import Mail
from tests.conftest import Clock

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60


def at(*when: int, zone: Any = UTC) -> float:
    return datetime(*when, tzinfo=zone).timestamp()  # type: ignore[arg-type,misc]


def job(client: Client, jid: str) -> RecurringJob:
    found = client.recurring[jid]
    assert found is not None
    return found


def slots(client: Client, queue: str = "q") -> list[datetime]:
    """Take all there is and return the slots."""
    taken = client.queues[queue].pop(100)
    return [datetime.fromtimestamp(one.history[0]["when"], UTC) for one in taken]


def test_a_cron_job_has_all_its_fields(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 3, 27, 8, zone=BERLIN)
    jid = client.queues["q"].recur(
        Mail, {"n": 1}, cron="0  9 * * mon-fri", zone="Europe/Berlin", misfire="one",
        limit=7, end=datetime(2027, 1, 1, tzinfo=UTC), priority=2,
    )  # fmt: skip

    found = job(client, jid)

    assert (found.cron, found.zone, found.interval) == ("0 9 * * mon-fri", "Europe/Berlin", None)
    assert (found.misfire, found.limit, found.start) == ("one", 7, None)
    assert (found.end, found.is_over, found.priority) == (at(2027, 1, 1), False, 2)
    assert found.next_at == at(2026, 3, 27, 9, zone=BERLIN)
    assert found.next_times(3) == [
        datetime(2026, 3, 27, 9, tzinfo=BERLIN),
        datetime(2026, 3, 30, 9, tzinfo=BERLIN),
        datetime(2026, 3, 31, 9, tzinfo=BERLIN),
    ]
    assert found.stored_times[:3] == found.next_times(3)
    assert len(found.next_times(50)) == 7


def test_children_follow_the_local_time_of_the_zone(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 3, 28, 12, zone=BERLIN)
    client.queues["q"].recur("k", {}, cron="30 2 * * *", zone="Europe/Berlin")
    clock.now = at(2026, 3, 30, 12, zone=BERLIN)

    assert slots(client) == [
        datetime(2026, 3, 29, 3, tzinfo=BERLIN),  # 2:30 was left out that night
        datetime(2026, 3, 30, 2, 30, tzinfo=BERLIN),
    ]


def test_pops_keep_a_schedule_going_for_as_long_as_there_are_any(
    client: Client, clock: Clock
) -> None:
    clock.now = at(2026, 1, 1)
    client.queues["q"].recur("k", {}, cron="*/5 * * * *", jid="c")

    found = []
    for _ in range(50):
        clock.advance(50 * MINUTE)
        found += slots(client)

    assert len(found) == 500
    assert found == [
        datetime.fromtimestamp(at(2026, 1, 1) + 300 * number, UTC) for number in range(1, 501)
    ]


def test_at_least_64_ticks_are_stored(client: Client, clock: Clock) -> None:
    client.queues["q"].recur("k", {}, cron="@hourly", jid="c")
    for _ in range(3):
        clock.advance(40 * 3600)
        client.queues["q"].pop(100)
        client.queues["q"].pop(100)
        client.queues["q"].pop()

        assert int(job(client, "c")._record.fields["ahead"]) >= 64


def test_failing_to_store_ticks_loses_no_job(
    client: Client,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.queues["q"].recur("k", {}, cron="* * * * *", jid="c")
    clock.advance(40 * MINUTE)
    whole = client.runner.run_many

    def broken(calls: Any) -> Any:
        if any(call.script == "recur_refill" for call in calls):
            raise ConnectionError("the line is cut")
        return whole(calls)

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(client.runner, "run_many", broken)
        taken = [len(client.queues["q"].pop(100)) for _ in range(3)]
    assert (sum(taken), taken[2]) == (40, 0)
    assert "could not be sent" in caplog.text

    clock.advance(11)
    client.queues["q"].pop()
    clock.advance(110 * MINUTE)
    client.queues["q"].pop(100)
    assert len(client.queues["q"].pop(100)) > 0


def test_ticks_that_cannot_be_computed_are_left_to_other_clients(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    question = TickRequest(
        "c", "0 9 * * *", "Mars/Olympus", "", 1, 0, 0, 0, final=False, start=None, end=None
    )
    client.settings.tick_requests.append(question)

    with caplog.at_level(logging.WARNING):
        assert client.queues["q"].pop() is None

    assert "cannot compute the ticks of c" in caplog.text
    assert not client.settings.tick_requests


def test_newer_zone_data_changes_what_is_to_come(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron, "version", lambda: "2020a")
    client.queues["q"].recur("k", {}, cron="@daily", jid="c")
    # As if the ticks had been worked out wrongly.
    before = job(client, "c")
    wrong = [round(when.timestamp()) * 1000 + 1000 for when in before.stored_times]
    fields = before._record.fields
    call: Call[bool] = recurring.refill(
        "c", fields["generation"], wrong[0] - 2000, wrong, final=False
    )
    assert client.run(call)
    assert job(client, "c").next_at == wrong[0] / 1000

    monkeypatch.setattr(cron, "version", lambda: "2020b")
    clock.advance(10)
    client.queues["q"].pop()

    assert job(client, "c").stored_times == before.stored_times
    assert job(client, "c")._record.fields["zone_version"] == "2020b"


def test_ticks_by_older_zone_data_are_worked_out_again(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cron, "version", lambda: "2020b")
    client.queues["q"].recur("k", {}, cron="@hourly", jid="c")

    monkeypatch.setattr(cron, "version", lambda: "2020a")
    for _ in range(5):
        clock.advance(20 * 3600)
        client.queues["q"].pop(100)
    assert job(client, "c")._record.fields["zone_version"] == "2020a"

    monkeypatch.setattr(cron, "version", lambda: "2020b")
    for _ in range(3):
        clock.advance(20 * 3600)
        client.queues["q"].pop(100)
    assert job(client, "c")._record.fields["zone_version"] == "2020b"


def test_a_schedule_can_be_changed(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 1, 1)
    found = job(client, client.queues["q"].recur("k", {}, cron="0 9 * * *"))

    found.cron = "0 10 * * *"
    assert found.next_at == at(2026, 1, 1, 10)
    found.zone = "America/New_York"
    assert found.next_at == at(2026, 1, 1, 15)
    found.update(start=at(2026, 2, 1), end=at(2026, 2, 3), misfire="skip", limit=9)
    assert (found.start, found.end, found.misfire, found.limit) == (
        at(2026, 2, 1), at(2026, 2, 3), "skip", 9,
    )  # fmt: skip
    assert [when.day for when in found.next_times()] == [1, 2]
    found.start, found.end, found.limit = None, None, None
    assert (found.start, found.end, found.limit) == (None, None, None)
    assert found.next_at == at(2026, 1, 1, 15)
    found.interval = 60
    assert (found.cron, found.zone, found.next_at) == (None, None, clock.now + 60)
    found.update(cron="@hourly", zone="Asia/Kolkata")
    assert (found.interval, found.next_at) == (None, at(2026, 1, 1, 0, 30))


def test_a_pause_ends_with_the_next_tick(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 1, 1)
    found = job(client, client.queues["q"].recur("k", {}, cron="@hourly"))

    found.pause()
    clock.advance(86_400 * 30 + 60)
    assert client.queues["q"].pop() is None
    found.resume()
    assert client.queues["q"].pop() is None

    assert found.refresh().next_at == at(2026, 1, 31, 1)


def test_next_times_of_an_interval(client: Client, clock: Clock) -> None:
    jid = client.queues["q"].recur("k", {}, 60, 10, limit=3, end=clock.now + 1000)

    assert [one.timestamp() for one in job(client, jid).next_times()] == [
        clock.now + 10,
        clock.now + 70,
        clock.now + 130,
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"cron": "0 25 * * *"}, r"field 2 \(hour\): 25 is not from 0 to 23"),
    ({"cron": "0 0 30 2 *"}, "never fires"),
    ({"cron": "@reboot"}, "none of @hourly"),
    ({"cron": ""}, "0 fields"),
    ({"cron": 5}, "is not text"),
    ({"cron": "0 9 * * *", "zone": "Europe/Berlim"}, "did you mean Europe/Berlin"),
    ({"cron": "0 9 * * *", "interval": 5}, "no interval"),
    ({"cron": "0 9 * * *", "offset": 5}, "no offset"),
    ({"zone": "UTC", "interval": 5}, "needs a cron expression"),
    ({"cron": "@daily", "end": 5}, "never fires between"),
    ({"cron": "@daily", "start": 6e9, "end": 5e9}, "before the start"),
    ({"interval": 5, "start": 6e9, "end": 5e9}, "before the start"),
    ({"interval": 5, "end": 5}, "never fires"),
    ({"interval": 5, "limit": 0}, "limit 0"),
    ({"interval": 5, "misfire": "twice"}, "none of all, one, skip"),
    ({"interval": 5, "start": datetime(2026, 1, 1)}, "has no time zone"),  # noqa: DTZ001
    ({}, "interval None"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_invalid_values_are_rejected(client: Client, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArgumentError, match=message):
        client.queues["q"].recur("k", {}, jid="c", **options)

    assert client.recurring["c"] is None


@pytest.mark.parametrize(
    "changes", [{"cron": "x"}, {"zone": "x"}, {"end": 5}, {"cron": "@daily", "interval": 5}]
)
def test_a_change_that_makes_no_sense_changes_nothing(
    client: Client, changes: dict[str, Any]
) -> None:
    found = job(client, client.queues["q"].recur("k", {}, cron="@daily"))
    before = found._record

    with pytest.raises(BadArgumentError):
        found.update(**changes)

    assert found.refresh()._record == before


def declared(**more: Any) -> dict[str, Any]:
    return {
        "nightly": {"queue": "q", "klass": "k", "data": {"n": 1}, "cron": "@daily", **more},
        "often": {"queue": "q", "klass": "k", "interval": 60, "offset": 5},
    }


def test_a_deployment_declares_its_recurring_jobs(client: Client) -> None:
    client.queues["q"].recur("k", {}, 60, jid="by-hand")

    first = client.recurring.sync(declared(), group="billing")
    second = client.recurring.sync({"nightly": declared()["nightly"]}, group="billing")

    assert (first.declared, first.removed) == (["nightly", "often"], [])
    assert (second.declared, second.removed) == (["nightly"], ["often"])
    assert job(client, "nightly").group == "billing"
    assert client.recurring["often"] is None
    assert job(client, "by-hand").group is None


def test_groups_do_not_touch_each_other(client: Client) -> None:
    client.recurring.sync(declared(), group="billing")

    assert client.recurring.sync({}, group="reports").removed == []
    with pytest.raises(AlreadyExistsError, match="belongs to the group billing"):
        client.recurring.sync(declared(), group="reports")

    assert job(client, "nightly").group == "billing"
    assert client.recurring.sync({}, group="billing").removed == ["nightly", "often"]


def test_a_sync_that_is_refused_changes_nothing(client: Client) -> None:
    client.recurring.sync(declared(), group="billing")
    client.queues["mail"].put("app.Send", jid="taken")
    before = client.redis.execute_command("DEBUG", "DIGEST")
    changed = {"nightly": {**declared()["nightly"], "priority": 9}, "new": declared()["often"]}

    with pytest.raises(AlreadyExistsError, match="taken"):
        client.recurring.sync({**changed, "taken": declared()["often"]}, group="billing")

    assert client.redis.execute_command("DEBUG", "DIGEST") == before


def test_a_full_group_may_be_replaced_as_a_whole(client: Client) -> None:
    spec = RecurSpec(queue="reports", klass="app.Ping", interval=60)
    client.recurring.sync({f"old-{number}": spec for number in range(600)}, group="billing")

    done = client.recurring.sync({f"new-{number}": spec for number in range(600)}, group="billing")

    assert (len(done.declared), len(done.removed)) == (600, 600)


def test_redeploying_the_same_schedule_continues_its_slots(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 1, 1)
    client.recurring.sync(declared(), group="billing")
    slot = job(client, "often").next_at
    job(client, "often").pause()
    clock.now = at(2026, 1, 2, 1)

    client.recurring.sync(declared(priority=5), group="billing")

    (child,) = client.queues["q"].pop(100)
    assert (child.jid, child.priority) == ("nightly-1", 5)
    assert child.history[0]["when"] == at(2026, 1, 2)
    assert (job(client, "often").is_paused, job(client, "often").next_at) == (True, slot)


def test_another_schedule_begins_anew(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 1, 1)
    client.recurring.sync(declared(), group="billing")
    clock.now = at(2026, 1, 2, 1)

    client.recurring.sync(declared(cron="0 5 * * *"), group="billing")

    assert job(client, "nightly").next_at == at(2026, 1, 2, 5)
    assert "nightly-1" not in [one.jid for one in client.queues["q"].pop(100)]


def test_another_end_of_the_same_schedule_is_kept_to(client: Client, clock: Clock) -> None:
    clock.now = at(2026, 1, 1)

    def declare(end: float) -> None:
        nightly = declared(end=end)["nightly"]
        client.recurring.sync({"nightly": nightly}, group="billing")

    declare(at(2026, 1, 9, 1))
    declare(at(2026, 1, 4, 1))
    assert [when.day for when in job(client, "nightly").next_times()] == [2, 3, 4]
    clock.now = at(2026, 1, 20)
    assert len(slots(client)) == 3
    assert client.queues["q"].pop() is None
    assert job(client, "nightly").is_over

    declare(at(2026, 1, 22, 1))
    client.queues["other"].pop()

    assert [when.day for when in job(client, "nightly").stored_times] == [21, 22]


def test_a_finished_schedule_that_is_extended_continues(client: Client, clock: Clock) -> None:
    def declare(limit: int | None) -> None:
        both: dict[str, Any] = declared()
        for one in both.values():
            one["limit"] = limit
        client.recurring.sync(both, group="billing")

    clock.now = at(2026, 1, 1)
    declare(2)
    clock.now = at(2026, 1, 20, 1)
    assert len(client.queues["q"].pop(100)) == 4
    assert [job(client, jid).is_over for jid in ("nightly", "often")] == [True, True]

    declare(None)

    assert [job(client, jid).is_over for jid in ("nightly", "often")] == [False, False]
    assert client.queues["q"].pop() is None
    assert job(client, "nightly").next_at == at(2026, 1, 21)
    assert job(client, "often").next_at == clock.now + 5


def test_a_pause_outlasts_a_change_of_the_schedule(client: Client, clock: Clock) -> None:
    client.recurring.sync(declared(), group="billing")
    job(client, "nightly").pause()

    client.recurring.sync(declared(cron="0 5 * * *"), group="billing")
    clock.advance(100 * 86_400)

    assert (job(client, "nightly").cron, job(client, "nightly").is_paused) == ("0 5 * * *", True)
    assert "nightly-1" not in [one.jid for one in client.queues["q"].pop(100)]


def test_one_invalid_declaration_sends_nothing(client: Client) -> None:
    wrong = declared()
    wrong["broken"] = {"queue": "q", "klass": "k", "cron": "61 * * * *"}

    with pytest.raises(ScheduleError, match=r"recurring job 'broken': .*field 1 \(minute\)"):
        client.recurring.sync(wrong, group="billing")
    with pytest.raises(BadArgumentError, match="no mapping with queue and klass"):
        client.recurring.sync({"x": {"queue": "q"}}, group="billing")

    assert client.recurring["nightly"] is None


def test_many_declarations_are_pruned_to_the_last(client: Client) -> None:
    spec: Callable[[int], Any] = lambda number: {"queue": "q", "klass": "k", "interval": number}  # noqa: E731
    many = {f"r{number}": spec(number) for number in range(1, 231)}
    client.recurring.sync(many, group="g")

    removed = client.recurring.sync({"r7": spec(7)}, group="g").removed

    assert len(removed) == 229
    assert client.queues["q"].jobs.recurring() == ["r7"]
