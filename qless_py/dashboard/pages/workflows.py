"""Workflows and batches in one list, and the page of a workflow with its graph."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from flask import redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from qless_py.auth.guard import RequestRejected
from qless_py.auth.identity import Role
from qless_py.client.batch_changes import WORKFLOW
from qless_py.client.humanize import plural
from qless_py.client.workflow.view import WorkflowView
from qless_py.dashboard import commands, graph
from qless_py.dashboard.actions import Confirmation, perform, requires
from qless_py.dashboard.audit import counted
from qless_py.dashboard.context import client, find_jobs, link
from qless_py.dashboard.paging import page_cursor, page_offset, page_size
from qless_py.dashboard.step_graph import StepNode, step_graph
from qless_py.errors import BatchNotFoundError
from qless_py.protocol.batches import PHASES

KINDS: Final = ("workflow", "batch")
# A page examines so many batches, four calls.
_BUDGET: Final = 1_000
# Nodes on one page; with the table of steps they take less than 40 KB.
_NODES: Final = 80
_MANY_NODES: Final = 50
_STEPS: Final = 25
_FEW_STEPS: Final = 10
_UNFOLDED: Final = 10
ZOOMS: Final = (50, 75, 100, 150, 200)
_NOT_RUN: Final = frozenset({"complete", "canceled"})


def workflows() -> str | Response:
    if "open" in request.args:
        return redirect(
            link("workflow", name=client().workflows[request.args["open"].strip()].name)
        )
    kind = _one_of("kind", KINDS)
    phase = _one_of("state", ("", *PHASES))
    text = request.args.get("name", "").strip()
    prefix = WORKFLOW if kind == "workflow" else ""
    pattern = f"{prefix}{text if '*' in text else f'*{text}*'}" if text else None
    found = client().batches.page(
        page_cursor(), page_size(), name=pattern, phases=[phase] if phase else (),
        workflows=kind == "workflow", budget=_BUDGET,
    )  # fmt: skip
    return render_template(
        "qless_py/workflows.html", page=found, kind=kind, phase=phase, phases=PHASES, text=text,
        prefix=prefix, cursor=page_cursor(), commands=commands.of_page(f"{kind}_list"),
    )  # fmt: skip


def _one_of(name: str, known: Collection[str]) -> str:
    """Return a query parameter, by default the first of the known values."""
    value = request.args.get(name, next(iter(known)))
    if value not in known:
        named = ", ".join(one for one in known if one)
        raise RequestRejected(422, "bad-argument", f"{name} must be one of {named}")
    return value


def workflow(name: str) -> str:
    found = _find(name)
    state = request.args.get("state", "")
    unfolded = [one for one in request.args.getlist("unfold") if one][:_UNFOLDED]
    drawing, more = _drawing(found, unfolded)
    size = _FEW_STEPS if more["drawn"] > _MANY_NODES else _STEPS
    steps = [one for one in found.steps if not state or one.state == state]
    offset = page_offset()
    shown = steps[offset : offset + size]
    jobs = find_jobs([one.jid for one in shown if one.is_there])
    return render_template(
        "qless_py/workflow.html", workflow=found, drawing=drawing, **more, state=state,
        rows=[(one, next((job for job in jobs if job.jid == one.jid), None)) for one in shown],
        offset=offset, size=size, matching=len(steps), most_parents=3,
        is_over=not set(found.counts) - _NOT_RUN, may_retry=_may_retry(found),
        commands=commands.of_page("workflow", name),
    )  # fmt: skip


def _find(name: str) -> WorkflowView:
    found = client().workflows[name].view()
    if found is None:
        raise BatchNotFoundError(f"Workflow {name} does not exist or has expired")
    return found


def _may_retry(found: WorkflowView) -> bool:
    is_canceled = found.batch is not None and "canceled_at" in found.batch
    return "failed" in found.counts and not is_canceled and found.state != "submitting"


def _drawing(found: WorkflowView, unfolded: list[str]) -> tuple[Markup, dict[str, Any]]:
    """Return the graph, and what the page says of it."""
    zoom, part = _zoom(), page_offset("part")
    every = step_graph(found.steps, unfolded) if found.batch is not None else None
    nodes = [] if every is None else every.nodes[part : part + _NODES]

    def url(**changes: Any) -> str:
        values = {
            "unfold": unfolded or None,
            "zoom": request.args.get("zoom"),
            "part": part or None,
        }
        return link("workflow", name=found.name, **{**values, **changes}, _anchor="graph")

    drawing = Markup()
    if every is not None and nodes:
        drawn = [_node(one, url(unfold=[*unfolded, one.key])) for one in nodes]
        label = f"Steps of workflow {found.name}"
        scale = 1.0 if zoom == 0 else zoom / 100
        drawing = graph.draw(drawn, every.edges, label, zoom=scale)
    groups = {one.name: one.klass for one in found.steps if one.name in unfolded}
    return drawing, {
        "zoom": zoom,
        "zooms": [(one, url(zoom=one)) for one in ZOOMS],
        "fit": url(zoom="fit"),
        "folds": [
            (klass, url(unfold=[one for one in unfolded if one != key] or None))
            for key, klass in groups.items()
        ],
        "drawn": len(nodes),
        "part": part,
        "nodes": 0 if every is None else len(every.nodes),
        "part_size": _NODES,
        "before": url(part=max(part - _NODES, 0) or None),
        "after": url(part=part + _NODES),
    }


def _node(one: StepNode, unfold: str) -> graph.Node:
    only = one.steps[0]
    url = unfold if one.is_group else link("job", jid=only.jid) if only.is_there else ""
    return graph.Node(one.key, one.label, one.detail, one.state, url, one.title)


def _zoom() -> int:
    """Return the zoom in percent; 0 fits the graph into the page."""
    text = request.args.get("zoom", "100")
    if text == "fit":
        return 0
    if text not in {str(one) for one in ZOOMS}:
        known = ", ".join(map(str, ZOOMS))
        raise RequestRejected(422, "bad-argument", f"zoom must be fit or one of {known}")
    return int(text)


@requires(Role.OPERATOR)
def cancel_workflow(name: str) -> str | Response:
    found = _find(name)
    left = found.total - sum(found.counts.get(one, 0) for one in _NOT_RUN)
    confirmation = Confirmation(
        f"Cancel workflow {name}",
        "Deletes all steps that are not complete, also those that have failed. Workers lose the "
        "running ones. A canceled workflow cannot be retried.",
        "Cancel workflow",
        left,
        commands.command("workflows", "cancel", name, "--yes"),
    )
    if not confirmation.is_given:
        return confirmation.page()

    def act() -> str:
        number = client().workflows[name].cancel()
        counted(number)
        return f"Canceled {plural(number, 'job')} of workflow {name}"

    return perform(f"cancel of workflow {name}", act)


@requires(Role.OPERATOR)
def retry_workflow(name: str) -> Response:
    def act() -> str:
        steps = client().workflows[name].retry()
        counted(len(steps))
        return f"Retried {plural(len(steps), 'step')} of workflow {name}"

    return perform(f"retry of workflow {name}", act)


ROUTES: Final = (
    ("GET", "/workflows", workflows),
    ("GET", "/workflows/<name>", workflow),
    ("POST", "/workflows/<name>/cancel", cancel_workflow),
    ("POST", "/workflows/<name>/retry", retry_workflow),
)
