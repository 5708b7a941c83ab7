"""`qless-py pop` and `peek`: the next jobs of a queue."""

from __future__ import annotations

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import NAME, QUEUE
from qless_py.cli.views import job_table
from qless_py.client import serialize
from qless_py.client.job import Job
from qless_py.protocol.arguments import MAX_PER_CALL


@command("pop", examples=("qless-py pop mail", "qless-py pop mail --count 10 --worker me --json"))
@click.argument("queue", type=QUEUE)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_PER_CALL),
    default=1,
    show_default=True,
    help="Take at most this many.",
)
@click.option("--worker", type=NAME, help="The worker name, by default that of this process.")
@pass_cli
def pop(cli: CliContext, queue: str, count: int, worker: str | None) -> None:
    """Pop the next jobs of QUEUE, each with a lease.

    The lease is not renewed: unless you end the job, for example with `qless-py job finish`,
    another worker gets it when the lease expires. Exit code 3 if no job is ready.
    """
    jobs = cli.client.queues[queue].pop(count, worker=worker)
    _answer(cli, jobs, f"no job is ready in {queue}", lease=True)


@command("peek", examples=("qless-py peek mail", "qless-py peek mail --count 5 --json"))
@click.argument("queue", type=QUEUE)
@click.option(
    "--count",
    type=click.IntRange(1, MAX_PER_CALL),
    default=1,
    show_default=True,
    help="Show at most this many.",
)
@click.option(
    "--offset",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Skip this many.",
)
@pass_cli
def peek(cli: CliContext, queue: str, count: int, offset: int) -> None:
    """List the next jobs of QUEUE in the order in which they would be popped.

    Exit code 3 if there are none.
    """
    jobs = cli.client.queues[queue].peek(count, offset=offset)
    _answer(cli, jobs, f"no job is waiting in {queue}", lease=False)


def _answer(cli: CliContext, jobs: list[Job], nothing: str, *, lease: bool) -> None:
    answer = [{**serialize.job(one), **({"lease": one.lease} if lease else {})} for one in jobs]
    if answer or cli.is_json:
        cli.out.answer({"jobs": answer}, lambda: job_table(cli.out, answer))
    if not answer:
        raise NotFoundError(nothing)
