"""The doors to workflows: `client.workflows`, and a workflow in the store."""

from typing import Any

from qless_py.client.job import Job
from qless_py.client.session import Session, drive
from qless_py.client.workflow import plan
from qless_py.client.workflow import retry as retrying
from qless_py.client.workflow import status as looking
from qless_py.client.workflow import submit as submitting
from qless_py.client.workflow.definition import Workflow
from qless_py.client.workflow.status import WorkflowStatus


class WorkflowRun:
    """A workflow in the store, by its name."""

    def __init__(self, session: Session, name: str) -> None:
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

    @property
    def status(self) -> WorkflowStatus | None:
        """How the workflow and each of its steps stands, or `None` when there is none (any more).

        It is read a hundred steps at a time, so it may be of several instants.
        """
        return drive(self._session, looking.status(self._names))

    def cancel(self) -> int:
        """Delete all of its jobs that are not complete; running ones lose their lease.

        Gives how many there were. If it is stopped in the middle, it goes on when called again.
        """
        return drive(self._session, looking.cancel(self._names))

    def retry(self) -> list[str]:
        """Let it go on from what failed; give the steps that come back.

        Those are the failed ones, and what failed or was deleted because of them; what is complete
        is not run again. If it is stopped in the middle, it goes on when called again.
        """
        return drive(self._session, retrying.retry(self._names))

    def __repr__(self) -> str:
        return f"<WorkflowRun {self.name}>"


class Workflows:
    """`client.workflows`: submit one, or find one by its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def submit(self, workflow: Workflow) -> WorkflowRun:
        """Put a workflow; nothing of it runs before all of it is there.

        Submitted again, it goes on where it stopped, and what exists already stays as it is.
        """
        drive(self._session, submitting.submit(self._session.settings, workflow))
        return WorkflowRun(self._session, workflow.name)

    def __getitem__(self, name: str) -> WorkflowRun:
        return WorkflowRun(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None


def parent_results(job: Job) -> dict[str, Any]:
    """Give the results of the steps that a running job comes after, by their names."""
    return by_step(job.jid, job.parent_results())


def by_step(jid: str, results: dict[str, Any]) -> dict[str, Any]:
    """Name results by the steps of the workflow that a job is of, and leave others out."""
    keys = plan.Names(jid.partition(":")[0])
    named = ((keys.step(parent), result) for parent, result in results.items())
    return {step: result for step, result in named if step is not None}
