"""The time that a request for charts asks for: a range up to now, or any other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import request

from qless_py.dashboard import preferences
from qless_py.errors import BadArgumentError
from qless_py.overview.series import Range, find_range
from qless_py.overview.statistics import Span

_DAY: Final = 86400.0
COMPARISONS: Final = {"day": ("yesterday", _DAY), "week": ("last week", 7 * _DAY)}
"""With which earlier times a range can be compared: a label, and how long ago."""
_KEPT: Final = 14 * _DAY
_LEAST: Final = 2  # Rows of a range.


@dataclass(frozen=True, slots=True)
class Window:
    """A range that ends at `end`; `is_live` if that is now."""

    span: Range
    end: float
    is_live: bool = True
    error: str = ""

    @property
    def start(self) -> float:
        """Return where the range begins."""
        return self.end - self.span.seconds

    def local(self, at: float) -> str:
        """Return an instant as the value of a field for date and time."""
        return f"{datetime.fromtimestamp(at, preferences.current().time_zone):%Y-%m-%dT%H:%M}"

    def earlier(self, shift: float, now: float) -> tuple[Range, float] | None:
        """Return the same range some time ago, None if the store no longer has it."""
        if now - (self.start - shift) > _KEPT:
            return None
        span = Span.of(self.start - shift, self.end - shift, now)
        rounded = _whole(self.span.seconds, span.step)
        return Range(f"{self.span.name}-{shift:.0f}", rounded, span.step), self.end - shift


def requested(now: float) -> Window:
    """Return the range that the request asks for, the default one with an error if it is wrong."""
    recent = Window(find_range(request.args.get("range")), now)
    first, last = request.args.get("from", ""), request.args.get("to", "")
    if not first and not last:
        return recent
    try:
        start = _instant("from", first) if first else now - recent.span.seconds
        end = min(_instant("to", last), now) if last else now
        start = max(start, now - _KEPT)
        span = Span.of(start, end, now)
    except BadArgumentError as error:
        return Window(recent.span, now, error=str(error))
    seconds = _whole(max(end - start, _LEAST * span.step), span.step)
    return Window(Range(f"{start:.0f}-{end:.0f}", seconds, span.step), end, is_live=False)


def _whole(seconds: float, step: float) -> float:
    return -(-seconds // step) * step


def _instant(name: str, text: str) -> float:
    """Return the instant of a date with a time, in the time zone of the viewer by default."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"{name} must be a date and time like 2026-11-21T08:00, not {text[:40]!r}"
        raise BadArgumentError(message) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=preferences.current().time_zone)
    return found.timestamp()
