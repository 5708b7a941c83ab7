"""What a bulk action would do to jobs as they are now: how many it changes, which it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py.client import bulk
from qless_py.client.bulk import Action
from qless_py.client.humanize import number, plural
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.session import Session

_BUDGET: Final = 20_000  # Jobs of a search that are examined before the confirmation.
_SAMPLES: Final = 5
_HELD: Final = "needed by other jobs"


@dataclass(frozen=True, slots=True)
class Preview:
    """How many jobs an action would change, and how many it would refuse for which reason.

    `states` and `queues` count the jobs that it would change, `samples` are the first few of them.
    `is_all` is false if there were too many jobs to examine all of them.
    """

    changed: int
    refused: Mapping[str, int] = field(default_factory=dict)
    is_all: bool = True
    states: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    samples: Sequence[Job] = ()

    @property
    def examined(self) -> int:
        """How many jobs were examined."""
        return self.changed + sum(self.refused.values())

    @property
    def jobs(self) -> str:
        """The jobs that would be changed, such as "at least 20 jobs"."""
        changed = plural(self.changed, "job")
        return changed if self.is_all else f"at least {changed}"

    @property
    def refusals(self) -> str:
        """A sentence about the jobs that would be refused; empty without any."""
        total = sum(self.refused.values())
        if not total:
            return ""
        reasons = ", ".join(f"{number(count)} {why}" for why, count in self.refused.items())
        return f"{plural(total, 'other job')} will be refused: {reasons}."


def of_selected(session: Session, action: Action, jids: Sequence[str], missing: int = 0) -> Preview:
    """Return what an action would do to these jobs; `missing` further ones count as deleted."""
    given = Jobs(session).get(jids) if jids else []
    found = [job for job in given if isinstance(job, Job)]
    return _preview(action, found, missing + len(jids) - len(found))


def of_search(session: Session, action: Action, search: str) -> Preview:
    """Return what an action would do to the jobs that match a search."""
    found: list[Job] = []
    scanned, cursor = 0, None
    while scanned < _BUDGET:
        left = _BUDGET - scanned
        page = Jobs(session).search(search, limit=bulk.SLICE, cursor=cursor, budget=left)
        found += [job for job in page.jobs if not bulk.is_operation(job)]
        scanned, cursor = scanned + page.scanned, page.cursor
        if cursor is None:
            break
    return _preview(action, found, is_all=cursor is None)


def _preview(
    action: Action, jobs: Sequence[Job], missing: int = 0, *, is_all: bool = True
) -> Preview:
    reasons = _refusals(action, jobs)
    changed = [job for job in jobs if job.jid not in reasons]
    refused = Counter(sorted(reasons.values()))
    if missing:
        refused["deleted meanwhile"] = missing
    return Preview(
        len(changed),
        refused,
        is_all,
        dict(Counter(job.state for job in changed).most_common()),
        dict(Counter(job.queue_name or job.last_queue for job in changed).most_common()),
        changed[:_SAMPLES],
    )


def _refusals(action: Action, jobs: Sequence[Job]) -> dict[str, str]:
    """Return why the store would refuse jobs, by their jids."""
    reasons = {job.jid: job.state for job in jobs if not action.accepts(job)}
    if action.name == "cancel":
        reasons |= dict.fromkeys(_held(jobs, reasons), _HELD)
    return reasons


def _held(jobs: Sequence[Job], refused: Mapping[str, Any]) -> set[str]:
    """Return the jobs that stay since jobs depend on them which stay as well."""
    going = {job.jid for job in jobs} - set(refused)
    held: set[str] = set()
    while True:
        staying = {
            job.jid
            for job in jobs
            if job.jid in going and any(one not in going for one in job.dependents)
        }
        if not staying:
            return held
        held |= staying
        going -= staying
