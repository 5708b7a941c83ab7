"""Commands that change many jobs: which jobs, whether to ask, and what became of them."""

from __future__ import annotations

import getpass
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED, NotFoundError
from qless_py.cli.filters import Filters, filter_options
from qless_py.cli.params import JID, Most, confirm, yes
from qless_py.client import bulk
from qless_py.client.bulk import Action, Outcome
from qless_py.client.humanize import plural
from qless_py.errors import BadArgumentError

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN: Final = 10
_LOST: Final = 60.0
_STEP: Final = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """An action with its name and its past tense, as used in messages."""

    name: str
    done: str
    action: Action
    reason: str = ""


def canceling(reason: str = "") -> Change:
    """Return the change that cancels jobs."""
    action = bulk.store_action("cancel", by=user_name(), reason=reason)
    return Change("cancel", "Canceled", action, reason)


def user_name() -> str:
    """Return the name of the user of this machine who runs the command; empty if unknown."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def retrying(to: str | None) -> Change:
    """Return the change that retries failed and scheduled jobs, in their own queues or another."""
    if to is None:
        return Change("retry", "Retried", bulk.store_action("retry"))
    return Change("retry", "Retried", bulk.store_action("move", ("failed", "scheduled"), queue=to))


@dataclass(frozen=True, slots=True)
class Mode:
    """How a bulk action runs."""

    agreed: bool = False
    dry_run: bool = False
    limit: int | None = None
    everything: bool = False
    in_background: bool = False

    @classmethod
    def take(cls, given: dict[str, Any]) -> Mode:
        """Remove the options of the mode from `given` and return the mode."""
        names = ("dry_run", "limit", "everything", "in_background")
        found = {name: given.pop(name) for name in names if name in given}
        return cls(agreed=given.pop("yes"), **found)


def mode_options(command: Command) -> Command:
    """Add --limit, --dry-run and --yes."""
    for option in (
        click.option("--limit", type=Most(), help="Change at most this many jobs."),
        click.option("--dry-run", is_flag=True, help="Only count the jobs."),
        yes,
    ):
        command = option(command)
    return command


def targets(command: Command) -> Command:
    """Add what chooses jobs: jids, filters, --search or --everything, and `mode_options`."""
    command = mode_options(command)
    for option in (
        click.option("--everything", is_flag=True, help="All jobs."),
        click.option("--search", help="Jobs that match a search, as in `qless-py jobs`."),
        filter_options,
        click.argument("jids", nargs=-1, type=JID, metavar="[JID]..."),
    ):
        command = option(command)
    return command


in_background: Final = click.option(
    "--in-background",
    is_flag=True,
    help="Let the workers do it, and print the jid of the operation: see `qless-py operations`.",
)


def run(cli: CliContext, change: Change, jids: Sequence[str], given: Mapping[str, Any]) -> int:
    """Change the jobs chosen by the options of `targets`; return the exit code."""
    rest = dict(given)
    mode = Mode.take(rest)
    return run_on(cli, change, jids, Filters(**rest), mode)


def run_on(
    cli: CliContext, change: Change, jids: Sequence[str], filters: Filters, mode: Mode
) -> int:
    """Change the jobs with these jids, or those that match; return the exit code."""
    _check_choice(change, jids, filters, mode)
    try:
        if mode.in_background:
            _start_operation(cli, change, filters, mode)
            return 0
        if mode.dry_run and not jids:
            number, is_all = filters.count(cli.client)
            if mode.limit is not None and number >= mode.limit:
                number, is_all = mode.limit, True
            _answer(cli, change, number, Outcome(), mode, counted_all=is_all)
            return 0
        chosen = list(dict.fromkeys(jids))[: mode.limit]
        if not jids:
            chosen = _choose(cli, filters, mode)
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error
    outcome = Outcome()
    if not jids and chosen and not mode.dry_run:
        _confirm(cli, change, plural(len(chosen), "job"), mode)
    if not mode.dry_run:
        _apply(cli, change, chosen, outcome)
    _answer(cli, change, len(chosen), outcome, mode)
    if outcome.refused:
        return FAILED
    if jids and outcome.missing:
        raise NotFoundError(f"job {', '.join(outcome.missing[:_SHOWN])} does not exist")
    return 0


def _choose(cli: CliContext, filters: Filters, mode: Mode) -> list[str]:
    """List the matching jobs, with progress: a million takes a while."""
    chosen: list[str] = []
    number, is_all = filters.count(cli.client)
    expected = min(number, mode.limit or number) if is_all else 0
    with cli.out.progress("list", expected) as advance:
        for jid in itertools.islice(filters.jids(cli.client), mode.limit):
            chosen.append(jid)
            if len(chosen) % _STEP == 0:
                advance(_STEP)
    return chosen


def _check_choice(change: Change, jids: Sequence[str], filters: Filters, mode: Mode) -> None:
    ways = [bool(jids), bool(filters), mode.everything]
    if sum(ways) > 1:
        raise click.UsageError("give jids, filters or --everything, only one of them")
    if not any(ways):
        raise click.UsageError(f"choose jobs to {change.name}: give jids or filters")
    if mode.in_background and jids:
        raise click.UsageError("--in-background works with filters, not with jids")
    if mode.in_background and mode.limit is not None:
        raise click.UsageError("--in-background changes all matching jobs: --limit does not apply")


def _confirm(cli: CliContext, change: Change, jobs: str, mode: Mode) -> None:
    confirm(f"{change.name.capitalize()} {jobs}?", agreed=mode.agreed, out=cli.out)


def _apply(cli: CliContext, change: Change, chosen: list[str], outcome: Outcome) -> None:
    try:
        with cli.out.progress(change.name, len(chosen)) as advance:
            bulk.apply(cli.client, change.action, chosen, outcome=outcome, advance=advance)
    except BaseException:
        if outcome.done:
            done = f"{change.done} {outcome.done:,} of {plural(len(chosen), 'job')}"
            cli.out.note(f"{done}, then stopped")
        raise


def _answer(  # noqa: PLR0913 - what the answer says
    cli: CliContext,
    change: Change,
    matched: int,
    outcome: Outcome,
    mode: Mode,
    *,
    counted_all: bool = True,
) -> None:
    refused = outcome.refused

    def show() -> None:
        if mode.dry_run:
            least = "" if counted_all else "at least "
            cli.out.line(f"Would {change.name} {least}{plural(matched, 'job')}")
            return
        cli.out.line(f"{change.done} {plural(outcome.done, 'job')}")
        for jid, error in itertools.islice(refused.items(), _SHOWN):
            cli.out.note(f"{jid}: {error}")
        if len(refused) > _SHOWN:
            cli.out.note(f"and {len(refused) - _SHOWN:,} more were refused")

    answer = {
        "action": change.name,
        "matched": matched,
        "done": outcome.done,
        "missing": outcome.missing,
        "refused": [{"jid": jid, "error": error} for jid, error in refused.items()],
        "dry_run": mode.dry_run,
        "counted_all": counted_all,
    }
    cli.out.answer(answer, show)


def _start_operation(cli: CliContext, change: Change, filters: Filters, mode: Mode) -> None:
    """Count the matching jobs, ask, and start an operation."""
    action = change.action
    if not action.name:
        raise click.UsageError(f"{change.name} cannot run in the background")
    states = Filters(states=action.states).query()
    search = " ".join(part for part in (states, filters.query()) if part)
    number, is_all = bulk.count(cli.client, search)
    jobs = f"{'' if is_all else 'at least '}{plural(number, 'job')}"
    jid = None
    if not mode.dry_run:
        _confirm(cli, change, jobs, mode)
        start = cli.client.operations.start
        jid = start(
            action.name,
            search,
            by=user_name(),
            reason=change.reason,
            expected=number if is_all else None,
            **action.params,
        )

    def show() -> None:
        if jid is None:
            cli.out.line(f"Would {change.name} {jobs}")
            return
        cli.out.line(jid)
        now = time.time()
        if all(now - (row["seen_at"] or 0) > _LOST for row in cli.client.workers.counts):
            cli.out.note("No worker was seen for a minute: the operation waits for one")

    answer = {
        "action": change.name,
        "matched": number,
        "counted_all": is_all,
        "operation": jid,
        "dry_run": mode.dry_run,
    }
    cli.out.answer(answer, show)
