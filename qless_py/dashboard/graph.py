"""Graphs of jobs as SVG: nodes in layers from left to right, each a link with its state.

Pure functions. The layers are longest paths, their order is by barycentres (Sugiyama, Tagawa and
Toda, 1981). Edges that would close a cycle are not drawn.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

Edge = tuple[str, str]
NODE_WIDTH: Final = 184
NODE_HEIGHT: Final = 44
_LAYER_GAP: Final = 48
_ROW_GAP: Final = 12
_MARGIN: Final = 4
_BEND_HEIGHT: Final = 8
_SWEEPS: Final = 4
# An edge over several layers bends around their nodes, unless all these bends are too many.
_MAX_BENDS: Final = 4_000
_MAX_LABEL: Final = 21  # Characters of normal width that fit into a node.
_MAX_DETAIL: Final = 25

# A mark for each state, in a square of 16: states differ by shape, not only by colour.
MARKS: Final[Mapping[str, str]] = {
    "complete": "M2 8l4 4 8-8",
    "failed": "M3 3l10 10M13 3l-10 10",
    "running": "M4 2l10 6-10 6z",
    "waiting": "M8 2a6 6 0 1 0 .01 0z",
    "scheduled": "M8 2a6 6 0 1 0 .01 0zM8 5v3l3 2",
    "depends": "M3 2h10l-10 12h10z",
    "throttled": "M5 3v10M11 3v10",
    "stalled": "M8 2l6.5 12h-13zM8 6v4",
    "canceled": "M8 2a6 6 0 1 0 .01 0zM4 12l8-8",
    "gone": "M3 8h10",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A node: the label and a line below it, its state, and the page that it links to.

    `title` is shown as a tooltip. `is_current` marks the node that the page is about.
    """

    key: str
    label: str
    detail: str = ""
    state: str = ""
    url: str = ""
    title: str = ""
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The upper left corner of each node, the points of each edge, and the size of all."""

    corners: Mapping[str, tuple[float, float]]
    edges: Mapping[Edge, Sequence[tuple[float, float]]]
    width: float
    height: float


def draw(nodes: Sequence[Node], edges: Iterable[Edge], label: str, *, zoom: float = 1.0) -> Markup:
    """Return the graph as an SVG with a name for screen readers; `zoom` scales it."""
    plan = layout([node.key for node in nodes], edges)
    lines = "".join(_curve(points) for points in plan.edges.values())
    drawn = Markup("").join(_node(node, plan.corners[node.key]) for node in nodes)
    return Markup(
        '<svg class="graph" role="group" aria-label="{}" width="{:.0f}" height="{:.0f}" '
        'viewBox="0 0 {:.0f} {:.0f}">{}<path class="edges" d="{}"/>{}</svg>'
    ).format(
        label, plan.width * zoom, plan.height * zoom, plan.width, plan.height,
        _shapes(nodes), lines, drawn,
    )  # fmt: skip


def _shapes(nodes: Sequence[Node]) -> Markup:
    """Define the box of each state once; a node of a large graph then takes few bytes."""
    box = Markup(
        '<g id="graph-{}"><rect class="node-box" width="{}" height="{}" rx="6"/>'
        '<path class="node-mark" transform="translate(8,14)" d="{}"/></g>'
    )
    used = dict.fromkeys(_mark(node) for node in nodes)
    boxes = (box.format(mark, NODE_WIDTH, NODE_HEIGHT, MARKS[mark]) for mark in used)
    return Markup("<defs>{}</defs>").format(Markup("").join(boxes))


def _mark(node: Node) -> str:
    return node.state if node.state in MARKS else "gone"


def _node(node: Node, corner: tuple[float, float]) -> Markup:
    """Draw a node, a link if it has a page."""
    mark = _mark(node)
    title = Markup("<title>{}</title>").format(node.title) if node.title else ""
    detail = (
        Markup('<tspan x="32" dy="15">{}</tspan>').format(shortened(node.detail, _MAX_DETAIL))
        if node.detail
        else ""
    )
    content = Markup('{}<use href="#graph-{}"/><text x="32" y="{}">{}{}</text>').format(
        title, mark, 19 if node.detail else 27, shortened(node.label), detail
    )
    start = Markup('class="{}{}" transform="translate({:.0f},{:.0f})"').format(
        mark, " current" if node.is_current else "", *corner
    )
    if not node.url:
        return Markup("<g {}>{}</g>").format(start, content)
    current = Markup(' aria-current="true"') if node.is_current else ""
    return Markup('<a {} href="{}"{}>{}</a>').format(start, node.url, current, content)


def shortened(text: str, most: int = _MAX_LABEL) -> str:
    """Cut a text to a width; wide characters, as in Chinese, count twice."""
    width = 0
    for index, one in enumerate(text):
        width += 2 if unicodedata.east_asian_width(one) in "WF" else 1
        if width > most:
            return f"{text[: max(index - 1, 0)]}…"
    return text


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Return an edge as path data: horizontal at both ends of each piece, with an arrow head."""
    rounded = [(round(x), round(y)) for x, y in points]
    path = f"M{rounded[0][0]} {rounded[0][1]}"
    for (x0, y0), (x1, y1) in pairwise(rounded):
        half = (x1 - x0) // 2
        path += f"H{x1}" if y0 == y1 else f"c{half} 0 {half} {y1 - y0} {x1 - x0} {y1 - y0}"
    return path + "m-5-3l5 3-5 3"


def layout(keys: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Place nodes in layers; edges go from left to right, and nodes of a layer do not overlap.

    Edges of unknown nodes, and those against the direction of a cycle, are left out.
    """
    known = dict.fromkeys(keys)
    wanted = dict.fromkeys(one for one in edges if one[0] in known and one[1] in known)
    layers = _layers(list(known), list(wanted))
    forward = [(a, b) for a, b in wanted if layers[a] < layers[b]]
    chains, links = _with_bends(layers, forward)
    rows = _ordered(layers, links)
    middles = _middles(rows, links)
    top = min((middles[key] - _height(key) / 2 for key in middles), default=0.0)
    bottom = max((middles[key] + _height(key) / 2 for key in middles), default=0.0)

    def x(key: str) -> float:
        return _MARGIN + layers[key] * (NODE_WIDTH + _LAYER_GAP)

    def y(key: str) -> float:
        return _MARGIN + middles[key] - top

    def points(chain: Sequence[str]) -> list[tuple[float, float]]:
        first, *between, last = chain
        bends = [(x(key) + side, y(key)) for key in between for side in (0, NODE_WIDTH)]
        return [(x(first) + NODE_WIDTH, y(first)), *bends, (x(last), y(last))]

    return Layout(
        {key: (x(key), y(key) - NODE_HEIGHT / 2) for key in known},
        {edge: points(chain) for edge, chain in chains.items()},
        len(rows) * (NODE_WIDTH + _LAYER_GAP) - _LAYER_GAP + 2 * _MARGIN if rows else 0,
        bottom - top + 2 * _MARGIN,
    )


def _layers(keys: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the layer of each node: the length of the longest path that leads to it.

    Nodes without an incoming edge are moved next to their first target.
    """
    targets: dict[str, list[str]] = defaultdict(list)
    missing = dict.fromkeys(keys, 0)
    for source, target in edges:
        targets[source].append(target)
        missing[target] += 1
    sources = [key for key in keys if not missing[key]]
    layers = dict.fromkeys(keys, 0)
    ready, done = list(sources), set[str]()
    left = iter(keys)
    while len(done) < len(keys):
        if not ready:  # All that is left is in or behind a cycle: start it somewhere.
            ready.append(next(key for key in left if key not in done))
        key = ready.pop()
        if key in done:
            continue
        done.add(key)
        for target in targets[key]:
            missing[target] -= 1
            if target not in done:
                layers[target] = max(layers[target], layers[key] + 1)
                if not missing[target]:
                    ready.append(target)
    for key in sources:
        layers[key] = max(min((layers[one] for one in targets[key]), default=1) - 1, 0)
    return layers


def _with_bends(
    layers: dict[str, int], edges: Sequence[Edge]
) -> tuple[dict[Edge, list[str]], list[Edge]]:
    """Give edges over several layers a bend in each, entered in `layers` like a node.

    Returns the nodes and bends of each edge, and the links between neighbouring layers.
    """
    number = sum(layers[b] - layers[a] - 1 for a, b in edges)
    chains: dict[Edge, list[str]] = {}
    links: list[Edge] = []
    for a, b in edges:
        chain = [a]
        if number <= _MAX_BENDS:
            for layer in range(layers[a] + 1, layers[b]):
                bend = f"\0{layer}\0{a}\0{b}"  # No key of a node contains a NUL.
                layers[bend] = layer
                chain.append(bend)
        chain.append(b)
        chains[a, b] = chain
        links += pairwise(chain)
    return chains, links


def _ordered(layers: Mapping[str, int], links: Sequence[Edge]) -> list[list[str]]:
    """Return the nodes of each layer, ordered by the mean position of their neighbours."""
    rows: list[list[str]] = [[] for _ in range(max(layers.values(), default=-1) + 1)]
    for key, layer in layers.items():
        rows[layer].append(key)
    before, after = _neighbours(links)
    for sweep in range(_SWEEPS):
        is_forward = sweep % 2 == 0
        position: dict[str, float] = {}
        for row in rows if is_forward else reversed(rows):
            neighbours = before if is_forward else after
            means = {
                key: _mean([position[one] for one in neighbours[key]], index)
                for index, key in enumerate(row)
            }
            row.sort(key=means.__getitem__)
            position |= {key: float(index) for index, key in enumerate(row)}
    return rows


def _middles(rows: Sequence[Sequence[str]], links: Sequence[Edge]) -> dict[str, float]:
    """Return the vertical middle of each node: close to its neighbours, without overlaps."""
    before, after = _neighbours(links)
    middles: dict[str, float] = {}
    for ordered, neighbours in (
        (rows, before),
        (list(reversed(rows)), after),
        (rows, before),
    ):
        for row in ordered:
            wanted = [
                _mean([middles[one] for one in neighbours[key]], middles.get(key, 0.0))
                for key in row
            ]
            middles |= zip(row, _spread(row, wanted), strict=True)
    return middles


def _spread(row: Sequence[str], wanted: Sequence[float]) -> list[float]:
    """Move nodes apart in their order, and all together so that the mean stays as wanted."""
    found: list[float] = []
    for index, (key, middle) in enumerate(zip(row, wanted, strict=True)):
        if index:
            distance = (_height(row[index - 1]) + _height(key)) / 2 + _ROW_GAP
            middle = max(middle, found[-1] + distance)  # noqa: PLW2901 - moved down
        found.append(middle)
    shift = (sum(wanted) - sum(found)) / len(found)
    return [one + shift for one in found]


def _height(key: str) -> int:
    return _BEND_HEIGHT if key.startswith("\0") else NODE_HEIGHT


def _neighbours(links: Sequence[Edge]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _mean(values: Sequence[float], missing: float) -> float:
    return sum(values) / len(values) if values else missing
