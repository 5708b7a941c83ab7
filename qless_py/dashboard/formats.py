"""Numbers and times as text for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NOTHING: Final = "\u2013"
_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_THOUSAND: Final = 1000
_TEN: Final = 10


def number(value: float | None) -> str:
    """Write a count with thin groups, a fraction with what matters of it."""
    if value is None:
        return NOTHING
    if float(value).is_integer() or abs(value) >= _THOUSAND:
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.1f}" if abs(value) >= _TEN else f"{value:.2g}"


def plain(value: float) -> str:
    """Write a number as one types it: `50`, `0.25`."""
    return f"{value:.15g}"


def duration(seconds: float | None) -> str:
    """Write a length of time in its largest fitting unit: 350 ms, 4.2 s, 12 min, 3.5 h, 2 d."""
    if seconds is None:
        return NOTHING
    sign = "\u2212" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.0f} ms"
    for size, unit in _UNITS:
        if seconds >= size:
            amount = seconds / size
            return f"{sign}{amount:.1f} {unit}" if amount < _TEN else f"{sign}{amount:.0f} {unit}"
    return f"{sign}0 s"


def ago(instant: float | None, now: float) -> str:
    """Write an instant by its distance: `12 min ago`, `in 3.0 s`."""
    if instant is None:
        return "never"
    distance = now - instant
    if abs(distance) < 1:
        return "now"
    return f"{duration(distance)} ago" if distance > 0 else f"in {duration(-distance)}"


def absolute(instant: float) -> str:
    """Write an instant in UTC, as `<time datetime>` wants it."""
    try:
        moment = datetime.fromtimestamp(instant, UTC)
    except (OverflowError, ValueError, OSError):
        return "beyond all calendars"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def quoted(name: str) -> str:
    """Write a name for a search, so that it is meant as it is."""
    literal = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{literal}"'
