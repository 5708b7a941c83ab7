"""Durations, instants, sizes and counts as text for people: one format in the whole project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

NOTHING: Final = "\u2013"
# Seconds in a unit, and from which duration on it is used: 59.7 s are 1 min, never 60 s.
_UNITS: Final = (
    (86400.0, "d", 84600.0),
    (3600.0, "h", 3570.0),
    (60.0, "min", 59.5),
    (1.0, "s", 0.9995),
)
_SIZES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
# A traceback that Python has printed, and not one in a message: it is the first thing, or stands
# behind the sentence about a chained exception. That of a group is indented.
_TRACEBACK: Final = re.compile(
    r"(?:\A|^(?:The above exception was|During handling of the above)[^\n]*\n\n)"
    r"(?:  \+ Exception Group )?Traceback \(most recent call last\):$",
    re.MULTILINE,
)
_ONE_DECIMAL_BELOW: Final = 10
_GROUPED_FROM: Final = 1000
_LAST_PERCENT: Final = 99


def number(value: float | None, missing: str = NOTHING) -> str:
    """Return a count with its thousands grouped, or a fraction rounded to two digits."""
    if value is None:
        return missing
    if float(value).is_integer() or abs(value) >= _GROUPED_FROM:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _ONE_DECIMAL_BELOW else f"{value:.2g}"


def attempts(failed: int, of: int | None) -> str:
    """Return how many attempts of a job failed, or nothing if that says nothing."""
    return f"{failed} of {of} failed" if of is not None else f"{failed} failed" if failed else ""


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a number of things: 1 job, 1,204 jobs; `several` is an irregular plural form."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def percent(share: float | None, missing: str = NOTHING) -> str:
    """Return a share of 1 as a percentage that is 0% or 100% only if it is exactly that."""
    if share is None:
        return missing
    value = 100 * share
    if not 0 < share < 1:
        return f"{value:.0f}%"
    shown = f"{min(max(value, 0.1), 99.9):.1f}".removesuffix(".0")
    return f"{shown if value < _ONE_DECIMAL_BELOW or value > _LAST_PERCENT else round(value)}%"


def size(number_of_bytes: float) -> str:
    """Return a number of bytes in its largest fitting unit: 512 B, 1.5 KiB, 200 MiB."""
    for unit, name in _SIZES:
        if number_of_bytes >= unit:
            return f"{_rounded(number_of_bytes / unit)} {name}"
    return f"{number_of_bytes:.0f} B"


def duration(seconds: float | None, missing: str = NOTHING) -> str:
    """Return a measured duration in its largest fitting unit: 350 ms, 4.2 s, 12 min, 3.5 h, 2 d."""
    if seconds is None:
        return missing
    sign = "\u2212" if seconds < 0 else ""
    seconds = abs(seconds)
    for unit, name, least in _UNITS:
        if seconds >= least:
            return f"{sign}{_rounded(seconds / unit)} {name}"
    milliseconds = seconds * 1000
    shown = f"{milliseconds:.2g}" if milliseconds < 1 else _rounded(milliseconds)
    return f"{sign}{shown} ms" if seconds else "0 s"


def exact_duration(seconds: float | None, missing: str = NOTHING) -> str:
    """Return a configured duration without rounding it: 1 h 30 min, 1 min 40 s, 0.25 s."""
    if seconds is None:
        return missing
    parts, rest = [], seconds
    for unit, name, _ in _UNITS[:-1]:
        whole, rest = divmod(rest, unit)
        parts += [f"{whole:.0f} {name}"] if whole else []
    if rest or not parts:
        parts.append(f"{rest:.6g} s")
    return " ".join(parts)


def ago(at: float | None, now: float) -> str:
    """Return how far an instant is from now: 12 min ago, in 3 s, now; without one, never."""
    if at is None:
        return "never"
    distance = now - at
    if abs(distance) < 1:
        return "now"
    return f"{duration(distance)} ago" if distance > 0 else f"in {duration(-distance)}"


def instant(at: float | None, now: float) -> str:
    """Return an instant and its distance: 2026-11-21 08:00:00 UTC (5 min ago)."""
    if at is None:
        return "an unknown time"
    found = _utc(at)
    shown = f"{at:.0f}" if found is None else f"{found:%Y-%m-%d %H:%M:%S} UTC"
    return f"{shown} ({ago(at, now)})"


def local_time(at: float | None) -> str:
    """Return an instant in the time zone of this machine: 2026-11-21 09:00:00."""
    if not at:
        return ""
    found = _utc(at)
    return f"{at:.0f}" if found is None else f"{found.astimezone():%Y-%m-%d %H:%M:%S}"


def moment(at: float, zone: tzinfo = UTC) -> str:
    """Return an instant in a time zone: 2026-11-21 09:00:00 CET."""
    found = _utc(at)
    if found is None:
        return "beyond all calendars"
    return f"{found.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def iso(at: float) -> str:
    """Return an instant in UTC as `<time datetime>` expects it: 2026-11-21T08:00:00.000Z."""
    found = _utc(at)
    if found is None:
        return "beyond all calendars"
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(at: float) -> datetime | None:
    """Return an instant as a datetime; None for one that no calendar of Python holds."""
    try:
        found = datetime.fromtimestamp(at, UTC)
        found.astimezone()  # Fails near the limits, where the local time is another year.
    except (OverflowError, ValueError, OSError):
        return None
    return found


def _rounded(amount: float) -> str:
    """Round to one decimal below ten, without a trailing zero, else to a whole number."""
    if round(amount, 1) < _ONE_DECIMAL_BELOW:
        return f"{amount:.1f}".removesuffix(".0")
    return f"{amount:.0f}"


def error_line(message: str | None) -> str:
    """Return the line of a failure's message that says what went wrong.

    In a traceback that is the first line behind the frames of the last exception: more lines of its
    message, its notes, and the members of a group follow. Of any other message it is the first.
    """
    text = message or ""
    lines = text.strip().splitlines()
    tracebacks = [*_TRACEBACK.finditer(text)]
    frames = [number for number, one in enumerate(lines) if one.startswith('  File "')]
    if tracebacks:
        found = _first_outside(text[tracebacks[-1].end() :].splitlines())
    else:  # The beginning of a long traceback may be missing.
        found = _first_outside(lines[frames[-1] :] if frames else lines)
    return found or (lines[0].strip() if lines else "")


def _first_outside(lines: Sequence[str]) -> str:
    """Return the first line that is no frame or source line of a traceback, or ""."""
    shown = (one.removeprefix("  | ") for one in lines)
    return next((one.strip() for one in shown if one.strip() and not one.startswith("  ")), "")
