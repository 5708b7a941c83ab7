"""`qless-py tags` and `tracked`: what jobs are marked with."""

from __future__ import annotations

import click

from qless_py.cli import serialize as shapes
from qless_py.cli.base import command, pass_state
from qless_py.cli.params import paged
from qless_py.cli.show import job_table
from qless_py.cli.state import State


@command("tags", examples=("qless-py tags", "qless-py tags --minimum 2 --json"))
@paged(100)
@click.option(
    "--minimum",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Only tags that this many jobs have.",
)
@pass_state
def tags(state: State, count: int, offset: int, minimum: int) -> None:
    """List tags with how many jobs have each, most used first."""
    found = state.client.tag_counts(offset, count, minimum=minimum)
    told = {"tags": [{"tag": tag, "number": number} for tag, number in found]}
    state.out.answer(told, lambda: state.out.table(("tag", "jobs"), found))


@command("tracked", examples=("qless-py tracked", "qless-py tracked --json"))
@pass_state
def tracked(state: State) -> None:
    """List the tracked jobs, and the jids of those that are gone."""
    found = state.client.jobs.tracked()
    jobs = [shapes.job(one) for one in found["jobs"]]

    def show() -> None:
        job_table(state.out, jobs)
        if found["expired"]:
            state.out.note(f"gone: {', '.join(found['expired'])}")

    state.out.answer({"jobs": jobs, "expired": found["expired"]}, show)
