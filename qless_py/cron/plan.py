"""Which ticks of a cron expression the store is told: some ahead, without a gap between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from qless_py.cron.cron import Cron

AHEAD: Final = 128
"""How many ticks are stored ahead; the server asks for more when fewer than 96 are left."""

_MARGIN: Final = 60_000  # By how much the clock of the server may be behind that of the client.


@dataclass(frozen=True, slots=True)
class Plan:
    """All ticks after an instant, up to the last one; `final` tells that there are no others."""

    after: int
    ticks: list[int]
    final: bool


def following(
    cron: Cron, after: int, count: int, start: int | None = None, end: int | None = None
) -> Plan:
    """Give that many ticks after an instant; times in ms."""
    since = after if start is None else max(after, start - 1)
    ticks = list(islice(_until(cron, since, end), count))
    return Plan(after, ticks, final=len(ticks) < count)


def upcoming(cron: Cron, now: int, start: int | None = None, end: int | None = None) -> Plan:
    """Give the ticks from now on, and a few before: the clock of the server may be behind."""
    after = max(now - _MARGIN, 0)
    before = len(following(cron, after, AHEAD, start, min(now, now if end is None else end)).ticks)
    return following(cron, after, before + AHEAD, start, end)


def _until(cron: Cron, since: int, end: int | None) -> Iterator[int]:
    for at in cron.after(since / 1000):
        if end is not None and 1000 * at > end:
            return
        yield 1000 * at
