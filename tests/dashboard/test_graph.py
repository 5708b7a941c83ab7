"""Graphs as SVG: every node has its place, every edge goes to the right, any input is drawn."""

import random
from itertools import pairwise

import pytest

from qless_py.dashboard import graph
from qless_py.dashboard.graph import NODE_HEIGHT, NODE_WIDTH, Node, draw, layout


def _random(size: int, seed: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Return names, and edges from earlier to later names."""
    chance = random.Random(seed)
    names = [f"n{index}" for index in range(size)]
    edges = [
        (names[chance.randrange(max(0, index - 40), index)], names[index])
        for index in range(1, size)
        for _ in range(chance.randrange(3))
    ]
    return names, edges


@pytest.mark.parametrize("size", [1, 2, 30, 300, 2_000])
def test_nodes_do_not_overlap_and_edges_go_to_the_right(size: int) -> None:
    names, edges = _random(size, size)
    plan = layout(names, edges)
    assert set(plan.corners) == set(names)
    assert set(plan.edges) == set(edges)
    columns: dict[float, list[float]] = {}
    for x, y in plan.corners.values():
        columns.setdefault(x, []).append(y)
        assert 0 <= x <= plan.width - NODE_WIDTH
        assert 0 <= y <= plan.height - NODE_HEIGHT
    for rows in columns.values():
        assert all(lower - upper >= NODE_HEIGHT for upper, lower in pairwise(sorted(rows)))
    for (source, target), points in plan.edges.items():
        assert points[0][0] == plan.corners[source][0] + NODE_WIDTH
        assert points[-1][0] == plan.corners[target][0]
        assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_no_nodes_make_an_empty_graph() -> None:
    assert layout([], []) == graph.Layout({}, {}, 0, 2 * graph._MARGIN)
    assert "<svg" in draw([], [], "Nothing")


def test_an_edge_over_several_layers_bends_around_the_nodes_between() -> None:
    plan = layout(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")])
    bends = plan.edges["a", "c"][1:-1]
    top = plan.corners["b"][1]
    assert len(bends) == 2
    assert all(not top <= y <= top + NODE_HEIGHT for _, y in bends)


def test_a_chain_is_a_straight_line_and_a_fan_is_centred() -> None:
    chain = layout(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert len({y for _, y in chain.corners.values()}) == 1
    fan = layout(["a", "b", "c", "d"], [("a", "b"), ("a", "c"), ("a", "d")])
    assert fan.corners["a"][1] == pytest.approx(fan.corners["c"][1])


def test_a_late_source_stands_next_to_its_target() -> None:
    plan = layout(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert plan.corners["late"][0] == plan.corners["b"][0]


def test_cycles_and_unknown_nodes_are_drawn_without_the_edges_that_make_no_sense() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("a", "elsewhere"), ("d", "a")]
    plan = layout(["a", "b", "c", "d"], edges)
    assert set(plan.corners) == set("abcd")
    assert ("a", "elsewhere") not in plan.edges
    assert all(points[0][0] < points[-1][0] for points in plan.edges.values())


def test_a_large_number_of_long_edges_is_drawn_without_bends() -> None:
    names = [f"n{index}" for index in range(200)]
    edges = [*pairwise(names), *((names[0], one) for one in names[2:])]
    assert all(len(points) == 2 for points in layout(names, edges).edges.values())


def test_states_differ_by_shape_and_unknown_ones_have_a_shape_too() -> None:
    assert len(set(graph.MARKS.values())) == len(graph.MARKS)
    svg = draw([Node("a", "A", state="failed"), Node("b", "B", state="odd")], [("a", "b")], "Two")
    assert 'class="failed"' in svg
    assert 'class="gone"' in svg


def test_labels_are_escaped_and_shortened_by_their_width() -> None:
    hostile = '"><script>alert(1)</script>'
    svg = draw([Node("a", hostile, hostile, "failed", f"/jobs/{hostile}")], [], hostile)
    assert "<script" not in svg
    assert graph.shortened("a" * 21) == "a" * 21
    assert graph.shortened("a" * 22) == "a" * 20 + "…"
    assert graph.shortened("漢" * 22) == "漢" * 9 + "…"


def test_150_nodes_take_at_most_40_kilobytes() -> None:
    names, edges = _random(150, 7)
    nodes = [
        Node(one, f"Resize {one}", "media · 3 s", "complete", f"/jobs/{one * 4}") for one in names
    ]
    assert len(draw(nodes, edges, "A workflow of 150 steps").encode()) <= 40_000
