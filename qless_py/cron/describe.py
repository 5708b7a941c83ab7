"""Cron expressions in words: `30 9 * * mon-fri` is "every weekday at 09:30"."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Final

from qless_py.cron.expression import parse

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
_SUFFIXES: Final = {1: "st", 2: "nd", 3: "rd"}
_MOST_TIMES: Final = 8  # Times of day that are listed one by one.
_MINUTES: Final = 60
_HOURS: Final = 24
_NUMBERS: Final = {
    **{day[:3].upper(): number for number, day in enumerate(_DAYS)},
    **{month[:3].upper(): number for number, month in enumerate(_MONTHS, start=1)},
}


def describe(expression: str) -> str:
    """Return a cron expression in words; raises `ScheduleError` if it is invalid."""
    given = parse(expression).fields
    second, minute, hour, day = (
        field if field.startswith("*/") else _expanded(field, *limits)
        for field, limits in zip(given, ((0, 59), (0, 59), (0, 23), (1, 31)), strict=False)
    )
    month, weekday = _expanded(given[4], 1, 12), _expanded(given[5], 0, 6)
    time, is_daily = _time(second, minute, hour)
    days = _days(day, weekday)
    words = f"{days or 'every day'} {time}" if is_daily else ", ".join(filter(None, (time, days)))
    return f"{words}, in {_list(month, _month)}" if month != "*" else words


def _expanded(field: str, low: int, high: int) -> str:
    """Write steps as the values that they stand for: `10-50/20` as `10,30,50`."""
    return ",".join(_expanded_term(one, low, high) for one in field.split(","))


def _expanded_term(term: str, low: int, high: int) -> str:
    base, slash, step = term.partition("/")
    if not slash:
        return term
    first, dash, last = base.partition("-")
    start = low if base == "*" else int(_NUMBERS.get(first, first))
    end = int(_NUMBERS.get(last, last)) if dash else high
    return ",".join(map(str, range(start, end + 1, int(step))))


def _time(second: str, minute: str, hour: str) -> tuple[str, bool]:
    """Return the time of day in words, and whether it needs a day in front."""
    if second != "0":
        return _with_seconds(second, minute, hour)
    times = _times(minute, hour)
    if times:
        return f"at {_joined(times)}", True
    return f"{_minutes(minute, hour)}{_hours(minute, hour)}", False


def _with_seconds(second: str, minute: str, hour: str) -> tuple[str, bool]:
    if second.isdigit() and minute.isdigit() and hour.isdigit():
        return f"at {int(hour):02}:{int(minute):02}:{int(second):02}", True
    seconds = _every("second", second, _MINUTES) or f"at second {_list(second)}"
    if minute == "*" and hour == "*":
        return seconds if not second.isdigit() else f"every minute {seconds}", False
    rest = _minutes(minute, hour) if minute != "*" else "of every minute"
    return f"{seconds}, {rest}{_hours(minute, hour)}", False


def _times(minute: str, hour: str) -> list[str]:
    """Return the times of day if these are few, else nothing."""
    if not re.fullmatch(r"[\d,]+", minute) or not re.fullmatch(r"[\d,]+", hour):
        return []
    hours, minutes = sorted(map(int, hour.split(","))), sorted(map(int, minute.split(",")))
    found = [f"{one:02}:{other:02}" for one, other in product(hours, minutes)]
    return found if len(found) <= _MOST_TIMES else []


def _minutes(minute: str, hour: str) -> str:
    if minute == "*":
        return "every minute"
    every = _every("minute", minute, _MINUTES)
    if every:
        return every
    hours = _every("hour", hour, _HOURS) or "every hour"
    if minute == "0":
        return hours
    return f"{hours} at {_counted('minute', minute)}"


def _hours(minute: str, hour: str) -> str:
    """Return what limits the hours, as far as `_minutes` has not said it."""
    if hour == "*":
        return ""
    is_said = (
        _every("hour", hour, _HOURS) and minute != "*" and not _every("minute", minute, _MINUTES)
    )
    if is_said:
        return ""
    span = re.fullmatch(r"(\d+)-(\d+)", hour)
    if span:
        last = "59" if minute == "*" or "/" in minute else f"{_last(minute):02}"
        return f" from {int(span[1]):02}:00 to {int(span[2]):02}:{last}"
    return f", in {_every('hour', hour, _HOURS) or _counted('hour', hour)}"


def _last(minute: str) -> int:
    return max((int(one) for one in re.findall(r"\d+", minute)), default=0)


def _every(what: str, field: str, turn: int) -> str:
    """Return "every 5 minutes" for `*/5`, "" for what has no such words."""
    if field == "*":
        return f"every {what}"
    step = re.fullmatch(r"\*/(\d+)", field)
    if not step:
        return ""
    number = int(step[1])
    if number == 1:
        return f"every {what}"
    if turn % number == 0:
        return f"every {number} {what}s"
    return f"every {_ordinal(number)} {what} of the {'day' if turn == _HOURS else 'hour'}"


def _days(day: str, weekday: str) -> str:
    by_date = "" if day == "*" else _dates(day)
    by_name = "" if weekday == "*" else _weekdays(weekday)
    if by_date and by_name:
        # Like cron: one match is enough, unless a field begins with a star.
        both = day.startswith("*") or weekday.startswith("*")
        names = by_name.removeprefix("on ").replace("every weekday", "a weekday")
        return f"{by_date} if it is {names}" if both else f"{by_date} and {by_name}"
    return by_date or by_name


def _dates(day: str) -> str:
    if day == "L":
        return "on the last day of the month"
    if day == "LW":
        return "on the last weekday of the month"
    step = re.fullmatch(r"\*/(\d+)", day)
    if step:
        return f"on every {_ordinal(int(step[1]))} day of the month"
    return f"on {_counted('day', day)} of the month"


def _weekdays(weekday: str) -> str:
    text = ",".join(str(_NUMBERS.get(one, one)) for one in weekday.split(","))
    if re.fullmatch(r"(1|MON)-(5|FRI)", weekday) or text == "1,2,3,4,5":
        return "every weekday"
    return f"on {_list(weekday, _weekday)}"


def _weekday(text: str) -> str:
    if "#" in text:
        name, _, week = text.partition("#")
        return f"the {_ORDINALS[int(week) - 1]} {_weekday(name)} of the month"
    if text.endswith("L") and text[:-1].isdigit():
        return f"the last {_weekday(text[:-1])} of the month"
    return _DAYS[int(_NUMBERS.get(text, text)) % 7]


def _month(text: str) -> str:
    return _MONTHS[int(_NUMBERS.get(text, text)) - 1]


def _counted(what: str, field: str) -> str:
    """Return "minute 5", "minutes 5 and 35"."""
    return f"{what}{'' if field.isdigit() else 's'} {_list(field)}"


def _list(field: str, write: Callable[[str], str] = str) -> str:
    return _joined([_term(one, write) for one in field.split(",")])


def _term(term: str, write: Callable[[str], str]) -> str:
    first, dash, last = term.partition("-")
    return f"{write(first)} to {write(last)}" if dash else write(first)


def _joined(parts: list[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _ordinal(number: int) -> str:
    if number in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{_SUFFIXES.get(number % 10, 'th')}"
