"""The nodes of a workflow's graph: steps, and groups of steps that do the same after the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.client.humanize import number
from qless_py.client.workflow.view import StepView

# A workflow of up to so many steps is shown step by step.
UNGROUPED: Final = 30
# The least steps of a group.
LEAST: Final = 4
# The state of a group is the first of these that one of its steps has.
_ORDER: Final = (
    "failed", "stalled", "running", "throttled", "waiting", "scheduled", "depends", "missing",
    "canceled", "complete",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepNode:
    """One step, or a group of steps; the key is the name of the first one."""

    key: str
    steps: Sequence[StepView]

    @property
    def is_group(self) -> bool:
        """Whether it stands for several steps."""
        return len(self.steps) > 1

    @property
    def state(self) -> str:
        """The state that matters most."""
        states = {one.state for one in self.steps}
        return next((one for one in _ORDER if one in states), self.steps[0].state)

    @property
    def label(self) -> str:
        """The name of the step, or the class and number of the steps."""
        if not self.is_group:
            return self.key
        return f"{short_klass(self.steps[0].klass)} \u00d7 {number(len(self.steps))}"

    @property
    def detail(self) -> str:
        """The state of the step, or how many steps are complete."""
        if not self.is_group:
            return self.state
        states = Counter(one.state for one in self.steps)
        done = f"{number(states['complete'])} complete"
        return f"{number(states['failed'])} failed, {done}" if states["failed"] else done

    @property
    def title(self) -> str:
        """All that is known, in one line."""
        klass, states = self.steps[0].klass, Counter(one.state for one in self.steps)
        if not self.is_group:
            return f"{self.key}: {self.state}{klass and f', {klass}'}"
        counts = ", ".join(f"{number(states[one])} {one}" for one in _ORDER if states[one])
        return f"{klass} \u00d7 {number(len(self.steps))}: {counts}"


@dataclass(frozen=True, slots=True)
class StepGraph:
    """Nodes in an order in which they could run, and edges between their keys."""

    nodes: Sequence[StepNode]
    edges: Collection[tuple[str, str]]


def short_klass(klass: str) -> str:
    """Return the last part of a dotted name."""
    return klass.rpartition(".")[2] or klass


def step_graph(steps: Sequence[StepView], unfolded: Collection[str] = ()) -> StepGraph:
    """Return the graph of these steps, in which each comes after its parents.

    Steps of one class whose parents are in the same groups form a group, in a workflow with many
    steps. Groups whose keys are in `unfolded` are shown step by step.
    """
    groups = _groups(steps) if len(steps) > UNGROUPED else [[one] for one in steps]
    nodes: list[StepNode] = []
    for members in groups:
        if len(members) < LEAST or members[0].name in unfolded:
            nodes += [StepNode(one.name, [one]) for one in members]
        else:
            nodes.append(StepNode(members[0].name, members))
    node_of = {one.name: node.key for node in nodes for one in node.steps}
    edges = {
        (node_of[parent], node.key): None
        for node in nodes
        for one in node.steps
        for parent in one.after
        if parent in node_of
    }
    return StepGraph(nodes, edges)


def _groups(steps: Sequence[StepView]) -> list[list[StepView]]:
    group_of: dict[str, int] = {}
    numbers: dict[tuple[str, tuple[int, ...]], int] = {}
    members: Mapping[int, list[StepView]] = defaultdict(list)
    for one in steps:
        parents = sorted({group_of[parent] for parent in one.after if parent in group_of})
        group = numbers.setdefault((one.klass, tuple(parents)), len(numbers))
        group_of[one.name] = group
        members[group].append(one)
    return list(members.values())
