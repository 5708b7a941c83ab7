"""`qless-py job depend` and `undepend`: what a job waits for."""

from __future__ import annotations

import click

from qless_py.cli.base import command, pass_state
from qless_py.cli.errors import NotFoundError
from qless_py.cli.job import find
from qless_py.cli.names import JID
from qless_py.cli.state import State
from qless_py.client.job import Job
from qless_py.protocol.arguments import PARENT_POLICIES


@command(
    "depend",
    examples=(
        "qless-py job depend letter-2 --on letter-1",
        "qless-py job depend letter-2 --on letter-1 --on-parent-failed cancel",
    ),
)
@click.argument("jid", type=JID)
@click.option(
    "--on", "parents", type=JID, multiple=True, required=True, help="A parent. May be repeated."
)
@click.option(
    "--on-parent-failed",
    type=click.Choice(PARENT_POLICIES),
    help="What becomes of the job if one of them fails.",
)
@pass_state
def depend(state: State, jid: str, parents: tuple[str, ...], on_parent_failed: str | None) -> None:
    """Have a job wait for more jobs; it must still wait for others itself."""
    one = _find(state, jid)
    one.depend(*parents, on_parent_failed=on_parent_failed)
    _answer(state, one)


@command(
    "undepend",
    examples=(
        "qless-py job undepend letter-2 --on letter-1",
        "qless-py job undepend letter-2 --all",
    ),
)
@click.argument("jid", type=JID)
@click.option("--on", "parents", type=JID, multiple=True, help="A parent. May be repeated.")
@click.option("--all", "every", is_flag=True, help="All of its parents.")
@pass_state
def undepend(state: State, jid: str, parents: tuple[str, ...], *, every: bool) -> None:
    """Have a job wait no longer for other jobs; without any left it may run."""
    if bool(parents) == every:
        raise click.UsageError("name parents with --on, or say --all")
    one = _find(state, jid)
    one.undepend(*parents, all=every)
    _answer(state, one)


def _find(state: State, jid: str) -> Job:
    one = find(state, jid)
    if not isinstance(one, Job):
        raise NotFoundError(f"{jid} is a recurring job, which waits for none")
    return one


def _answer(state: State, one: Job) -> None:
    one.refresh()
    told = {"jid": one.jid, "state": one.state, "depends": one.dependencies}
    waits = f"waits for {', '.join(one.dependencies)}" if one.dependencies else f"is {one.state}"
    state.out.answer(told, lambda: state.out.line(f"{one.jid} {waits}"))
