"""`qless-py stats`: how many jobs there were, how long they waited and ran."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import QUEUE, SPAN
from qless_py.client.client import Client
from qless_py.client.humanize import duration, exact_duration, local_time, percent
from qless_py.overview import statistics
from qless_py.protocol.options import Resolution
from qless_py.protocol.stats import Sample, merged, percentile

_DAY: Final = 86400
_MINUTES_OF_KLASSES: Final = 4 * 3600
_COUNTED: Final = ("put", "popped", "completed", "failed", "retried", "stalled")


@command(
    "stats",
    examples=(
        "qless-py stats",
        "qless-py stats mail --day 2026-11-20",
        "qless-py stats mail --last 2h --series --json",
        "qless-py stats --by klass --last 1d",
    ),
)
@click.argument("queues", nargs=-1, type=QUEUE, metavar="[QUEUE]...")
@click.option(
    "--by",
    type=click.Choice(["queue", "klass"]),
    default="queue",
    help="Of queues, or of klasses over all queues.",
)
@click.option("--klass", "klasses", multiple=True, help="Only this klass. May be repeated.")
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day (UTC), by default today.",
)
@click.option(
    "--last", type=SPAN, default=3600.0, help="Recent counts of this time, by default 1h."
)
@click.option("--series", is_flag=True, help="Show each minute of it, or ten beyond a day.")
@pass_cli
def stats(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    queues: tuple[str, ...],
    *,
    by: str,
    klasses: tuple[str, ...],
    day: dt.datetime | None,
    last: float,
    series: bool,
) -> None:
    """Show statistics of queues, by default of all, or of klasses.

    For a day: how many jobs waited and ran, and how long. For the last hour: counts, and the 50th,
    95th and 99th percentile of the waiting and running times. Klasses have no statistics of a day.
    """
    if by == "klass" or klasses:
        if queues or day:
            raise click.UsageError("statistics of klasses are over all queues, and of no day")
        _show_klasses(cli, klasses, last, series=series)
        return
    names = queues or tuple(row["name"] for row in cli.client.queues.counts)
    answer = [_of_queue(cli.client, name, day, last) for name in names]
    if not series:
        for one in answer:
            del one["series"]

    def show() -> None:
        _show_days(cli, answer)
        cli.out.line()
        _show_recent(cli, answer, last, "queue")
        _show_series(cli, answer, "queue", depth=True)

    cli.out.answer({"queues": answer}, show)


def _show_klasses(cli: CliContext, names: Sequence[str], last: float, *, series: bool) -> None:
    now = time.time()
    resolution: Resolution = "minute" if last <= _MINUTES_OF_KLASSES else "ten"
    answer = []
    for name in names or statistics.klass_names(cli.client):
        samples = cli.client.stats.klass_series(name, now - last, now, resolution)
        more = {"series": samples} if series else {}
        answer.append({"klass": name, "recent": _summary(samples), **more})

    def show() -> None:
        _show_recent(cli, answer, last, "klass")
        _show_series(cli, answer, "klass", depth=False)

    cli.out.answer({"klasses": answer}, show)


def _show_series(
    cli: CliContext, answer: Sequence[dict[str, Any]], kind: str, *, depth: bool
) -> None:
    columns = ("at", *_COUNTED, *(("depth",) if depth else ()))
    for one in answer:
        if "series" in one:
            cli.out.line(f"\n{one[kind]}")
            rows = (
                (local_time(s["at"]), *(s[name] for name in columns[1:])) for s in one["series"]
            )
            cli.out.table(columns, list(rows))


def _of_queue(client: Client, name: str, day: dt.datetime | None, last: float) -> dict[str, Any]:
    queue, now = client.queues[name], time.time()
    samples = queue.series(now - last, now, "minute" if last <= _DAY else "ten")
    return {
        "queue": name,
        "day": queue.stats(day.date() if day else None),
        "recent": _summary(samples),
        "series": samples,
    }


def _summary(samples: Sequence[Sample]) -> dict[str, Any]:
    answer: dict[str, Any] = {name: sum(s[name] for s in samples) for name in _COUNTED}
    ended = answer["completed"] + answer["failed"]
    answer["failure_rate"] = answer["failed"] / ended if ended else None
    for kind in ("wait", "run"):
        histogram = merged(s[kind] for s in samples)
        answer[kind] = {f"p{share}": percentile(histogram, share / 100) for share in (50, 95, 99)}
    return answer


def _show_days(cli: CliContext, answer: list[dict[str, Any]]) -> None:
    rows = []
    for one in answer:
        day = one["day"]
        rows.append(
            (
                one["queue"],
                *(cell for kind in ("wait", "run") for cell in _times(day[kind])),
                day["failures"],
                day["failed"],
                day["retries"],
            )
        )
    columns = ("queue", "waited", "mean", "std", "ran", "mean", "std")
    cli.out.table((*columns, "failures", "still failed", "retries"), rows)


def _times(times: Any) -> tuple[int, str, str]:
    if not times["count"]:
        return 0, "", ""
    return times["count"], duration(times["mean"]), duration(times["std"])


def _show_recent(cli: CliContext, answer: Sequence[dict[str, Any]], last: float, kind: str) -> None:
    rows = [
        (
            one[kind],
            *(one["recent"][name] for name in _COUNTED),
            percent(one["recent"]["failure_rate"], ""),
            *(_three(one["recent"][kind]) for kind in ("wait", "run")),
        )
        for one in answer
    ]
    cli.out.line(f"Last {exact_duration(last)}; waited and ran: p50, p95, p99")
    cli.out.table((kind, *_COUNTED, "failure rate", "waited", "ran"), rows)


def _three(values: dict[str, float]) -> str:
    return " ".join(duration(value) for value in values.values()) if any(values.values()) else ""
