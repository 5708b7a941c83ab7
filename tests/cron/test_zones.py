"""Cron ticks in every zone of the tz database around each change of its clocks in two years."""

from __future__ import annotations

import itertools
import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from qless_py.cron import Cron
from tests.cron import oracle

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())
AROUND = 5 * 3600

EXPRESSIONS = (
    "*/20 * * * *",
    "30 * * * *",
    "15 */2 * * *",
    "0 0-23/3 * * *",
    "30 2 * * *",
    "*/10 1 * * *",
    "0,30 0,1,2,3 * * *",
    "5 0 1-31 * *",
    "45 1,2,23 * * 7",
    "0 2,3 * */2 0,6",
)


def known_zones() -> dict[tuple[int, ...], list[str]]:
    """Sort the zones by when and how their clocks are set, so that none is computed twice."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = ZoneInfo(name)
        instants = oracle.changes(zone, START, END)
        offsets = [oracle._offset(zone, at) for at in (START, *instants)]
        key = (*instants, *(int(one.total_seconds()) for one in offsets if one is not None))
        found.setdefault(key, []).append(name)
    return found


def compare(name: str, at: int, around: int = AROUND) -> None:
    start, end = at - at % 60 - around, at - at % 60 + around
    shown = oracle.walls(ZoneInfo(name), start, end)
    for expression in EXPRESSIONS:
        expected = list(oracle.ticks(expression, shown))
        found = Cron(expression, name).after(start)
        computed = list(itertools.takewhile(lambda one: one <= end, found))
        assert computed == expected, (name, expression, at)


@pytest.mark.slow
def test_every_zone_fires_by_the_rule_whenever_its_clocks_are_set() -> None:
    zones = known_zones()
    assert sum(map(len, zones.values())) > 400

    compared = 0
    for names in zones.values():
        for at in oracle.changes(ZoneInfo(names[0]), START, END):
            compare(names[0], at)
            compared += 1

    assert compared > 100


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("Australia/Lord_Howe", (2026, 4, 4, 15)),  # half an hour back
        ("Australia/Lord_Howe", (2026, 10, 3, 15, 30)),  # half an hour ahead
        ("Antarctica/Troll", (2026, 3, 29, 1)),  # two hours ahead
        ("Antarctica/Troll", (2026, 10, 25, 1)),  # two hours back
        ("Pacific/Apia", (2011, 12, 30, 10)),  # a whole day left out
        ("America/Caracas", (2007, 12, 9, 7)),  # half an hour back for good
        ("Asia/Pyongyang", (2018, 5, 4, 15)),  # half an hour ahead for good
    ],
)  # fmt: skip
def test_odd_changes_of_the_clock_follow_the_same_rule(name: str, at: tuple[int, ...]) -> None:
    year, month, day, hour, minute = (*at, 0)[:5]

    compare(name, int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()), 30 * 3600)


def test_ticks_do_not_depend_on_the_starting_instant() -> None:
    zone = ZoneInfo("Europe/Berlin")
    for at in oracle.changes(zone, START, END):
        shown = oracle.walls(zone, at - AROUND, at + AROUND)
        for expression in EXPRESSIONS:
            expected = list(oracle.ticks(expression, shown))
            cron = Cron(expression, "Europe/Berlin")
            for since, _ in shown[::7]:
                ahead = [one for one in expected if one > since]
                assert list(itertools.islice(cron.after(since), len(ahead))) == ahead
