"""Cron expressions: what they mean, and which field an error names."""

from __future__ import annotations

import itertools
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given
from hypothesis import strategies as st

from qless_py import Cron, ScheduleError
from qless_py import cron as schedule
from qless_py.cron import expression, zones

BERLIN = ZoneInfo("Europe/Berlin")


def times(cron: str, zone: str, since: datetime, count: int) -> list[str]:
    return [f"{one:%d %H:%M:%S %Z}" for one in Cron(cron, zone).next_times(count, since)]


@pytest.mark.parametrize(
    ("nickname", "spelled"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
    ],
)
def test_nicknames_stand_for_five_fields(nickname: str, spelled: str) -> None:
    since = datetime(2026, 5, 17, 3, 4, tzinfo=UTC)

    assert Cron(nickname).next_times(9, since) == Cron(spelled).next_times(9, since)
    assert Cron(nickname).expression == nickname


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 L * *", ["31 00:00", "30 00:00"]),
        ("0 0 * * 5L", ["29 00:00", "26 00:00"]),
        ("0 0 LW * *", ["29 00:00", "30 00:00"]),
        ("0 0 * * mon#2", ["08 00:00", "13 00:00"]),
        ("0 0 13 * fri", ["22 00:00", "29 00:00"]),
        ("0 0 */2 * fri", ["29 00:00", "05 00:00"]),
        ("10,20-22 5/7 * jul-AUG 7", ["05 05:10", "05 05:20"]),
    ],
)
def test_days_can_be_written_in_many_ways(cron: str, expected: list[str]) -> None:
    since = datetime(2026, 5, 17, tzinfo=UTC)

    assert [f"{one:%d %H:%M}" for one in Cron(cron).next_times(2, since)] == expected


def test_six_fields_begin_with_the_seconds() -> None:
    since = datetime(2026, 5, 17, 23, 59, 30, tzinfo=UTC)

    found = times("*/20 59 23 * * *", "UTC", since, 3)

    assert found == ["17 23:59:40 UTC", "18 23:59:00 UTC", "18 23:59:20 UTC"]


def test_six_fields_keep_the_rule_for_clocks_that_are_set() -> None:
    spring = datetime(2026, 3, 29, 1, 59, 59, tzinfo=BERLIN)
    autumn = datetime(2026, 10, 25, 2, 59, 58, tzinfo=BERLIN)

    assert times("15,45 30 2 * * *", "Europe/Berlin", spring, 3) == [
        "29 03:00:00 CEST",
        "30 02:30:15 CEST",
        "30 02:30:45 CEST",
    ]
    assert times("* 59 2 * * *", "Europe/Berlin", autumn, 2) == [
        "25 02:59:59 CEST",
        "26 02:59:00 CET",
    ]
    assert times("59 59 * * * *", "Europe/Berlin", autumn, 3) == [
        "25 02:59:59 CEST",
        "25 02:59:59 CET",
        "25 03:59:59 CET",
    ]


@pytest.mark.parametrize("hours", ["9-9/2", "9-9", "9-9/23"])
def test_a_range_of_one_value_is_that_value_whatever_its_step(hours: str) -> None:
    since = datetime(2026, 5, 17, 3, 4, tzinfo=UTC)

    assert Cron(f"0 {hours} * * *").next_times(3, since) == Cron("0 9 * * *").next_times(3, since)
    by_day = Cron("0 9 * * mon-1/2").next_times(3, since)
    assert by_day == Cron("0 9 * * mon").next_times(3, since)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 25 * * *", "cron '0 25 * * *': field 2 (hour): 25 is not from 0 to 23"),
        ("60 * * * * *", "field 1 (second): 60 is not from 0 to 59"),
        ("0 0 0 * *", "field 3 (day of month): 0 is not from 1 to 31"),
        ("0 0 * 13 *", "field 4 (month): 13 is not from 1 to 12"),
        ("0 0 * * 8", "field 5 (day of week): 8 is not from 0 to 7"),
        ("0 0 * * mun", "field 5 (day of week): 'MUN' is not a valid value"),
        ("0 0 * * fri-mon", "field 5 (day of week): range FRI-MON runs backwards"),
        ("*/0 * * * *", "field 1 (minute): step 0 is not from 1 to 59"),
        ("*/90 * * * *", "field 1 (minute): step 90 is not from 1 to 59"),
        ("0 1, * * *", "field 2 (hour): missing value"),
        ("0 -1 * * *", "field 2 (hour): missing value"),
        ("0 ¹ * * *", "cron is not ASCII text"),
        ("0 0 L/2 * *", "field 3 (day of month): 'L' is not a valid value"),
        ("0 0 * * 5#6", "field 5 (day of week): 6 is not from 1 to 5"),
        ("0 0 * *", "has 4 fields; expected 5, or 6 with the seconds first"),
        ("0 0 0 0 0 0 0", "has 7 fields"),
        ("@reboot", "'@reboot' is none of @hourly, @daily"),
        ("0 0 30 2 *", "cron '0 0 30 2 *' never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 31 4 */2", "never fires"),
        ("1" * 300, "at most 255 characters"),
    ],
)
def test_a_syntax_error_is_reported_with_its_position(cron: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron(cron)

    assert message in str(caught.value)


FIELDS = [
    ("*", "0", "59", "60", "*/5", "*/0", "1-5", "5-1", "1,2", "1,", "5/10", "*/x", "1-2-3", "-"),
    ("*", "0", "23", "24", "*/2", "0-23/3", "22-2", "9,17", "1/2/3"),
    ("*", "1", "31", "0", "L", "LW", "W", "1-31", "*/2", "L-3", "15,L"),
    ("*", "1", "12", "13", "JAN", "jan-mar", "FOO", "*/3"),
    ("*", "0", "7", "8", "sun", "MON-fri", "5L", "8L", "L", "mon#1", "3#6", "#1", "6-0", "1-7/2"),
]


@given(st.tuples(*(st.sampled_from(field) for field in FIELDS)))
def test_whatever_is_accepted_can_be_walked_and_nothing_else_is(fields: tuple[str, ...]) -> None:
    text = " ".join(fields)
    try:
        walk = CronSim(text, datetime(2026, 1, 1))  # noqa: DTZ001 - as a clock on the wall
        is_good = next(walk, None) is not None
    except CronSimError:
        is_good = False

    if is_good:
        Cron(text)
    else:
        with pytest.raises(ScheduleError):
            Cron(text)


def test_a_schedule_of_leap_days_goes_on_to_the_end_of_the_calendar() -> None:
    late = datetime(9990, 1, 1, tzinfo=UTC)

    assert [one.year for one in Cron("0 0 29 2 *").next_times(5, late)] == [9992, 9996]
    plan = schedule.following(Cron("@yearly"), round(late.timestamp()) * 1000, 128)
    assert (len(plan.ticks), plan.final) == (9, True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Berlin", "zone 'Berlin' is unknown; did you mean Europe/Berlin?"),
        ("new york", "did you mean America/New_York?"),
        ("Europe/Belrin", "did you mean Europe/Berlin"),
        ("../../etc/passwd", "is unknown"),
        ("/etc/localtime", "is unknown"),
        ("Europe", "is unknown"),
        ("", "zone '' is unknown"),
        ("x\0y", "is unknown"),
        ("x" * 1000, "is unknown"),
        (None, "zone None is not the name of a time zone"),
    ],
)
def test_an_unknown_zone_is_rejected_with_what_may_be_meant(name: str, message: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron("@daily", name)

    assert message in str(caught.value)


def test_every_zone_can_be_named_to_the_store() -> None:
    allowed = set("+-_/")

    for name in zoneinfo.available_timezones():
        assert len(name) <= zones._MAX_NAME
        assert all(letter.isalnum() or letter in allowed for letter in name)
        assert name[0].isalnum()


def test_the_release_of_the_zone_data_is_known() -> None:
    assert zones.version() >= "2020a"
    assert zones.version().isalnum()


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("tzdata.zi", "# version 2026a\n# more\n", "2026a"),
        ("+VERSION", "2025c\n", "2025c"),
        ("tzdata.zi", "# redo 1\n", ""),
        ("+VERSION", "../x\n", ""),
        ("other", "", ""),
    ],
)
def test_the_release_is_read_from_what_lies_beside_the_zones(
    tmp_path: Path, file: str, text: str, expected: str
) -> None:
    (tmp_path / file).write_text(text)

    assert zones._version_of(tmp_path) == expected


def test_machines_without_zone_files_use_those_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    zones.version.cache_clear()

    try:
        assert zones.version() >= "2024a"
    finally:
        zones.version.cache_clear()


def test_a_plan_has_no_gap_and_ends_with_the_schedule() -> None:
    cron = Cron("*/10 * * * *")
    since = 1_700_000_000_000
    all_of_them = [1000 * one for one in itertools.islice(cron.after(since / 1000), 300)]

    first = schedule.following(cron, since, 128)
    second = schedule.following(cron, first.ticks[-1], 128)
    short = schedule.following(cron, since, 128, all_of_them[3], all_of_them[9])

    assert first.ticks + second.ticks == all_of_them[:256]
    assert (first.final, short.final, short.ticks) == (False, True, all_of_them[3:10])
    assert schedule.upcoming(cron, since).ticks[-128:] == all_of_them[:128]


def test_two_of_the_same_are_equal() -> None:
    assert Cron("0  9 * * *", "Asia/Kolkata") == Cron("0 9 * * *", "Asia/Kolkata")
    assert len({Cron("@daily"), Cron("@daily", "UTC"), Cron("@daily", "Asia/Kolkata")}) == 2
    assert repr(Cron("@daily")) == "Cron('@daily', 'UTC')"
    assert Cron("@daily") != expression.parse("@daily")
