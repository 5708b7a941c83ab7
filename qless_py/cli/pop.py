"""`qless-py pop` and `peek`: the next jobs of a queue."""

from __future__ import annotations

import click

from qless_py.cli import serialize as shapes
from qless_py.cli.base import command, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.names import NAME, QUEUE
from qless_py.cli.show import job_table
from qless_py.cli.state import State
from qless_py.client.job import Job
from qless_py.protocol.arguments import MOST_AT_ONCE


@command("pop", examples=("qless-py pop mail", "qless-py pop mail --count 10 --worker me --json"))
@click.argument("queue", type=QUEUE)
@click.option(
    "--count",
    type=click.IntRange(1, MOST_AT_ONCE),
    default=1,
    show_default=True,
    help="How many to take.",
)
@click.option("--worker", type=NAME, help="The name to take them under, else of this process.")
@pass_state
def pop(state: State, queue: str, count: int, worker: str | None) -> None:
    """Take the next jobs of QUEUE, each with a lease.

    Nobody renews the lease: unless the job is ended before, with `qless-py job finish`, another
    worker gets it when the lease has lapsed. Exit code 3 when there is nothing to take.
    """
    jobs = state.client.queues[queue].pop(count, worker=worker)
    _answer(state, jobs, f"nothing to take in {queue}", lease=True)


@command("peek", examples=("qless-py peek mail", "qless-py peek mail --count 5 --json"))
@click.argument("queue", type=QUEUE)
@click.option(
    "--count",
    type=click.IntRange(1, MOST_AT_ONCE),
    default=1,
    show_default=True,
    help="How many to show.",
)
@click.option(
    "--offset",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many to leave out before.",
)
@pass_state
def peek(state: State, queue: str, count: int, offset: int) -> None:
    """Look at the next jobs of QUEUE in the order in which they would be taken.

    Exit code 3 when there are none.
    """
    jobs = state.client.queues[queue].peek(count, offset=offset)
    _answer(state, jobs, f"nothing waits in {queue}", lease=False)


def _answer(state: State, jobs: list[Job], nothing: str, *, lease: bool) -> None:
    told = [{**shapes.job(one), **({"lease": one.lease} if lease else {})} for one in jobs]
    if told or state.is_json:
        state.out.answer({"jobs": told}, lambda: job_table(state.out, told))
    if not told:
        raise NotFoundError(nothing)
