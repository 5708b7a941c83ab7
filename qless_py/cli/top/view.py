"""Draw a picture: a head, alerts, one of four tables, and the keys; as high as the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qless_py.cli.output import safe
from qless_py.cli.top.picture import Picture, Rates, Running
from qless_py.client.humanize import duration, plural
from qless_py.overview import alerts, workers
from qless_py.overview.snapshot import count
from qless_py.protocol.reservers import fits

TABS: Final = ("queues", "workers", "running", "failures")
_MAX_ALERTS: Final = 3
_WIDE: Final = 100
_THOUSAND: Final = 1000
_UNITS: Final = {"k": 1e3, "M": 1e6, "G": 1e9}
_SHORT: Final = 100_000
_STYLES: Final = {"bad": "bold red", "warn": "yellow", "info": "dim"}
_KEYS: Final = "q quit  p pause  s sort  / filter  tab next view  ↑↓ scroll"


@dataclass(slots=True)
class State:
    """What the user has chosen."""

    tab: str = "queues"
    sorts: dict[str, int] = field(default_factory=dict)
    filter: str = ""
    offset: int = 0
    is_paused: bool = False
    is_typing: bool = False

    def sort(self, names: Sequence[str]) -> str:
        """Return the name of the order of the current table."""
        return names[self.sorts.get(self.tab, 0) % len(names)]


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when the store has not answered, and with what error."""

    since: float
    error: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A table before it is cut.

    `numbers` are the positions of columns with numbers, `ratios` how columns share what is left of
    the width.
    """

    columns: Sequence[str]
    numbers: frozenset[int]
    ratios: Mapping[int, int]
    rows: list[tuple[Any, ...]]


def short(number: float) -> str:
    """Return a count in at most six characters."""
    if number < _SHORT:
        return f"{number:,.0f}"
    unit = next((one for one in ("k", "M") if number < _THOUSAND * _UNITS[one]), "G")
    number /= _UNITS[unit]
    return f"{number:.0f}{unit}" if number >= 100 else f"{number:.1f}{unit}"  # noqa: PLR2004


def rate(value: float) -> str:
    """Return a number per second."""
    if not value:
        return "0"
    if value < 0.1:  # noqa: PLR2004 - two digits
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else short(value)  # noqa: PLR2004


# The orders of each table, with what they sort by; the first is the default.
_Key = Callable[[Picture, Any], Any]
_QUEUE_ORDERS: Final[Mapping[str, _Key]] = {
    "activity": lambda _, row: -(count(row, "waiting") + count(row, "running")),
    "oldest": lambda picture, row: -(picture.snapshot.heads.get(row["name"]) or 0.0),
    "failed": lambda picture, row: -picture.rates.get(row["name"], Rates()).failures,
    "done/s": lambda picture, row: -picture.rates.get(row["name"], Rates()).completed,
    "waiting": lambda _, row: -count(row, "waiting"),
    "running": lambda _, row: -count(row, "running"),
    "name": lambda _, row: row["name"],
}
_WORKER_ORDERS: Final[Mapping[str, _Key]] = {
    "busy": lambda _, row: -row["jobs"],
    "seen": lambda _, row: -(row["seen_at"] or 0.0),
    "name": lambda _, row: row["name"],
}
_RUNNING_ORDERS: Final[Mapping[str, _Key]] = {
    "longest": lambda _, row: -row.elapsed,
    "newest": lambda _, row: row.elapsed,
    "klass": lambda _, row: row.job.klass,
    "queue": lambda _, row: row.queue,
    "worker": lambda _, row: row.job.worker,
}
_FAILURE_ORDERS: Final[Mapping[str, _Key]] = {
    "jobs": lambda _, row: -row[1],
    "group": lambda _, row: row[0],
}
_ORDERS: Final = {
    "queues": _QUEUE_ORDERS, "workers": _WORKER_ORDERS, "running": _RUNNING_ORDERS,
    "failures": _FAILURE_ORDERS,
}  # fmt: skip


def orders(tab: str) -> list[str]:
    """Return the names of the orders of a table."""
    return list(_ORDERS[tab])


def _matches(text: str, *names: str) -> bool:
    """Return whether one of the names holds the text or, if it has a star, fits it."""
    if not text:
        return True
    wanted = text.lower()
    if "*" in wanted:
        return any(fits(wanted, name.lower()) for name in names)
    return any(wanted in name.lower() for name in names)


def table(picture: Picture, state: State, width: int) -> Rows:
    """Return all rows of the chosen table, filtered and sorted."""
    key = _ORDERS[state.tab][state.sort(orders(state.tab))]

    def chosen(rows: Iterable[Any], names: Callable[[Any], tuple[str, ...]]) -> list[Any]:
        kept = [row for row in rows if _matches(state.filter, *names(row))]
        return sorted(kept, key=lambda row: key(picture, row))

    current = picture.snapshot
    if state.tab == "queues":
        return _queues(picture, chosen(current.queues, lambda row: (row["name"],)), width)
    if state.tab == "workers":
        return _workers(picture, chosen(current.workers, lambda row: (row["name"],)), width)
    if state.tab == "running":
        found = chosen(picture.running, lambda row: (row.job.klass, row.queue, row.job.worker))
        return _running(found, width)
    groups = chosen(current.failures.items(), lambda row: (row[0],))
    shown: list[tuple[Any, ...]] = [(short(number), safe(name)) for name, number in groups]
    return Rows(("jobs", "group"), frozenset({0}), {1: 1}, shown)


def _queues(picture: Picture, rows: Sequence[Any], width: int) -> Rows:
    states = ["waiting", "running", "scheduled"]
    states += ["stalled", "depends", "throttled"] if width >= _WIDE else []
    shown = []
    for row in rows:
        rates = picture.rates.get(row["name"], Rates())
        age = picture.snapshot.heads.get(row["name"])
        style = "dim" if row["paused"] else "yellow" if age and age >= alerts.STUCK_AFTER else ""
        name = f"{row['name']} (paused)" if row["paused"] else row["name"]
        shown.append(
            (
                Text(name, style=style),
                *(short(count(row, one)) for one in states),
                short(rates.failures),
                rate(rates.put),
                rate(rates.completed),
                duration(age, ""),
            )
        )
    names = ["sched." if one == "scheduled" and width < _WIDE else one for one in states]
    columns = ("queue", *names, "failed", "put/s", "done/s", "oldest")
    return Rows(columns, frozenset(range(1, len(columns))), {0: 1}, shown)


def _workers(picture: Picture, rows: Sequence[Any], width: int) -> Rows:
    del width
    jobs: dict[str, list[Running]] = {}
    for one in picture.running:
        jobs.setdefault(one.job.worker, []).append(one)
    shown = []
    for row in rows:
        info, held = row["info"], jobs.get(row["name"], [])
        seen = max(0.0, picture.at - (row["seen_at"] or picture.at))
        is_lost = seen > workers.LOST_AFTER
        state = "lost" if is_lost else str(info.get("state") or "running")
        slots = info.get("slots")
        busy = f"{info.get('busy', row['jobs'])}/{slots}" if slots else str(row["jobs"])
        text = f"{duration(held[0].elapsed)} {held[0].job.klass}" if held else ""
        more = f" +{len(held) - 1}" if len(held) > 1 else ""
        style = "bold red" if is_lost else ""
        shown.append(
            (Text(safe(row["name"]), style=style), state, busy, duration(seen), safe(text + more))
        )
    columns = ("worker", "state", "busy", "seen", "longest job")
    return Rows(columns, frozenset({2, 3}), {0: 2, 4: 3}, shown)


def _running(rows: Sequence[Running], width: int) -> Rows:
    is_wide = width >= _WIDE
    shown = []
    for one in rows:
        limit = one.job.hard_limit
        style = "yellow" if limit and one.elapsed > 0.8 * limit else ""
        worker = (safe(one.job.worker),) if is_wide else ()
        shown.append(
            (
                Text(duration(one.elapsed), style=style),
                safe(one.job.klass),
                safe(one.queue),
                one.job.jid,
                *worker,
            )
        )
    columns = ("for", "class", "queue", "jid", *(("worker",) if is_wide else ()))
    return Rows(columns, frozenset({0}), {1: 3, 2: 2, 4: 2}, shown)


def head(picture: Picture, store: str, mode: str) -> list[Text]:
    """Return the lines above the table, without alerts."""
    current = picture.snapshot
    at = time.strftime("%H:%M:%S", time.localtime(picture.at))
    busy, slots = workers.worker_slots(current)
    rates = picture.total_rates
    totals = current.totals
    first = Text.assemble(("qless-py top", "bold"), f"  {store}  {at}  ", (mode, "cyan"))
    jobs = [
        f"{short(totals.get(name, 0))} {name}"
        for name in ("waiting", "running", "scheduled", "depends", "throttled", "stalled")
        if totals.get(name) or name in {"waiting", "running"}
    ]
    jobs.append(f"{short(sum(current.failures.values()))} failed")
    speed = (
        f"{plural(len(current.workers), 'worker')}, {busy}/{slots} slots busy  "
        f"put {rate(rates.put)}/s  done {rate(rates.completed)}/s  failed {rate(rates.failed)}/s"
    )
    return [first, Text("  ".join(jobs)), Text(speed)]


def alert_lines(picture: Picture, most: int = _MAX_ALERTS) -> list[Text]:
    """Return the worst alerts, one line each, and how many there are more."""
    found = list(picture.alerts)
    shown = [Text(safe(one.text), style=_STYLES[one.kind]) for one in found[:most]]
    if len(found) > most:
        shown[-1].append(f"  (and {len(found) - most} more)", style="dim")
    return shown


def outage_line(outage: Outage, picture: Picture | None) -> Text:
    """Return the line about a store that does not answer."""
    since = time.strftime("%H:%M:%S", time.localtime(outage.since))
    shown = "" if picture is None else ", old numbers"
    text = f"no answer since {since}{shown}: {safe(outage.error)}"
    return Text(text, style="bold white on red")


def as_table(found: Rows, rows: Sequence[tuple[Any, ...]], *, expand: bool) -> Table:
    """Return rows as a table of rich whose cells are cut and never folded."""
    made = Table(box=None, expand=expand, padding=(0, 1, 0, 0), header_style="bold")
    for at, name in enumerate(found.columns):
        made.add_column(
            name,
            justify="right" if at in found.numbers else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=found.ratios.get(at) if expand else None,
        )
    for row in rows:
        made.add_row(*row)
    return made


def screen(  # noqa: PLR0913 - all that it depends on
    picture: Picture | None,
    outage: Outage | None,
    state: State,
    size: tuple[int, int],
    *,
    store: str,
    interval: float,
) -> RenderableType:
    """Return what fills a terminal of this size; corrects the offset of the state."""
    width, height = size
    lines: list[Text] = []
    if outage is not None:
        lines.append(outage_line(outage, picture))
    if picture is None:
        return _cut([*lines, Text("" if outage else f"reading {store} …")], height)
    mode = "paused" if state.is_paused else f"every {duration(interval)}"
    lines = [*head(picture, store, mode), *lines]
    room = max(height - len(lines) - 4, 1)
    lines += alert_lines(picture, min(_MAX_ALERTS, room))
    found = table(picture, state, width)
    fitting = max(height - len(lines) - 3, 0)
    state.offset = max(0, min(state.offset, len(found.rows) - fitting))
    part = found.rows[state.offset : state.offset + fitting]
    made = as_table(found, part, expand=True)
    empty = fitting - len(part)
    tabs = _tabs(state, found, len(part))
    body: list[RenderableType] = [*map(_one_line, lines), _one_line(tabs)]
    if height > len(lines) + 1:
        body.append(made)
    body += [Text("")] * empty
    return Group(*body, _one_line(_foot(state)))


def _cut(lines: Sequence[Text], height: int) -> RenderableType:
    return Group(*map(_one_line, lines[:height]))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _tabs(state: State, found: Rows, shown: int) -> Text:
    line = Text()
    for name in TABS:
        line.append(f" {name} ", style="reverse" if name == state.tab else "dim")
    total = len(found.rows)
    first = state.offset + 1 if total else 0
    line.append(f"  {first}-{state.offset + shown} of {total}", style="dim")
    line.append(f"  by {state.sort(orders(state.tab))}", style="dim")
    if state.filter and not state.is_typing:
        line.append(f"  filter: {safe(state.filter)}", style="cyan")
    return line


def _foot(state: State) -> Text:
    if state.is_typing:
        return Text(f"filter: {safe(state.filter)}▏  (enter keeps it, esc clears it)", style="cyan")
    return Text(_KEYS, style="dim")


def once(picture: Picture, store: str, width: int, *, expand: bool) -> RenderableType:
    """Return all tables with all rows, one below the other."""
    state = State()
    parts: list[RenderableType] = [
        *head(picture, store, ""),
        *alert_lines(picture, len(picture.alerts)),
    ]
    for tab in TABS:
        state.tab = tab
        found = table(picture, state, width)
        if found.rows:
            parts += [Text(""), as_table(found, found.rows, expand=expand)]
    return Group(*parts)
