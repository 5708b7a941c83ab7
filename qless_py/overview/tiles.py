"""The six numbers above the alerts: what runs, what waits, what fails, over a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.client.humanize import NOTHING, duration, number, percent, plural
from qless_py.overview import alerts
from qless_py.overview.series import MetricRow
from qless_py.overview.snapshot import Snapshot
from qless_py.overview.workers import live_workers, lost_workers, worker_slots

_MINUTE: Final = 60.0
_RATE_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its unit or context (`note`), and its course (`values`), the newest last.

    `kind` is that of an alert, "" if nothing is wrong; `total` names the live count that replaces
    the value; `colour` is that of the line; `view` and `target` are its link.
    """

    label: str
    value: str
    note: str
    values: Sequence[float | None]
    view: str
    target: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    total: str = ""
    colour: str = "put"


@dataclass(frozen=True, slots=True)
class Point:
    """How many jobs ran and how many workers lived at an instant."""

    at: float
    running: int
    workers: int


def point(snapshot: Snapshot) -> Point:
    """Return the counts of a snapshot of which the store keeps no course."""
    running = snapshot.totals.get("running", 0)
    return Point(snapshot.at, running, len(live_workers(snapshot)))


def find_tiles(
    snapshot: Snapshot, rows: Sequence[MetricRow], points: Sequence[Point]
) -> list[Tile]:
    """Return the tiles for a snapshot, the rows of the last hour, one a minute, and past counts."""
    return [
        _rate(snapshot, rows),
        _failures(rows),
        _oldest(snapshot, rows),
        _running(snapshot, points),
        _waiting(snapshot, rows),
        _workers(snapshot, points),
    ]


def _rate(snapshot: Snapshot, rows: Sequence[MetricRow]) -> Tile:
    # The newest row has just begun, so it counts for the time that has passed of it.
    seconds = _RATE_MINUTES * _MINUTE + snapshot.at % _MINUTE
    recent = rows[-_RATE_MINUTES - 1 :]
    ended = sum(row.completed + row.failed for row in recent)
    put = sum(row.put for row in recent)
    course = [(row.completed + row.failed) / _MINUTE for row in rows[:-1]]
    note = f"{number(put / seconds)} put"
    return Tile("Jobs per second", number(ended / seconds), note, course, "queues", colour="done")


def _failures(rows: Sequence[MetricRow]) -> Tile:
    failed, ended = alerts.failure_share(rows)
    value = percent(failed / ended) if ended else NOTHING
    course = [
        row.failed / (row.failed + row.completed) if row.failed + row.completed else None
        for row in rows[:-1]
    ]
    note = f"{number(failed)} in 15 min"
    kind = alerts.failure_kind(failed, ended)
    return Tile("Failure rate", value, note, course, "failures", kind=kind, colour="failed")


def _oldest(snapshot: Snapshot, rows: Sequence[MetricRow]) -> Tile:
    paused = {one["name"] for one in snapshot.queues if one["paused"]}
    ages = {name: age for name, age in snapshot.heads.items() if age and name not in paused}
    course = [row.head_age for row in rows]
    if not ages:
        return Tile("Oldest waiting", NOTHING, "", course, "queues", colour="warn")
    name = max(ages, key=lambda one: ages[one])
    kind = "warn" if ages[name] >= alerts.STUCK_AFTER else ""
    target = {"name": name}
    value = duration(ages[name])
    return Tile("Oldest waiting", value, name, course, "queue", target, kind, colour="warn")


def _running(snapshot: Snapshot, points: Sequence[Point]) -> Tile:
    running = snapshot.totals.get("running", 0)
    busy, slots = worker_slots(snapshot)
    kind = "warn" if slots and busy == slots and snapshot.totals.get("waiting", 0) > slots else ""
    note = f"{number(busy)} of {plural(slots, 'slot')} busy" if slots else ""
    course = [float(one.running) for one in points]
    target = {"q": "state:running"}
    return Tile("Running", number(running), note, course, "jobs", target, kind, "running", "done")


def _waiting(snapshot: Snapshot, rows: Sequence[MetricRow]) -> Tile:
    change = sum(row.put - row.completed - row.failed for row in rows)
    sign = "+" if change > 0 else "\u2212" if change < 0 else "\u00b1"
    note = f"{sign}{number(abs(change))} in 1 h"
    waiting = number(snapshot.totals.get("waiting", 0))
    course = [float(row.depth) for row in rows]
    return Tile("Waiting", waiting, note, course, "jobs", {"q": "state:waiting"}, total="waiting")


def _workers(snapshot: Snapshot, points: Sequence[Point]) -> Tile:
    live, lost = live_workers(snapshot), lost_workers(snapshot)
    quiet = sum(one["info"].get("state") == "quiet" for one in live)
    parts = [f"{number(count)} {word}" for count, word in ((quiet, "quiet"), (len(lost), "lost"))
             if count]  # fmt: skip
    is_missing = not live and snapshot.totals.get("waiting", 0) > 0
    kind = "bad" if lost or is_missing else ""
    course = [float(one.workers) for one in points]
    return Tile("Workers", number(len(live)), ", ".join(parts), course, "workers", kind=kind)
