"""Any workflow, with any failures: the order of its steps, one completion of each, and its end."""

from __future__ import annotations

import itertools

import hypothesis
import pytest
from hypothesis import strategies as st

from qless_py import Client
from qless_py.workflow import Workflow, WorkflowRun
from tests.workflow.crew import KLASS, QUEUE, Crew

POLICIES = ("wait", "fail", "cancel", "run")
GOOD, BAD, STUCK = "complete", "failed or canceled", "depends"
Graph = dict[str, dict[str, str]]

settings = hypothesis.settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
pytestmark = pytest.mark.timeout(120)
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
    """Say how each step ends, by what the policies mean."""
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
    """Check that each step came after its parents, as the policies say, and once."""
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
