"""The ticks of a cron expression that are stored ahead of time, without gaps."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from qless_py.cron.cron import Cron

AHEAD: Final = 128
"""How many ticks are stored ahead. The server asks for more once fewer than 96 are left."""

_MARGIN: Final = 60_000  # The most that the server's clock may be behind the client's.


@dataclass(frozen=True, slots=True)
class Ticks:
    """All ticks from `after` up to the last of `ticks`, in ms; if `final`, no others follow."""

    after: int
    ticks: list[int]
    final: bool


def following(
    cron: Cron, after: int, count: int, start: int | None = None, end: int | None = None
) -> Ticks:
    """Return up to `count` ticks after an instant, between `start` and `end`; all in ms."""
    since = after if start is None else max(after, start - 1)
    ticks = list(islice(_until(cron, since, end), count))
    return Ticks(after, ticks, final=len(ticks) < count)


def upcoming(cron: Cron, now: int, start: int | None = None, end: int | None = None) -> Ticks:
    """Return the ticks from a minute ago on, since the server's clock may be behind; in ms."""
    after = max(now - _MARGIN, 0)
    before = len(following(cron, after, AHEAD, start, min(now, now if end is None else end)).ticks)
    return following(cron, after, before + AHEAD, start, end)


def _until(cron: Cron, since: int, end: int | None) -> Iterator[int]:
    for at in cron.after(since / 1000):
        if end is not None and 1000 * at > end:
            return
        yield 1000 * at
