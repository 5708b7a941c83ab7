"""Parse cron expressions; errors name the field that is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from qless_py.errors import ScheduleError

MAX_LENGTH: Final = 255

NICKNAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
)
_MONTHS: Final = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"
_DAYS: Final = "SUN MON TUE WED THU FRI SAT"
_WEEKS: Final = 5
_SHORT: Final = 5
_FULL: Final = 6


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: Mapping[str, int]


_FIELDS: Final = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of month", 1, 31, {}),
    _Field("month", 1, 12, {word: number for number, word in enumerate(_MONTHS.split(), start=1)}),
    _Field("day of week", 0, 7, {word: number for number, word in enumerate(_DAYS.split())}),
)
_DAY_OF_MONTH: Final = _FIELDS[3]
_DAY_OF_WEEK: Final = _FIELDS[5]
_HOUR: Final = 2


@dataclass(frozen=True, slots=True)
class Expression:
    """A valid cron expression.

    `text` is the given text with single spaces; `fields` are always six, the seconds first.
    """

    text: str
    fields: tuple[str, ...]

    @property
    def six_fields(self) -> str:
        """The six fields in one text."""
        return " ".join(self.fields)

    @property
    def is_periodic(self) -> bool:
        """Whether the hours are `*` or have a step, so that it fires evenly when clocks change."""
        return "*" in self.fields[_HOUR] or "/" in self.fields[_HOUR]


def parse(expression: object) -> Expression:
    """Parse five fields, six with the seconds first, or a nickname."""
    if not isinstance(expression, str):
        raise ScheduleError(f"cron {expression!r} is not text")
    if len(expression) > MAX_LENGTH or not expression.isascii():
        raise ScheduleError(f"cron is not ASCII text of at most {MAX_LENGTH} characters")
    text = " ".join(expression.split())
    fields = _expand_nickname(text).upper().split()
    if len(fields) not in {_SHORT, _FULL}:
        raise ScheduleError(
            f"cron {text!r} has {len(fields)} fields; expected 5, or 6 with the seconds first"
        )
    skipped = _FULL - len(fields)
    for number, field in enumerate(fields, start=1):
        kind = _FIELDS[number - 1 + skipped]
        try:
            _check(kind, field)
        except ValueError as error:
            where = f"field {number} ({kind.name})"
            raise ScheduleError(f"cron {text!r}: {where}: {error}") from None
    plain = [_plain(kind, field) for kind, field in zip(_FIELDS[skipped:], fields, strict=True)]
    return Expression(text, ("0",) * skipped + tuple(plain))


def _expand_nickname(text: str) -> str:
    if not text.startswith("@"):
        return text
    expanded = NICKNAMES.get(text.lower())
    if expanded is None:
        raise ScheduleError(f"cron {text!r} is none of {', '.join(NICKNAMES)}")
    return expanded


def _plain(kind: _Field, field: str) -> str:
    """Write a range of one value as that value: the library takes `9-9/2` for `9-23/2`."""
    return ",".join(_plain_term(kind, term) for term in field.split(","))


def _plain_term(kind: _Field, term: str) -> str:
    first, dash, last = term.partition("/")[0].partition("-")
    return first if dash and _value(kind, first) == _value(kind, last) else term


def _check(kind: _Field, field: str) -> None:
    for term in field.split(","):
        _check_term(kind, term)


def _check_term(kind: _Field, term: str) -> None:
    special = _special(kind, term)
    if special is not None:
        special(term)
        return
    base, slash, step = term.partition("/")
    if slash and not 1 <= _number(step) <= kind.high:
        raise ValueError(f"step {step} is not from 1 to {kind.high}")
    if base == "*":
        return
    first, dash, last = base.partition("-")
    start = _value(kind, first)
    if dash and _value(kind, last) < start:
        raise ValueError(f"range {base} runs backwards")


def _special(kind: _Field, term: str) -> Callable[[str], None] | None:
    """Return the check of a form that only days have: `L`, `LW`, `5L`, `mon#2`; else None."""
    if kind is _DAY_OF_MONTH and term in {"L", "LW"}:
        return lambda _: None
    if kind is _DAY_OF_WEEK and re.fullmatch(r"\w+L", term):
        return _check_last
    if kind is _DAY_OF_WEEK and "#" in term:
        return _check_week
    return None


def _check_last(term: str) -> None:
    _in_range(_DAY_OF_WEEK, _number(term[:-1]))


def _check_week(term: str) -> None:
    day, _, week = term.partition("#")
    _value(_DAY_OF_WEEK, day)
    if not 1 <= _number(week) <= _WEEKS:
        raise ValueError(f"{week} is not from 1 to {_WEEKS}")


def _value(kind: _Field, text: str) -> int:
    word = kind.words.get(text)
    return _in_range(kind, _number(text)) if word is None else word


def _in_range(kind: _Field, number: int) -> int:
    if not kind.low <= number <= kind.high:
        raise ValueError(f"{number} is not from {kind.low} to {kind.high}")
    return number


def _number(text: str) -> int:
    if not text:
        raise ValueError("missing value")
    if not text.isdigit():
        raise ValueError(f"{text!r} is not a valid value")
    return int(text)
