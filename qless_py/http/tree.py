"""The jobs around a job: those it depends on, and those that depend on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from qless_py.client.client import Client
from qless_py.client.job import Job

_MOST: Final = 200


def around(client: Client, job: Job, depth: int) -> dict[str, Any]:
    """Return up to 200 jobs within `depth` steps, and the edges between them.

    Jobs that are gone have no state. `complete` is false if some were left out.
    """
    jobs: dict[str, Job | None] = {job.jid: job}
    edges: dict[tuple[str, str], None] = {}
    is_complete = True
    rings = [(job.jid, "up"), (job.jid, "down")]
    for _ in range(depth):
        further: list[tuple[str, str]] = []
        for jid, way in rings:
            one = jobs[jid]
            if one is None:
                continue
            for other in one.parents if way == "up" else one.dependents:
                edge = (other, jid) if way == "up" else (jid, other)
                if other in jobs or len(jobs) + len(further) < _MOST:
                    edges[edge] = None
                    further += [] if other in jobs else [(other, way)]
                else:
                    is_complete = False
        missing = list(dict.fromkeys(jid for jid, _ in further))
        jobs |= dict.fromkeys(missing) | _read(client, missing)
        rings = further
    at_the_rim = [one for jid, way in rings if (one := jobs[jid]) and _goes_on(one, way, jobs)]
    return {"jobs": jobs, "edges": list(edges), "complete": is_complete and not at_the_rim}


def _goes_on(one: Job, way: str, jobs: dict[str, Job | None]) -> bool:
    return any(jid not in jobs for jid in (one.parents if way == "up" else one.dependents))


def _read(client: Client, jids: Iterable[str]) -> dict[str, Job]:
    return {
        job.jid: job for job in client.jobs.get(list(jids), data_limit=0) if isinstance(job, Job)
    }
