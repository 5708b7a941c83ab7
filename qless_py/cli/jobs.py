"""`qless-py jobs`: list jobs that match filters or a search."""

from __future__ import annotations

from typing import Any

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.filters import Filters, filter_options
from qless_py.cli.views import LISTED_DATA, job_table
from qless_py.client import serialize
from qless_py.client.bulk import SLICE
from qless_py.client.humanize import plural
from qless_py.client.search import BUDGET
from qless_py.errors import BadArgumentError


@command(
    "jobs",
    examples=(
        "qless-py jobs --queue mail",
        "qless-py jobs --state failed --klass 'app.*' --count 10",
        "qless-py jobs --tag customer-7 --text ann@example.org --json",
        "qless-py jobs 'state:failed,stalled age:>5m -tag:test data.to:ann'",
        "qless-py jobs 'failed:<1h group:*Timeout'",
    ),
)
@click.argument("search", nargs=-1)
@filter_options
@click.option("--count", type=click.IntRange(1, 1000), default=25, help="Show at most this many.")
@click.option("--cursor", help="Continue after the page that printed this cursor.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=BUDGET,
    show_default=True,
    help="Scan at most this many jobs.",
)
@pass_cli
def jobs(
    cli: CliContext,
    search: tuple[str, ...],
    count: int,
    cursor: str | None,
    budget: int,
    **given: Any,
) -> None:
    """List jobs that match all filters.

    SEARCH is a list of terms such as state:failed queue:mail klass:app.* tag:a user:ann group:x
    worker:w priority:>5 retries:0 attempts:>3 error:timeout data.user.id:42 "exact words"; a
    leading - negates a term. Times since an event: age:>5m (since the put), failed:<1h,
    finished:<1d (failed or completed), started:<10m (since the last pop).
    """
    filters = Filters(**given, search=" ".join(search) or None)
    query, left = filters.query(), budget
    most = None if cli.is_json else LISTED_DATA
    found: list[dict[str, Any]] = []
    try:
        while True:
            limit = min(SLICE, count - len(found))
            page = cli.client.jobs.search(
                query, limit=limit, cursor=cursor, budget=left, data_limit=most
            )
            found += [serialize.job(one) for one in page.jobs]
            cursor, left = page.cursor, left - page.scanned
            if cursor is None or len(found) >= count or left < 1:
                break
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    answer = {"jobs": found, "looked_at": budget - left, "cursor": cursor}

    def show() -> None:
        job_table(cli.out, found)
        if cursor is not None:
            cli.out.note(f"scanned {plural(budget - left, 'job')}; next page: --cursor {cursor}")

    cli.out.answer(answer, show)
