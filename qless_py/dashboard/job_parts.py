"""What the page of a job shows beside its fields: its timeline, its family, and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from qless_py.client import tree
from qless_py.client.attempts import Past, Phase
from qless_py.client.humanize import plural
from qless_py.client.job import Job
from qless_py.dashboard import graph
from qless_py.dashboard.context import client, link
from qless_py.dashboard.graph import Node

# States in which no worker has the data, and the job has not ended for good.
EDITABLE: Final = frozenset({"waiting", "stalled", "throttled", "scheduled", "depends", "failed"})
_MAX_NODES: Final = 30
_MAX_FAN: Final = 10  # Parents or dependents of one job; more make a graph too high to look at.
_DEPTH: Final = 2  # Steps from the job in both directions.
_MAX_PERIODS: Final = 60
_NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "waited": ("waited", "waiting"),
    "delayed": ("delayed", "retry"),
    "depends": ("waited for other jobs", "throttled"),
    "failed": ("stayed failed", "idle"),
}
_PERCENT: Final = 100
_DONE_KEYS: Final = ("done", "current", "completed", "processed")


def periods(past: Past) -> list[tuple[str, str, float]]:
    """Return the newest phases as label, kind and seconds, for the macro `timeline`."""
    return [(*_period(one), one.duration) for one in past.phases[-_MAX_PERIODS:]]


def _period(phase: Phase) -> tuple[str, str]:
    if phase.kind != "ran":
        return _NAMES[phase.kind]
    if phase.outcome in {"running", "completed"}:
        return "ran", "running"
    is_good = phase.outcome in {"finished by hand", "released", "snoozed", "backed off"}
    return f"ran ({phase.outcome})", "running" if is_good else "failed"


@dataclass(frozen=True, slots=True)
class Family:
    """The jobs around a job.

    `states` holds the state of each by its jid, "gone" for one that does not exist any more.
    """

    svg: Markup
    states: Mapping[str, str]
    classes: Mapping[str, str]
    edges: list[tuple[str, str]]
    is_complete: bool

    def parents(self, jid: str) -> list[str]:
        """Return the jobs that a job waits or waited for, as far as they are known."""
        return [parent for parent, child in self.edges if child == jid]

    def dependents(self, jid: str) -> list[str]:
        """Return the jobs that wait for a job, as far as they are known."""
        return [child for parent, child in self.edges if parent == jid]


def family(job: Job) -> Family | None:
    """Return the jobs that a job depends on and that depend on it; None without any."""
    if not job.parents and not job.dependents:
        return None
    found = tree.around(client(), job, _DEPTH, _MAX_NODES, _MAX_FAN)
    jobs, edges = found["jobs"], found["edges"]
    nodes = [_node(jid, one, is_current=jid == job.jid) for jid, one in jobs.items()]
    for side, all_of_it in (("up", job.parents), ("down", job.dependents)):
        if hidden := sum(jid not in jobs for jid in all_of_it):
            key = f"{side} of the rest"  # No jid contains spaces.
            nodes.append(Node(key, f"{plural(hidden, 'more job')}"))
            edges.append((key, job.jid) if side == "up" else (job.jid, key))
    return Family(
        graph.draw(nodes, edges, f"Jobs around {job.jid}"),
        {jid: "gone" if one is None else one.state for jid, one in jobs.items()},
        {jid: "" if one is None else one.klass_name for jid, one in jobs.items()},
        [edge for edge in edges if set(edge) <= jobs.keys()],
        found["complete"],
    )


def _node(jid: str, job: Job | None, *, is_current: bool) -> Node:
    if job is None:
        return Node(jid, jid, "gone", title=f"{jid}: gone")
    name = job.klass_name.rpartition(".")[2] or job.klass_name
    state = job.state
    return Node(
        jid, name, f"{state} · {jid}", state, link("job", jid=jid),
        f"{job.klass_name} {jid}: {state}", is_current,
    )  # fmt: skip


def share(progress: Any) -> float | None:
    """Return how much of a job is done, from 0 to 1, if its progress says so.

    That is a number up to 1, a percentage, or a map with a number that is done and a total.
    """
    if isinstance(progress, Mapping):
        done = next((progress[key] for key in _DONE_KEYS if key in progress), None)
        return _quotient(done, progress.get("total"))
    if not _is_number(progress):
        return None
    return _quotient(progress, 1 if progress <= 1 else _PERCENT)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quotient(done: Any, total: Any) -> float | None:
    """Return done / total, if both are numbers and it is at most 1."""
    if not _is_number(done) or not _is_number(total) or not total > 0:
        return None
    return done / total if 0 <= done <= total else None
