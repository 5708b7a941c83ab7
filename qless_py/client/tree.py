"""The jobs around a job: those it depends on, and those that depend on it."""

from __future__ import annotations

from typing import Any, Final

from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.protocol import JobRecord, jobs

MOST: Final = 200


def around(
    client: Client, job: Job, depth: int, most: int = MOST, fan: int | None = None
) -> dict[str, Any]:
    """Return up to `most` jobs within `depth` steps, and the edges between them.

    Jobs that are gone have no state, and others no data. `complete` is false if some were left out.
    Of each job at most `fan` parents or dependents are followed.
    """
    found: dict[str, Job | None] = {job.jid: job}
    edges: dict[tuple[str, str], None] = {}
    is_complete = True
    rings = [(job.jid, "up"), (job.jid, "down")]
    for _ in range(depth):
        further: list[tuple[str, str]] = []
        for jid, way in rings:
            one = found[jid]
            if one is None:
                continue
            others = one.parents if way == "up" else one.dependents
            shown = others[:fan]
            is_complete = is_complete and len(shown) == len(others)
            for other in shown:
                edge = (other, jid) if way == "up" else (jid, other)
                if other in found or len(found) + len(further) < most:
                    edges[edge] = None
                    further += [] if other in found else [(other, way)]
                else:
                    is_complete = False
        missing = list(dict.fromkeys(jid for jid, _ in further))
        found |= dict.fromkeys(missing) | _read(client, missing)
        rings = further
    at_the_rim = [one for jid, way in rings if (one := found[jid]) and _goes_on(one, way, found)]
    return {"jobs": found, "edges": list(edges), "complete": is_complete and not at_the_rim}


def _goes_on(one: Job, way: str, found: dict[str, Job | None]) -> bool:
    return any(jid not in found for jid in (one.parents if way == "up" else one.dependents))


def _read(client: Client, jids: list[str]) -> dict[str, Job]:
    found = {}
    for names in jobs.in_hundreds(jids):
        for record in client.run(jobs.read_many(names, 0)):
            if isinstance(record, JobRecord):
                found[record.jid] = Job(client, record)
    return found
