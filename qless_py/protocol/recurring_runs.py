"""The last runs of recurring jobs, and what became of their children."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.protocol import jobs
from qless_py.protocol.call import Call
from qless_py.protocol.job_state import JobState, RecurringState
from qless_py.protocol.records import JobRecord, Record

SKIPPED: Final = "skipped"


@dataclass(frozen=True, slots=True)
class RecurringRun:
    """One run of a recurring job, and what became of the child that it put.

    `at` is its tick, or when it was started by hand; all times are Unix seconds. `state` is that of
    the child, or "" if the child is not kept any more. It is `skipped` where there is no child
    because the one before had not ended: then `ticks` in a row were skipped, the last one `at`.
    """

    at: float
    jid: str | None
    state: str
    started_at: float | None = None
    ended_at: float | None = None
    ticks: int = 1


def read(recurring: Sequence[RecurringState]) -> list[Call[list[Record | None]]]:
    """Read the children of the last runs of some recurring jobs; pass the replies to `decode`."""
    jids = [jid for one in recurring for jid, _, _ in _listed(one) if jid]
    return [jobs.read_many(some, 0) for some in jobs.in_hundreds(jids)]


def decode(
    recurring: Sequence[RecurringState], pages: Iterable[Sequence[Record | None]]
) -> list[list[RecurringRun]]:
    """Return the last runs of each of these recurring jobs, at most 20, newest first."""
    records = iter([one for page in pages for one in page])
    return [[_run(one, *run, records) for run in _listed(one)][::-1] for one in recurring]


def _listed(one: RecurringState) -> list[tuple[str | None, float, int]]:
    """Return the stored runs as (jid of the child, time, number of skipped ticks)."""
    found = []
    for number, at, *ticks in one.fields.get("runs") or ():
        jid = f"{one.jid}-{int(number)}" if number else None
        found.append((jid, at / 1000, int(ticks[0]) if ticks else 1))
    return found


def _run(
    one: RecurringState, jid: str | None, at: float, ticks: int, records: Iterator[Record | None]
) -> RecurringRun:
    if jid is None:
        return RecurringRun(at, None, SKIPPED, ticks=ticks)
    record = next(records)
    if not isinstance(record, JobRecord):
        return RecurringRun(at, jid, "")
    job = JobState(one.settings, record)
    ended_at = job.completed_at if job.state == "complete" else job.failed_at
    is_over = job.state in {"complete", "failed"}
    pops = [when / 1000 for what, when, *_ in record.history() if what == "popped"]
    started_at = pops[-1] if pops else None
    return RecurringRun(at, jid, job.state, started_at, ended_at if is_over else None)
