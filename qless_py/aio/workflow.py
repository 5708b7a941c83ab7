"""Workflows for asyncio; see `qless_py.workflow`."""

from typing import Any

from qless_py.aio.job import AsyncJob
from qless_py.client.session import AsyncSession, drive_async
from qless_py.client.workflow import plan, runs
from qless_py.client.workflow import retry as retrying
from qless_py.client.workflow import status as looking
from qless_py.client.workflow import submit as submitting
from qless_py.client.workflow.definition import Workflow
from qless_py.client.workflow.status import WorkflowStatus


class AsyncWorkflowRun:
    """A workflow in the store, by its name; see `qless_py.workflow.WorkflowRun`."""

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
        """Give the jid of a step."""
        return self._names.jid(step)

    async def status(self) -> WorkflowStatus | None:
        """Tell how the workflow and each of its steps stands, `None` when there is none."""
        return await drive_async(self._session, looking.status(self._names))

    async def cancel(self) -> int:
        """Delete all of its jobs that are not complete; running ones lose their lease."""
        return await drive_async(self._session, looking.cancel(self._names))

    async def retry(self) -> list[str]:
        """Let it go on from what failed; give the steps that come back."""
        return await drive_async(self._session, retrying.retry(self._names))

    def __repr__(self) -> str:
        return f"<AsyncWorkflowRun {self.name}>"


class AsyncWorkflows:
    """`client.workflows`: submit one, or find one by its name."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def submit(self, workflow: Workflow) -> AsyncWorkflowRun:
        """Put a workflow; nothing of it runs before all of it is there."""
        await drive_async(self._session, submitting.submit(self._session.settings, workflow))
        return AsyncWorkflowRun(self._session, workflow.name)

    def __getitem__(self, name: str) -> AsyncWorkflowRun:
        return AsyncWorkflowRun(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None


async def parent_results(job: AsyncJob) -> dict[str, Any]:
    """Give the results of the steps that a running job comes after, by their names."""
    return runs.by_step(job.jid, await job.parent_results())
