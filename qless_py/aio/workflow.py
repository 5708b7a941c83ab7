"""Workflows in the store: submit one, or find one by its name."""

from collections.abc import Iterable
from typing import Any

from qless_py.aio.drive import drive
from qless_py.aio.job import AsyncJob
from qless_py.client import batch_changes
from qless_py.client.session import AsyncSession
from qless_py.client.workflow import plan, retry, status, submit, view
from qless_py.client.workflow.definition import Workflow
from qless_py.client.workflow.status import WorkflowStatus
from qless_py.client.workflow.view import WorkflowView
from qless_py.protocol import batches
from qless_py.protocol.batches import BatchPage


class AsyncWorkflowRun:
    """A workflow in the store, by its name."""

    def __init__(self, session: AsyncSession, name: str) -> None:
        self._session = session
        self._names = plan.names(name)

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self._names.workflow

    @property
    def tag(self) -> str:
        """The tag that every job of the workflow has, whatever its state."""
        return self._names.batch

    def jid(self, step: str) -> str:
        """Return the jid of a step."""
        return self._names.jid(step)

    # sync> @property
    async def status(self) -> WorkflowStatus | None:
        """Return the status of the workflow and its steps; `None` if there is none, or no more.

        Steps are read 100 at a time, so their states may be from different times.
        """
        return await drive(self._session, status.status(self._names))

    async def view(self) -> WorkflowView | None:
        """Return up to 2,000 of its steps with what they come after, its batch and callbacks."""
        return await drive(self._session, view.view(self._names))

    async def cancel(self) -> int:
        """Delete all its jobs that are not complete, and return how many; workers lose theirs.

        If it is interrupted, call it again to continue.
        """
        return await drive(self._session, status.cancel(self._names))

    async def retry(self) -> list[str]:
        """Run again what failed; returns the names of those steps.

        These are the failed steps, and steps that failed or were deleted because of them. Complete
        steps do not run again. If it is interrupted, call it again to continue.
        """
        return await drive(self._session, retry.retry(self._names))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class AsyncWorkflows:
    """`client.workflows`: submit one, find one by its name, or list them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def submit(self, workflow: Workflow) -> AsyncWorkflowRun:
        """Put all jobs of a workflow; none of them runs before all are there.

        After an interruption, submit it again to continue: existing jobs stay as they are.
        """
        await drive(self._session, submit.submit(self._session.settings, workflow))
        return AsyncWorkflowRun(self._session, workflow.name)

    def __getitem__(self, name: str) -> AsyncWorkflowRun:
        return AsyncWorkflowRun(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    async def page(
        self,
        cursor: str | None = None,
        count: int = 25,
        *,
        name: str | None = None,
        phases: Iterable[str] = (),
    ) -> BatchPage:
        """Read a page of the batches of workflows, as `client.batches.page` does.

        `name` is a pattern for the names of workflows. Workflows that a decider began have no
        batch, and are not listed.
        """
        pattern = None if name is None else f"{batch_changes.WORKFLOW}{name}"
        wanted = batches.conditions(pattern, phases, None, workflows=True)
        return await drive(self._session, batch_changes.page(cursor, count, wanted))


async def parent_results(job: AsyncJob) -> dict[str, Any]:
    """Return the results of the steps that a running job comes after, by their names."""
    return plan.by_step(job.jid, await job.parent_results())
