"""Do the same to many jobs: count, ask, then a hundred at a time, each job judged by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import click

from qless_py.cli import background, select
from qless_py.cli.acts import DONE, Action, How
from qless_py.cli.errors import FAILED, NotFoundError
from qless_py.cli.names import JID
from qless_py.cli.params import Most, confirm, yes
from qless_py.cli.select import READ, Filters
from qless_py.cli.state import State
from qless_py.errors import (
    BadArgumentError,
    DependencyError,
    JobNotFoundError,
    QlessError,
    error_from_reply,
)

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN: Final = 10


@dataclass(slots=True)
class Outcome:
    """What became of the jobs."""

    matched: int = 0
    done: int = 0
    missing: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


def targets(command: Command) -> Command:
    """Add what a command on many jobs takes: jids, filters, and how to go about it."""
    for option in (
        click.option("--limit", type=Most(), help="Only that many."),
        click.option("--dry-run", is_flag=True, help="Only say how many there are."),
        yes,
        click.option("--everything", is_flag=True, help="All jobs that there are."),
        click.option("--search", help="Jobs that this finds, as in `qless-py jobs`."),
        select.filtered,
        click.argument("jids", nargs=-1, type=JID, metavar="[JID]..."),
    ):
        command = option(command)
    return command


in_background: Final = click.option(
    "--in-background",
    is_flag=True,
    help="Have the workers do it, and say the jid of the operation: see `qless-py operations`.",
)


def split(given: dict[str, Any]) -> tuple[Filters, How]:
    """Make filters out of what `targets` gives."""
    rest = dict(given)
    how = How(
        agreed=rest.pop("yes"),
        dry_run=rest.pop("dry_run"),
        limit=rest.pop("limit"),
        everything=rest.pop("everything"),
        in_background=rest.pop("in_background", False),
    )
    return Filters(**rest), how


def run(state: State, action: Action, jids: Sequence[str], filters: Filters, how: How) -> int:
    """Act on the jobs with these jids, or on those that the filters choose; give the exit code."""
    _check_choice(action, jids, filters, how)
    if how.in_background:
        background.start(state, action, filters, how)
        return 0
    chosen = list(dict.fromkeys(jids))[: how.limit] or _chosen(state, filters, how.limit)
    outcome = Outcome(matched=len(chosen))
    if not jids and chosen and not how.dry_run:
        confirm(
            f"{action.name.capitalize()} {_jobs(len(chosen))}?", agreed=how.agreed, out=state.out
        )
    if not how.dry_run:
        try:
            _act_on_all(state, action, chosen, outcome)
        except BaseException:
            if outcome.done:
                told = f"ended early: {action.done} {_jobs(outcome.done)} of {len(chosen)}"
                state.out.note(told)
            raise
    _answer(state, action, outcome, how)
    if outcome.refused:
        return FAILED
    if jids and outcome.missing:
        raise NotFoundError(f"there is no job {', '.join(outcome.missing[:_SHOWN])}")
    return 0


def _check_choice(action: Action, jids: Sequence[str], filters: Filters, how: How) -> None:
    ways = [bool(jids), bool(filters), how.everything]
    if sum(ways) > 1:
        raise click.UsageError("give either jids or filters, or --everything")
    if not any(ways):
        raise click.UsageError(f"say which jobs to {action.name}: jids or filters")
    if jids and how.in_background:
        raise click.UsageError("--in-background is for filters: jobs that are named are few")


def _chosen(state: State, filters: Filters, limit: int | None) -> list[str]:
    try:
        return list(itertools.islice(select.jids(state.client, filters), limit))
    except BadArgumentError as error:
        raise click.UsageError(str(error)) from error


def _act_on_all(state: State, action: Action, chosen: list[str], outcome: Outcome) -> None:
    with state.out.progress(action.name, len(chosen)) as advance:
        left = _round(state, action, chosen, outcome, advance)
        # What others depend on may go once these have gone: most were put later.
        while left:
            again = _round(state, action, list(reversed(left)), outcome, advance)
            if len(again) == len(left):
                outcome.refused += [{"jid": jid, "error": why} for jid, why in again.items()]
                break
            left = again


def _round(
    state: State,
    action: Action,
    jids: list[str],
    outcome: Outcome,
    advance: Callable[[int], None],
) -> dict[str, str]:
    """Act on each; give those to come back to, because others depend on them."""
    held: dict[str, str] = {}
    for start in range(0, len(jids), READ):
        names, held_before = jids[start : start + READ], len(held)
        for jid, answer in zip(names, action.act(state.client, names), strict=True):
            _note(jid, _error(answer), outcome, held)
        advance(len(names) - (len(held) - held_before))
    return held


def _error(answer: Any) -> Exception | None:
    if answer == DONE:
        return None
    return answer if isinstance(answer, Exception) else error_from_reply(str(answer))


def _note(jid: str, error: Exception | None, outcome: Outcome, held: dict[str, str]) -> None:
    if error is None:
        outcome.done += 1
    elif isinstance(error, DependencyError):
        held[jid] = str(error)
    elif isinstance(error, JobNotFoundError):
        outcome.missing.append(jid)
    elif isinstance(error, QlessError):
        outcome.refused.append({"jid": jid, "error": str(error)})
    else:
        raise error


def _answer(state: State, action: Action, outcome: Outcome, how: How) -> None:
    def show() -> None:
        if how.dry_run:
            state.out.line(f"would {action.name} {_jobs(outcome.matched)}")
            return
        state.out.line(f"{action.done} {_jobs(outcome.done)}")
        for one in outcome.refused[:_SHOWN]:
            state.out.note(f"{one['jid']}: {one['error']}")
        if len(outcome.refused) > _SHOWN:
            state.out.note(f"and {len(outcome.refused) - _SHOWN} more were refused")

    told = {
        "action": action.name,
        "matched": outcome.matched,
        "done": outcome.done,
        "missing": outcome.missing,
        "refused": outcome.refused,
        "dry_run": how.dry_run,
    }
    state.out.answer(told, show)


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
