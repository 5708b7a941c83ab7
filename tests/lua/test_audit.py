"""The audit log: what it keeps, in which order, how it is searched, and what stops it not."""

from __future__ import annotations

from typing import Any

import pytest
import redis as redis_py

from qless_py.protocol import audit
from qless_py.protocol.audit import AuditEntry, AuditPage
from tests.conftest import Clock
from tests.script_runner import Scripts

LOG = "{ql}:audit"


def add(call: Scripts, **fields: Any) -> str:
    given = {"who": "ann", "door": "dashboard", "action": "queue pause", **fields}
    step = audit.add(AuditEntry(**given))
    return step.decode(call.send(step.script, str(round(call.clock() * 1000)), "", *step.args))


def read(call: Scripts, **filters: Any) -> AuditPage:
    step = audit.read(**filters)
    now = str(round(call.clock() * 1000))
    return step.decode(call.send(step.script, now, *map(_text, step.args)))


def _text(value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value)


def test_an_entry_is_read_as_it_was_recorded(call: Scripts, clock: Clock) -> None:
    entry = {
        "who": "Ann Ö", "role": "admin", "door": "http", "address": "10.0.0.1",
        "action": "job cancel", "targets": ("a", "b"), "details": "q=state:failed", "count": 2,
        "outcome": "refused", "result": "two\nlines",
    }  # fmt: skip
    identity = add(call, **entry)

    (found,) = read(call).entries

    assert found.id == identity
    assert found.at == round(clock.now, 3)
    assert found.as_dict() == {
        **entry, "id": identity, "at": found.at, "targets": ["a", "b"], "result": "two lines",
    }  # fmt: skip


def test_pages_go_from_the_newest_to_the_oldest(call: Scripts, clock: Clock) -> None:
    for number in range(250):
        add(call, who=f"user-{number}")
        clock.advance(0.001 * (number % 2))

    seen: list[str] = []
    page = read(call, limit=101)
    seen += [one.who for one in page.entries]
    while page.cursor:
        page = read(call, limit=101, before=page.cursor)
        seen += [one.who for one in page.entries]

    assert seen == [f"user-{number}" for number in reversed(range(250))]


def test_entries_are_found_by_who_action_target_door_outcome_and_time(
    call: Scripts, clock: Clock
) -> None:
    add(call, who="ann", action="queue pause", targets=["mail"])
    add(call, who="bob@host", action="job cancel", targets=["j1", "j2"], door="command line")
    clock.advance(60)
    add(call, who="token ci", action="job retry", targets=["j2"], door="http", outcome="refused")

    def who(**filters: Any) -> list[str]:
        return [one.who for one in read(call, **filters).entries]

    assert who(who="bob*") == ["bob@host"]
    assert who(action="job *") == ["token ci", "bob@host"]
    assert who(action="job*", target="j1") == ["bob@host"]
    assert who(target="j*") == ["token ci", "bob@host"]
    assert who(target="j") == []
    assert who(door="command line") == ["bob@host"]
    assert who(outcome="refused") == ["token ci"]
    assert who(since=clock.now - 30) == ["token ci"]


def test_a_search_examines_a_bounded_number_of_entries(call: Scripts) -> None:
    add(call, who="first")
    for _ in range(1200):
        add(call)

    page = read(call, who="first")

    assert page.entries == []
    assert page.cursor
    assert [one.who for one in read(call, who="first", before=page.cursor).entries] == ["first"]


def test_the_log_keeps_about_as_many_entries_as_its_option_says(call: Scripts) -> None:
    call("config_set", "audit-log", "100")
    for _ in range(500):
        add(call)

    assert 100 <= call.redis.xlen(LOG) <= 200
    assert read(call).limit == 100


def test_nothing_is_written_while_the_log_is_off_but_who_turned_it_off(call: Scripts) -> None:
    call("config_set", "audit-log", "0")
    before = call.redis.execute_command("DEBUG", "DIGEST")

    assert add(call) == ""
    assert call.redis.execute_command("DEBUG", "DIGEST") == before

    add(call, action="option set", targets=["audit-log"])
    assert [one.action for one in read(call).entries] == ["option set"]


def test_ids_grow_even_if_the_clock_was_set_back(call: Scripts, clock: Clock) -> None:
    first = add(call)
    clock.now -= 3600
    second = add(call)

    assert [one.id for one in read(call).entries] == [second, first]


def test_long_texts_are_shortened_and_many_targets_left_out(call: Scripts) -> None:
    add(call, who="ö" * 500, details="d" * 5000, targets=[f"job-{n}" for n in range(5000)])

    (found,) = read(call).entries

    assert found.who == "ö" * 64
    assert found.details == "d" * 2048
    assert 400 < len(found.targets) < 600


@pytest.mark.corrupts
def test_a_damaged_log_stops_no_entry(call: Scripts, redis: redis_py.Redis) -> None:
    redis.set(LOG, "junk")
    add(call, who="ann")
    assert [one.who for one in read(call).entries] == ["ann"]

    redis.xadd(LOG, {"other": "junk"}, id=f"{2**64 - 1}-{2**64 - 1}")
    assert read(call).entries[0].who == ""
    add(call, who="bob")
    assert [one.who for one in read(call).entries] == ["bob"]
