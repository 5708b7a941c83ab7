"""Graphs of workflows: steps that do the same after the same form one node."""

from __future__ import annotations

from collections.abc import Sequence

from qless_py.client.workflow.view import StepView
from qless_py.dashboard.step_graph import UNGROUPED, StepGraph, step_graph


def made(name: str, klass: str, *after: str, state: str = "complete") -> StepView:
    return StepView(
        name, f"w:{name}", "q", klass, dict.fromkeys(after, "fail"), state, "", is_there=True
    )


def fan_out(width: int) -> list[StepView]:
    """A step, then pairs of steps side by side, then a last one."""
    resized = [made(f"r{n}", "app.Resize", "first", state="waiting") for n in range(width)]
    sent = [made(f"s{n}", "app.Send", f"r{n}", state="depends") for n in range(width)]
    last = made("last", "app.Report", *(one.name for one in sent), state="depends")
    return [made("first", "app.Fetch"), *resized, *sent, last]


def keys(graph: StepGraph) -> Sequence[str]:
    return [node.key for node in graph.nodes]


def test_a_small_workflow_is_shown_step_by_step() -> None:
    graph = step_graph(fan_out(3))

    assert keys(graph) == ["first", "r0", "r1", "r2", "s0", "s1", "s2", "last"]
    assert ("r1", "s1") in graph.edges
    assert len(graph.edges) == 9


def test_steps_of_one_class_after_the_same_ones_are_one_node() -> None:
    steps = fan_out(240)
    steps[5] = made("r4", "app.Resize", "first", state="failed")
    steps[6] = made("r5", "app.Resize", "first", state="complete")
    graph = step_graph(steps)

    assert keys(graph) == ["first", "r0", "s0", "last"]
    assert list(graph.edges) == [("first", "r0"), ("r0", "s0"), ("s0", "last")]
    _, group, *_ = graph.nodes
    assert (group.label, group.state, group.detail) == (
        "Resize \u00d7 240", "failed", "1 failed, 1 complete",
    )  # fmt: skip
    assert group.title == "app.Resize \u00d7 240: 1 failed, 238 waiting, 1 complete"


def test_a_group_can_be_unfolded() -> None:
    graph = step_graph(fan_out(40), ["r0"])

    assert len(graph.nodes) == 43
    assert ("first", "r39") in graph.edges
    assert ("r39", "s0") in graph.edges


def test_few_equal_steps_stay_single_and_unknown_parents_are_left_out() -> None:
    steps = [made(f"n{n}", f"app.K{n // 2}", "elsewhere") for n in range(2 * UNGROUPED)]
    graph = step_graph(steps)

    assert len(graph.nodes) == len(steps)
    assert not graph.edges
