"""`qless-py workflows`: jobs that run after other jobs, by their name."""

from __future__ import annotations

from typing import Any

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.batches import listed, show_page
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import NAME, confirm, yes
from qless_py.client.humanize import plural
from qless_py.client.workflow.status import WorkflowStatus


@group("workflows")
def workflows() -> None:
    """List workflows, show their steps, cancel them and retry what failed.

    A workflow is submitted by a program: see docs/workflows.md.
    """


@workflows.command(
    "list",
    examples=("qless-py workflows list", "qless-py workflows list --name 'fruit-*' --phase failed"),
)
@listed
@pass_cli
def list_workflows(cli: CliContext, cursor: str | None, count: int, **wanted: Any) -> None:
    """List workflows, the one submitted or finished last in front.

    Those that a decider began are not listed; `show` finds them by their names.
    """
    read = cli.client.workflows.page
    show_page(cli, "workflow", lambda: read(cursor, count, **wanted), prefix="workflow:")


@workflows.command("show", examples=("qless-py workflows show fruit-2026-11-21",))
@click.argument("workflow", type=NAME)
@pass_cli
def show(cli: CliContext, workflow: str) -> None:
    """Show the state of a workflow and of each of its steps."""
    status = _status(cli, workflow)

    def show_steps() -> None:
        cli.out.facts({"workflow": workflow, "state": status["state"], **status["counts"]})
        cli.out.line()
        rows = [
            (name, one["state"], one.get("group"), one["jid"])
            for name, one in status["steps"].items()
        ]
        cli.out.table(("step", "state", "group", "jid"), rows)

    cli.out.answer(status, show_steps)


@workflows.command("cancel", examples=("qless-py workflows cancel fruit-2026-11-21 --yes",))
@click.argument("workflow", type=NAME)
@yes
@pass_cli
def cancel(cli: CliContext, workflow: str, *, yes: bool) -> None:
    """Delete all jobs of a workflow that are not complete, also those that have failed."""
    counts = _status(cli, workflow)["counts"]
    left = sum(counts.values()) - sum(counts.get(one, 0) for one in ("complete", "canceled"))
    confirm(f"Cancel {plural(left, 'step')} of workflow {workflow}?", agreed=yes, out=cli.out)
    number = cli.client.workflows[workflow].cancel()
    answer = {"workflow": workflow, "canceled": number}
    cli.out.answer(answer, lambda: cli.out.line(f"Canceled {plural(number, 'job')}"))


@workflows.command("retry", examples=("qless-py workflows retry fruit-2026-11-21",))
@click.argument("workflow", type=NAME)
@pass_cli
def retry(cli: CliContext, workflow: str) -> None:
    """Continue a workflow from the steps that failed; complete steps do not run again."""
    steps = cli.client.workflows[workflow].retry()
    answer = {"workflow": workflow, "retried": steps}
    cli.out.answer(answer, lambda: cli.out.line(f"Retried {plural(len(steps), 'step')}"))


def _status(cli: CliContext, workflow: str) -> WorkflowStatus:
    status = cli.client.workflows[workflow].status
    if status is None:
        raise NotFoundError(f"workflow {workflow} does not exist")
    return status
