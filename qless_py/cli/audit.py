"""`qless-py audit`: who changed what."""

from __future__ import annotations

import itertools
from typing import Any, Final

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import SINCE, Most
from qless_py.client.audit_export import FORMATS, WRITERS
from qless_py.client.humanize import local_time
from qless_py.protocol.audit import DOORS, OUTCOMES, AuditEntry

_SHOWN: Final = 3


@command(
    "audit",
    examples=(
        "qless-py audit --since 1h",
        "qless-py audit --who 'ann*' --action 'queue *' --target mail",
        "qless-py audit --export csv > audit.csv",
    ),
)
@click.option("--who", metavar="PATTERN", help="Only changes by this user, token or worker.")
@click.option(
    "--action", metavar="PATTERN", help="Only this action: 'queue pause', 'job *', '* retry'."
)
@click.option("--target", metavar="PATTERN", help="Only changes of what has this name.")
@click.option("--door", type=click.Choice(DOORS), help="Only changes through this door.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only changes with this outcome.")
@click.option("--since", type=SINCE, help="Only changes since then: 1h, 7d, 2026-12-24T18:00.")
@click.option("--count", type=Most(), default=50, show_default=True, help="At most so many.")
@click.option(
    "--export", type=click.Choice(FORMATS), help="Write all that match, one on each line."
)
@pass_cli
def audit(cli: CliContext, *, export: str | None, count: int, **filters: Any) -> None:
    """Show who changed what by dashboard, command line or HTTP API, the newest first.

    PATTERN is a text in which * matches any characters. The option `audit-log` of the namespace
    says how many changes are kept.
    """
    found = cli.client.audit.search(**filters)
    if export is not None:
        for line in WRITERS[export](found):
            click.echo(line)
        return
    entries = list(itertools.islice(found, count))

    def show() -> None:
        rows = [_row(one) for one in entries]
        cli.out.table(("when", "who", "door", "action", "targets", "outcome"), rows, has_text=True)
        if not entries and not cli.client.audit.page(count=1).limit:
            cli.out.note("The audit log is off: see `qless-py config set audit-log 10000`")

    cli.out.answer({"entries": [one.as_dict() for one in entries]}, show)


def _row(one: AuditEntry) -> tuple[str, ...]:
    """Return an entry as a row: the last column says what came of it and how it was requested."""
    names = list(one.targets[:_SHOWN])
    if len(one.targets) > _SHOWN:
        names.append(f"and {len(one.targets) - _SHOWN} more")
    number = "" if one.count in (None, 1) else f"{one.count:,}"
    outcome = " ".join(part for part in (one.outcome, number, one.details, one.result) if part)
    return local_time(one.at), one.who, one.door, one.action, ", ".join(names), outcome
