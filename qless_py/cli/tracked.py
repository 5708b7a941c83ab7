"""`qless-py tracked`: jobs whose every step is published."""

from __future__ import annotations

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.views import LISTED_DATA, job_table
from qless_py.client import serialize


@command("tracked", examples=("qless-py tracked", "qless-py tracked --json"))
@pass_cli
def tracked(cli: CliContext) -> None:
    """List tracked jobs, and the jids of those that no longer exist."""
    found = cli.client.jobs.tracked(data_limit=None if cli.is_json else LISTED_DATA)
    jobs = [serialize.job(one) for one in found["jobs"]]

    def show() -> None:
        job_table(cli.out, jobs)
        if found["expired"]:
            cli.out.note(f"No longer exist: {', '.join(found['expired'])}")

    cli.out.answer({"jobs": jobs, "expired": found["expired"]}, show)
