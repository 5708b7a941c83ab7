"""`qless-py jobs`: list jobs by what they are."""

from __future__ import annotations

import itertools
from typing import Any, Final

import click

from qless_py.cli import select, shapes
from qless_py.cli.frame import command, pass_state
from qless_py.cli.options import paged
from qless_py.cli.select import Filters
from qless_py.cli.show import job_table
from qless_py.cli.state import State

_SEARCHED: Final = 10_000


@command(
    "jobs",
    examples=(
        "qless-py jobs --queue mail",
        "qless-py jobs --state failed --klass 'app.*' --count 10",
        "qless-py jobs --tag customer-7 --text ann@example.org --json",
    ),
)
@select.filtered()
@paged()
@click.option(
    "--search",
    type=click.IntRange(min=1),
    default=_SEARCHED,
    show_default=True,
    help="Look at that many jobs at most.",
)
@pass_state
def jobs(state: State, count: int, offset: int, search: int, **given: Any) -> None:
    """List jobs in all states, or those that all of the filters choose.

    State, queue, group and tag are looked up; for a klass or a text the jobs are read one by one,
    at most --search of them.
    """
    filters = Filters(**given)
    if filters.group is not None and set(filters.states) - {"failed"}:
        raise click.UsageError("only failed jobs are in a group")
    found = select.Search(state.client, filters, search)
    page = [shapes.job(one) for one in itertools.islice(found, offset, offset + count + 1)]
    page, more = page[:count], len(page) > count
    total = select.total(state.client, filters)
    told = {
        "jobs": page,
        "offset": offset,
        "total": total,
        "more": more,
        "cut_short": found.is_cut,
    }

    def show() -> None:
        job_table(state.out, page)
        if found.is_cut:
            state.out.note(f"looked at {search} jobs only; --search says how many to look at")
        elif more:
            known = "" if total is None else f" of {total}"
            state.out.note(f"{offset + 1} to {offset + len(page)}{known}; --offset shows the rest")

    state.out.answer(told, show)
