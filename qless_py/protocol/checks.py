"""Values that users give, checked before they are sent and turned into what the scripts expect.

The scripts check everything again; here the error names the Python argument, and types that would
be silently changed on the way (a bool for a number, a NaN) are caught.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeGuard

from qless_py.errors import BadArgumentError

Seconds = float | timedelta

Throttles = Iterable[str] | Mapping[str, float]
"""Ids of throttles; in a mapping with what a job costs of each, else 1."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@~+-]{0,127}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_LINE: Final = 255
_LONGEST_SPAN: Final = 3155760000.0  # a hundred years
_LATEST: Final = 4503599627370.0
_LARGEST_PRIORITY: Final = 1e300
MOST_AT_ONCE: Final = 100
MOST_THROTTLES: Final = 8
LEAST_COST: Final = 1e-6
MOST_COST: Final = 1e9
_IMPLICIT: Final = ("queue", "user")


def name(what: str, value: Any) -> str:
    """Check a jid, queue, tag, worker, unique key or batch."""
    if not is_name(value):
        raise BadArgumentError(
            f"{what} {value!r} is not a name of 1 to 128 letters, digits and _.:@~+-"
        )
    return value


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether a jid, queue, tag, worker, unique key or batch could be called so."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def names(what: str, values: Any, most: int | None = MOST_AT_ONCE) -> list[str]:
    """Check a list of names; each counts once."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise BadArgumentError(f"{what} is not a list of names")
    checked = list(dict.fromkeys(name(what, value) for value in values))
    if most is not None and len(checked) > most:
        raise BadArgumentError(f"{what} holds {len(checked)} names, more than {most}")
    return checked


def line(what: str, value: Any) -> str:
    """Check one line of free text: a klass, a failure group."""
    if not isinstance(value, str) or _CONTROL.search(value):
        raise BadArgumentError(f"{what} {value!r} is not text without control characters")
    if not 1 <= len(_encoded(what, value)) <= _LONGEST_LINE:
        raise BadArgumentError(f"{what} does not have 1 to {_LONGEST_LINE} bytes")
    return value


def text(what: str, value: Any, longest: int) -> str:
    """Check free text, and cut it at that many bytes."""
    if not isinstance(value, str):
        raise BadArgumentError(f"{what} is not text")
    encoded = value.encode("utf-8", "backslashreplace")
    return encoded[:longest].decode("utf-8", "ignore")


def choice(what: str, value: Any, allowed: Iterable[str]) -> str:
    """Check one of a few words."""
    choices = list(allowed)
    if not isinstance(value, str) or value not in choices:
        raise BadArgumentError(f"{what} {value!r} is none of {', '.join(choices)}")
    return value


def whole(what: str, value: Any, low: int, high: int) -> int:
    """Check a whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadArgumentError(f"{what} {value!r} is not a whole number from {low} to {high}")
    return value


def finite(what: str, value: Any) -> float:
    """Check a number that can be ordered."""
    number = _number(what, value)
    if not -_LARGEST_PRIORITY <= number <= _LARGEST_PRIORITY:
        raise BadArgumentError(f"{what} {value!r} is too large")
    return value if isinstance(value, int) and abs(value) < 2**53 else number


def span(what: str, value: Any, low: float = 0.0) -> int:
    """Check a length of time and give it in ms."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else _number(what, value)
    if not low <= seconds <= _LONGEST_SPAN:
        raise BadArgumentError(f"{what} {value!r} is not from {low:g} to {_LONGEST_SPAN:g} seconds")
    return round(seconds * 1000)


def instant(what: str, value: Any) -> int:
    """Check a point in time, seconds since 1970 or a datetime with time zone, and give it in ms."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadArgumentError(f"{what} {value!r} has no time zone")
        value = value.timestamp()
    seconds = _number(what, value)
    if not 0 <= seconds <= _LATEST:
        raise BadArgumentError(f"{what} {value!r} is not a point in time")
    return round(seconds * 1000)


def klass_name(klass: Any) -> str:
    """Give the dotted name of a class or function, or check one that is given as text."""
    if isinstance(klass, str):
        return line("klass", klass)
    module, qualified = (getattr(klass, part, None) for part in ("__module__", "__qualname__"))
    if not isinstance(module, str) or not isinstance(qualified, str):
        raise BadArgumentError(f"klass {klass!r} is no class, function or dotted name")
    if "<" in qualified:
        raise BadArgumentError(f"klass {qualified} is made inside a function: nobody can import it")
    return line("klass", f"{module}.{qualified}")


def throttle_id(what: str, value: Any) -> str:
    """Check the id of a throttle: a name, or that of a queue or user behind its kind."""
    kind, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    own = colon and kind in _IMPLICIT and is_name(rest)
    return value if own else name(what, value)


def throttles(value: Any) -> dict[str, Any]:
    """Check the throttles of a job and give them and its costs; nothing for none given."""
    if value is None:
        return {}
    ids = names("throttles", value, MOST_THROTTLES)
    for one in ids:
        kind, colon, _ = one.partition(":")
        if colon and kind in _IMPLICIT:
            raise BadArgumentError(f"throttle {one!r} is that of a {kind}: its jobs have it anyway")
    costs = {one: _cost(one, value[one]) for one in ids} if isinstance(value, Mapping) else {}
    return {"throttles": ids, **({"costs": costs} if costs else {})}


def _cost(throttle: str, value: Any) -> float:
    cost = finite(f"cost of throttle {throttle}", value)
    if not LEAST_COST <= cost <= MOST_COST:
        raise BadArgumentError(
            f"cost {value!r} of throttle {throttle} is not from {LEAST_COST:f} to {MOST_COST:,.0f}"
        )
    return cost


def user(what: str, value: Any) -> str | bool:
    """Check a user; `False` is nobody."""
    return False if value is False else name(what, value)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadArgumentError(f"{what} {value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadArgumentError(f"{what} {value!r} is not a finite number")
    return number


def _encoded(what: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise BadArgumentError(f"{what} is not text that UTF-8 can write") from error
