"""Several processes submit, retry and cancel one workflow while it runs, call by call."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st

from qless_py import Client
from qless_py.client.session import Calls
from qless_py.client.workflow import Workflow, plan
from qless_py.client.workflow import retry as retrying
from qless_py.client.workflow import status as looking
from qless_py.client.workflow import submit as submitting
from qless_py.errors import QlessError
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.client.workflow.test_properties import Graph, graphs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
numbers = itertools.count()


class Actor:
    """One process: makes its calls one at a time, and may stop at any of them."""

    def __init__(self, client: Client, calls: Calls[Any]) -> None:
        self._client = client
        self._calls = calls
        self._call = next(calls)
        self.is_done = False

    def step(self) -> None:
        """Make one call, if any is left."""
        if self.is_done:
            return
        try:
            try:
                reply = self._client.run(self._call)
            except QlessError as error:
                self._call = self._calls.throw(error)
            else:
                self._call = self._calls.send(reply)
        except (StopIteration, QlessError):
            self.is_done = True


def workflow(name: str, graph: Graph) -> Workflow:
    made = Workflow(name)
    for step, after in graph.items():
        made.step(step, QUEUE, KLASS, after=after)
    return made


def begin(client: Client, kind: str, made: Workflow) -> Actor:
    keys = plan.names(made.name)
    if kind == "submit":
        return Actor(client, submitting.submit(client.settings, made))
    return Actor(client, retrying.retry(keys) if kind == "retry" else looking.cancel(keys))


def act(client: Client, made: Workflow, crew: Crew, kinds: list[str], moves: list[int]) -> None:
    """Have the actors and the simulated worker make one move each, in the order drawn."""
    actors = [begin(client, kind, made) for kind in kinds]
    for move in moves:
        if move < len(actors):
            actors[move].step()
            if actors[move].is_done and kinds[move] == "retry":
                actors[move] = begin(client, "retry", made)
        else:
            crew.once(1)


def crew_of(client: Client, broken: set[str]) -> Crew:
    """Return a crew that fails these steps the first time."""

    def fails(name: str) -> bool:
        found = name in broken
        broken.discard(name)
        return found

    return Crew(client, fails=fails)


@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@hypothesis.given(
    graph=graphs(),
    broken=st.sets(st.sampled_from([f"s{at}" for at in range(9)]), max_size=3),
    moves=st.lists(st.integers(0, 4), max_size=60),
)
def test_every_step_completes_once_whoever_submits_and_retries_meanwhile(
    client: Client, graph: Graph, broken: set[str], moves: list[int]
) -> None:
    made = workflow(f"i{next(numbers)}", graph)
    crew = crew_of(client, set(broken))

    act(client, made, crew, ["submit", "submit", "retry", "retry"], moves)
    run = client.workflows.submit(made)
    crew.run()
    while run.retry():
        crew.run()
    crew.run()

    assert run.status is not None
    assert (run.status["state"], run.status["counts"]) == ("complete", {"complete": len(graph)})
    assert sorted(crew.completed) == sorted(graph)
    at = {name: number for number, name in enumerate(crew.completed)}
    for name, number in at.items():
        for parent, policy in graph[name].items():
            assert policy == "run" or at[parent] < number


@hypothesis.settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@hypothesis.given(
    graph=graphs(),
    broken=st.sets(st.sampled_from([f"s{at}" for at in range(9)]), max_size=3),
    moves=st.lists(st.integers(0, 4), max_size=60),
)
def test_a_canceled_workflow_stays_canceled_whoever_submits_and_retries_meanwhile(
    client: Client, graph: Graph, broken: set[str], moves: list[int]
) -> None:
    made = workflow(f"i{next(numbers)}", graph)
    crew = crew_of(client, set(broken))
    client.workflows.submit(made)

    act(client, made, crew, ["submit", "cancel", "cancel", "retry"], moves)
    run = client.workflows[made.name]
    run.cancel()
    client.workflows.submit(made)

    assert crew.run() == []
    assert len(set(crew.completed)) == len(crew.completed)
    assert run.status is not None
    assert run.status["counts"].keys() <= {"complete", "canceled"}
