"""Batches and workflows: lists, progress, canceling and retrying."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from qless_py.client import serialize
from qless_py.errors import BatchNotFoundError
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Name
from qless_py.http.listing import PageQuery, by_cursor, page
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes
from qless_py.protocol.batches import BatchPage

routes = Routes("batches", "Follow batches and workflows, cancel them and retry what failed.")

_FOUND: Final = ("batch-not-found",)
# A request changes about so many jobs; the answer says whether some are left.
_AT_ONCE: Final = 5_000

WorkflowName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@~+-]{0,59}$", examples=["fruit-2026-11-21"])
]
"""The name of a workflow."""

Pattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@~+*-]{1,128}$", examples=["night*"])]
"""A name in which a star stands for any characters."""


class BatchesQuery(PageQuery):
    """Which batches."""

    name: Pattern | None = Field(None, description="A pattern of names.")
    phase: list[Literal["open", "running", "complete", "failed", "canceled"]] = Field(
        default_factory=list, max_length=5
    )
    within: Name | None = Field(None, description="The batch that they are nested in.")
    kind: Literal["batch", "workflow"] | None = Field(
        None, description="The batches of workflows, or all others."
    )


class BatchAnswer(Answer):
    """A batch. Of its `total` members, `pending` are left; the callbacks are named by jid."""

    name: str
    state: str
    phase: str
    owner: str | None
    within: str | None
    total: int
    pending: int
    completed: int
    failed: int
    canceled: int
    opened_at: float
    closed_at: float | None
    finished_at: float | None
    canceled_at: float | None
    callbacks: dict[str, str]
    conflicts: dict[str, str]


class BatchesAnswer(Answer):
    """The batch that was opened or finished last in front; `total` counts all batches."""

    batches: list[BatchAnswer]
    examined: int
    total: int
    cursor: str | None


class CanceledAnswer(Answer):
    """How many jobs were deleted; if `more` are left, repeat the request."""

    canceled: int
    more: bool


class CanceledStepsAnswer(Answer):
    """How many jobs were deleted."""

    canceled: int


class RetriedAnswer(Answer):
    """The jids of the jobs that run again; if `more` are left, repeat the request."""

    retried: list[str]
    more: bool


class WorkflowAnswer(Answer):
    """The state of a workflow, the number of its steps in each state, and all steps by name."""

    name: str
    state: str
    counts: dict[str, int]
    steps: dict[str, dict[str, str]]


class StepsAnswer(Answer):
    """The names of the steps that run again."""

    retried: list[str]


@routes.get("/batches", scope="read", returns=BatchesAnswer, problems=("bad-cursor",))
def list_batches(query: BatchesQuery) -> Reply:
    """List batches, the one that was opened or finished last in front.

    A request examines at most 2,500 batches, so a page may hold less than there are: continue with
    its cursor. Workflows that a decider began have no batch.
    """
    caller().require_all_queues("the list of batches")
    workflows = None if query.kind is None else query.kind == "workflow"

    def read(cursor: str | None, limit: int) -> BatchPage:
        return client().batches.page(
            cursor, limit, name=query.name, phases=query.phase, within=query.within,
            workflows=workflows,
        )  # fmt: skip

    found = by_cursor(query, read)
    listed = [serialize.batch(one) for one in found.batches]
    return page("batches", listed, found.cursor, examined=found.examined, total=found.total)


@routes.get("/batches/<batch>", scope="read", returns=BatchAnswer, problems=_FOUND)
def get_batch(batch: Name) -> Any:
    """Read the progress of a batch. The batch of a workflow is `workflow:NAME`."""
    caller().require_all_queues("batches")
    status = client().batches[batch].status
    if status is None:
        raise BatchNotFoundError(f"Batch {batch} does not exist")
    return serialize.batch(status)


@routes.post(
    "/batches/<batch>/cancel",
    scope="operate",
    returns=CanceledAnswer,
    problems=(*_FOUND, "has-dependents"),
)
def cancel_batch(batch: Name) -> Any:
    """Close a batch and delete its unfinished jobs, with those of the batches within it.

    Jobs that have failed stay. Callbacks that run when all jobs have ended are put.
    """
    caller().require_all_queues("batches")
    number = client().batches[batch].cancel(_AT_ONCE)
    return {"canceled": number, "more": number >= _AT_ONCE}


@routes.post(
    "/batches/<batch>/retry",
    scope="operate",
    returns=RetriedAnswer,
    problems=(*_FOUND, "wrong-state"),
)
def retry_batch(batch: Name) -> Any:
    """Run the failed jobs of a batch again, and those of the batches within it."""
    caller().require_all_queues("batches")
    jids = client().batches[batch].retry(_AT_ONCE)
    return {"retried": jids, "more": len(jids) >= _AT_ONCE}


@routes.get("/workflows/<workflow>", scope="read", returns=WorkflowAnswer, problems=_FOUND)
def get_workflow(workflow: WorkflowName) -> Any:
    """Read the state of a workflow and of each of its steps."""
    caller().require_all_queues("workflows")
    status = client().workflows[workflow].status
    if status is None:
        raise Problem("batch-not-found", f"workflow {workflow} does not exist")
    return status


@routes.post(
    "/workflows/<workflow>/cancel",
    scope="operate",
    returns=CanceledStepsAnswer,
    problems=(*_FOUND, "has-dependents"),
)
def cancel_workflow(workflow: WorkflowName) -> Any:
    """Delete all jobs of a workflow that are not complete, also those that have failed."""
    caller().require_all_queues("workflows")
    number = client().workflows[workflow].cancel()
    if not number:
        get_workflow(workflow)  # Refuses one that does not exist.
    return {"canceled": number}


@routes.post(
    "/workflows/<workflow>/retry",
    scope="operate",
    returns=StepsAnswer,
    problems=(*_FOUND, "wrong-state"),
)
def retry_workflow(workflow: WorkflowName) -> Any:
    """Continue a workflow from the steps that failed; complete steps do not run again."""
    caller().require_all_queues("workflows")
    return {"retried": client().workflows[workflow].retry()}
