"""`qless-py simulate`: a load that goes on, to see the queues live."""

from __future__ import annotations

import signal
import time
from typing import Final

import click

from qless_py.cli import load
from qless_py.cli.base import command, pass_state
from qless_py.cli.errors import INTERRUPTED
from qless_py.cli.listen import until_told
from qless_py.cli.load import Load, Plan
from qless_py.cli.names import QUEUE
from qless_py.cli.params import SPAN, Number
from qless_py.cli.state import State

_LINE_EVERY: Final = 1.0


@command(
    "simulate",
    examples=(
        "qless-py simulate --rate 50 --workers 8",
        "qless-py simulate --for 10s --seed 1 --json",
    ),
)
@click.option(
    "--rate",
    type=Number(0.01, 10_000),
    default=10.0,
    show_default=True,
    help="How many jobs are put in a second.",
)
@click.option(
    "--workers", type=click.IntRange(1, 500), default=4, show_default=True, help="How many pretend."
)
@click.option(
    "--queue", "queues", type=QUEUE, multiple=True, help="Use these queues, else three of its own."
)
@click.option(
    "--takes", type=SPAN, default=0.3, show_default=True, help="How long a job takes on average."
)
@click.option(
    "--failing",
    type=Number(0, 1),
    default=0.03,
    show_default=True,
    help="The share of jobs that fail.",
)
@click.option(
    "--losing",
    type=Number(0, 1),
    default=0.005,
    show_default=True,
    help="The share of jobs whose worker vanishes with them.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Put none while this many wait.",
)
@click.option("--for", "span", type=SPAN, help="End after that long, else when stopped.")
@click.option("--seed", type=int, help="Draw the same jobs each time.")
@pass_state
def simulate(  # noqa: PLR0913 - one for each option
    state: State,
    *,
    rate: float,
    workers: int,
    queues: tuple[str, ...],
    takes: float,
    failing: float,
    losing: float,
    most: int,
    span: float | None,
    seed: int | None,
) -> int:
    """Put jobs at a rate, and pretend to be workers that run them, until stopped.

    The jobs differ in klass, priority, tags, delay and time; some fail, are tried again, or are
    lost. Nothing of it runs code: no handler is needed. When it ends it gives back what it holds;
    what waits and what failed stays to be looked at.
    """
    plan = Plan(
        rate=rate,
        workers=workers,
        queues=queues or load.QUEUES,
        takes=takes,
        failing=failing,
        losing=losing,
        most=most,
        seed=seed,
    )
    until = None if span is None else time.monotonic() + span
    made, said_at = Load(state.client, plan), 0.0
    with until_told(signal.SIGTERM, signal.SIGINT) as is_over:
        try:
            while not is_over.is_set() and (until is None or time.monotonic() < until):
                wait = made.step()
                if not state.is_json and time.monotonic() - said_at >= _LINE_EVERY:
                    said_at = time.monotonic()
                    state.out.note(made.text())
                if until is not None:
                    wait = min(wait, max(0.0, until - time.monotonic()))
                is_over.wait(wait)
        finally:
            made.close()
    state.out.answer(made.counts, lambda: state.out.line(made.text()))
    return INTERRUPTED if is_over.by == signal.SIGINT else 0
