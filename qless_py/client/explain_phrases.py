"""Numbers and times in words."""

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_FEW: Final = 10  # seconds, told to the tenth


def many(number: int, what: str) -> str:
    """Give a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def instant(at: float) -> str:
    """Give a point in time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def past(at: float | None, now: float) -> str:
    """Give a point in time and how long ago it was."""
    return "an unknown time" if at is None else f"{instant(at)} ({length(now - at)} ago)"


def ahead(at: float | None, now: float) -> str:
    """Give a point in time and how far it is."""
    if at is None:
        return "an unknown time"
    return f"{instant(at)} (in {length(at - now)})" if at > now else f"{instant(at)} (now)"


def length(seconds: float) -> str:
    """Give a length of time in a round number of the largest unit that fits."""
    seconds = max(seconds, 0.0)
    for size, name in ((_DAY, "days"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.1f} s" if seconds < _FEW else f"{seconds:.0f} s"
