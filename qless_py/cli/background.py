"""Have the workers do something to all that a search finds, as an operation."""

from __future__ import annotations

import getpass
import time
from typing import Any, Final

import click

from qless_py.cli.acts import Action, How
from qless_py.cli.params import confirm
from qless_py.cli.select import Filters
from qless_py.cli.state import State
from qless_py.client import bulk as operations
from qless_py.errors import BadArgumentError

_LOST: Final = 60.0


def start(state: State, action: Action, filters: Filters, how: How) -> None:
    """Count what is found, ask, and begin an operation; or only count."""
    wanted = action.operation
    if wanted is None:
        raise click.UsageError(f"{action.name} is not done in the background")
    if how.limit is not None:
        raise click.UsageError("--in-background does it to all: it has no --limit")
    search = " ".join(
        part
        for part in (f"state:{','.join(wanted.states)}" if wanted.states else "", filters.query())
        if part
    )
    try:
        number, is_all = operations.count(state.client, search)
        least = "" if is_all else "at least "
        jobs = f"{least}{number} {'job' if number == 1 else 'jobs'}"
        jid = None
        if not how.dry_run:
            confirm(f"{action.name.capitalize()} {jobs}?", agreed=how.agreed, out=state.out)
            jid = state.client.operations.start(wanted.name, search, by=_who(), **wanted.params)
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    told: dict[str, Any] = {
        "action": action.name,
        "matched": number,
        "counted_all": is_all,
        "operation": jid,
        "dry_run": how.dry_run,
    }
    state.out.answer(told, lambda: _show(state, told, jobs))


def _show(state: State, told: dict[str, Any], jobs: str) -> None:
    if told["operation"] is None:
        state.out.line(f"would {told['action']} {jobs}")
        return
    state.out.line(told["operation"])
    now = time.time()
    if all(now - (row["seen_at"] or 0) > _LOST for row in state.client.workers.counts):
        state.out.note("no worker was seen for a minute: it waits until one comes")


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
