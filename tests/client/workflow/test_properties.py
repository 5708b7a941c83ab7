"""Random workflows with random failures: order of steps, one completion each, final state."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from qless_py import Client, Job
from qless_py.client.workflow import Workflow, WorkflowRun
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.conftest import Clock

POLICIES = ("wait", "fail", "cancel", "run")
GOOD, BAD, STUCK = "complete", "failed or canceled", "depends"
Graph = dict[str, dict[str, str]]

settings = hypothesis.settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
numbers = itertools.count()


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw steps, each with some of those before it as parents and the policies of the edges."""
    found: Graph = {}
    for at in range(draw(st.integers(1, 9))):
        parents = draw(st.sets(st.sampled_from(sorted(found)), max_size=3)) if found else set()
        found[f"s{at}"] = {one: draw(st.sampled_from(POLICIES)) for one in sorted(parents)}
    return found


def submit(client: Client, graph: Graph, order: list[str]) -> WorkflowRun:
    workflow = Workflow(f"w{next(numbers)}")
    for name in order:
        workflow.step(name, QUEUE, KLASS, after=graph[name])
    return client.workflows.submit(workflow)


def expected(graph: Graph, broken: set[str]) -> dict[str, str]:
    """Return how each step ends, by what the policies mean."""
    ends: dict[str, str] = {}
    for name, parents in graph.items():
        if any(ends[one] == BAD and parents[one] in {"fail", "cancel"} for one in parents):
            ends[name] = BAD
        elif any(
            ends[one] == STUCK or (ends[one] == BAD and parents[one] == "wait") for one in parents
        ):
            ends[name] = STUCK
        else:
            ends[name] = BAD if name in broken else GOOD
    return ends


def states(run: WorkflowRun) -> dict[str, str]:
    status = run.status
    assert status is not None
    named = {"failed": BAD, "canceled": BAD}
    return {name: named.get(one["state"], one["state"]) for name, one in status["steps"].items()}


def assert_in_order(graph: Graph, log: list[tuple[str, str]], ends: dict[str, str]) -> None:
    """Check that each step ran once and after its parents, by their policies."""
    at = {name: number for number, (name, _) in enumerate(log)}
    assert len(at) == len(log)
    for name, outcome in log:
        for parent, policy in graph[name].items():
            if parent in at:
                assert at[parent] < at[name]
            if policy != "run":
                assert ends[parent] == GOOD
            assert ends[parent] in {GOOD, BAD}
        assert outcome == ("complete" if ends[name] == GOOD else "failed")


@settings
@hypothesis.given(st.data())
def test_steps_run_by_their_policies_once_each_and_a_retry_completes_the_rest(
    client: Client, data: st.DataObject
) -> None:
    graph = data.draw(graphs())
    broken = data.draw(st.sets(st.sampled_from(sorted(graph)), max_size=3))
    size = data.draw(st.integers(1, 4))
    order = data.draw(st.permutations(sorted(graph)))
    crew = Crew(client, fails=lambda name: name in broken, size=size)
    run = submit(client, graph, order)

    crew.run()

    ends = expected(graph, broken)
    assert states(run) == ends
    assert_in_order(graph, crew.log, ends)

    done = list(crew.completed)
    broken.clear()
    run.retry()
    crew.run()

    assert states(run) == dict.fromkeys(graph, GOOD)
    assert sorted(crew.completed) == sorted(graph)
    assert crew.completed[: len(done)] == done
    again = [one for one in crew.log if one[1] == "complete"][len(done) :]
    at = {name: number for number, (name, _) in enumerate(again)}
    for name, number in at.items():
        for parent, policy in graph[name].items():
            # An edge that lets run is met for good by the first end of its parent.
            if parent in at and (policy != "run" or ends[parent] != BAD):
                assert at[parent] < number


@settings
@hypothesis.given(st.data())
def test_canceled_at_any_time_nothing_is_left_that_runs_or_waits(
    client: Client, data: st.DataObject
) -> None:
    graph = data.draw(graphs())
    broken = data.draw(st.sets(st.sampled_from(sorted(graph)), max_size=2))
    sizes = data.draw(st.lists(st.integers(1, 3), max_size=5))
    held = data.draw(st.integers(0, 2))
    # Nothing is drawn from here on: an example that is given up would leave its jobs behind.
    crew = Crew(client, fails=lambda name: name in broken)
    run = submit(client, graph, sorted(graph))
    for size in sizes:
        crew.once(size)
    client.queues[QUEUE].pop(held or None)

    run.cancel()

    assert set(states(run).values()) <= {GOOD, BAD}
    left = client.jobs.tagged(run.tag, 0, 100)["jobs"]
    assert {client.jobs[jid].state for jid in left} <= {"complete"}  # type: ignore[union-attr]
    assert crew.run() == []


FATES = ("complete", "fail", "cancel", "die")
CALLBACKS = ("on_success", "on_complete", "on_failure")


@dataclass
class Tree:
    """Batches, each within one before it or within none, and what becomes of the members."""

    around: list[int | None]
    fates: list[list[str]]
    closed_early: set[int]

    def has(self, at: int, fates: set[str]) -> bool:
        """Return whether a member of the batch, or of one within it, ends like that."""
        inner = [one for one, outer in enumerate(self.around) if outer == at]
        return bool(fates & set(self.fates[at])) or any(self.has(one, fates) for one in inner)

    def calls(self, at: int, *, has_come_back: bool) -> dict[str, int]:
        """Return which call-backs must have come, before and after what failed has come back."""
        has_failed = self.has(at, {"fail", "die"})
        is_good = not self.has(at, {"cancel"}) and (has_come_back or not has_failed)
        known = {"on_success": is_good, "on_complete": True, "on_failure": has_failed}
        return {which: 1 for which, comes in known.items() if comes}


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    number = draw(st.integers(1, 4))
    around = [draw(st.none() | st.integers(0, at - 1)) if at else None for at in range(number)]
    fates = [draw(st.lists(st.sampled_from(FATES), max_size=3)) for _ in range(number)]
    return Tree(around, fates, draw(st.sets(st.integers(0, number - 1))))


def callbacks(client: Client, prefix: str, at: int) -> dict[str, int]:
    """Count how often each call-back of a batch was put."""
    jobs = {which: client.jobs[f"{prefix}{at}-{which}"] for which in CALLBACKS}
    return {
        which: sum(1 for entry in job.history if entry["what"] == "put")
        for which, job in jobs.items()
        if isinstance(job, Job)
    }


def open_all(client: Client, tree: Tree, prefix: str) -> None:
    """Open the batches and put their members; the inner ones first are closed at the end."""
    for at, outer in enumerate(tree.around):
        callbacks: dict[str, Any] = {
            which: {"queue": QUEUE, "klass": KLASS, "jid": f"{prefix}{at}-{which}"}
            for which in CALLBACKS
        }
        within = None if outer is None else f"{prefix}{outer}"
        client.batch(f"{prefix}{at}", within=within, **callbacks)
    for at, fates in enumerate(tree.fates):
        for number, fate in enumerate(fates):
            jid = f"{prefix}{at}-{number}-{fate}"
            client.batches[f"{prefix}{at}"].put(QUEUE, KLASS, jid=jid, retries=0)
    for at in tree.closed_early:
        client.batches[f"{prefix}{at}"].close()


def end_all(client: Client, clock: Clock) -> Crew:
    """End each member as drawn and complete each callback."""
    for job in client.queues[QUEUE].pop(100):
        fate = job.jid.rpartition("-")[2]
        if fate == "cancel":
            job.cancel()
        elif fate == "fail":
            job.fail("broke", "it broke")
        elif fate != "die":
            job.complete()
    clock.advance(1000)
    crew = Crew(client)
    crew.run()
    return crew


@hypothesis.settings(settings, max_examples=25)
@hypothesis.given(tree=trees())
def test_callbacks_come_once_whatever_becomes_of_the_members(
    client: Client, clock: Clock, tree: Tree
) -> None:
    client.config["grace-period"] = 0
    prefix = f"b{next(numbers)}-"
    open_all(client, tree, prefix)
    crew = end_all(client, clock)
    for at in reversed(range(len(tree.around))):
        client.batches[f"{prefix}{at}"].close()
        crew.run()

    for at in range(len(tree.around)):
        assert callbacks(client, prefix, at) == tree.calls(at, has_come_back=False)

    for group in client.jobs.failed():
        client.unfail(group, QUEUE)
    crew.run()

    for at in range(len(tree.around)):
        assert callbacks(client, prefix, at) == tree.calls(at, has_come_back=True)
        status = client.batches[f"{prefix}{at}"].status
        assert status is not None
        assert (status["state"], status["failed"]) == ("finished", 0)
    assert_inner_first(tree, prefix, [name for name, _ in crew.log])


def assert_inner_first(tree: Tree, prefix: str, done: list[str]) -> None:
    """Check that a batch was over only after the call-backs of those within it."""
    for at, outer in enumerate(tree.around):
        last = f"{prefix}{outer}-on_complete"
        if outer is not None and last in done:
            mine = [f"{prefix}{at}-{one}" for one in ("on_complete", "on_failure")]
            assert all(done.index(one) < done.index(last) for one in mine if one in done)
