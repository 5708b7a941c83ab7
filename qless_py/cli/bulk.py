"""Do the same to many jobs: count, ask, then a hundred at a time, each job judged by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import click

from qless_py import protocol
from qless_py.cli import select
from qless_py.cli.endings import FAILED, NotFoundError
from qless_py.cli.names import JID
from qless_py.cli.options import confirm, yes
from qless_py.cli.select import READ, Filters
from qless_py.cli.state import State
from qless_py.client import Client
from qless_py.errors import (
    BadArgumentError,
    DependencyError,
    JobNotFoundError,
    QlessError,
    error_from_reply,
)
from qless_py.job import Job
from qless_py.protocol import Call

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN: Final = 10
_DONE: Final = "done"


Answers = list[Any]
"""For each jid "done", "CODE detail" as the store says it, or an exception."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to up to 100 jobs, and its name in the two forms that messages need."""

    name: str
    done: str
    act: Callable[[Client, list[str]], Answers]


def of_store(name: str, done: str, act: str | None = None, **options: Any) -> Action:
    """Make an action of the store: one call for 100 jobs, each judged as it is at that moment."""

    def run_it(client: Client, jids: list[str]) -> Answers:
        answers: Answers = client.run(protocol.jobs.bulk(act or name, jids, options))
        return answers

    return Action(name, done, run_it)


def one_by_one(name: str, done: str, call: Callable[[Job], Call[Any]]) -> Action:
    """Make an action out of a call for one job, sent for 100 of them in one round trip."""

    def run_it(client: Client, jids: list[str]) -> Answers:
        jobs = [one for one in client.jobs.get(*jids) if isinstance(one, Job)]
        replies = client.run_many([call(one) for one in jobs]) if jobs else []
        answers: dict[str, Any] = dict.fromkeys(jids, JobNotFoundError())
        for one, reply in zip(jobs, replies, strict=True):
            answers[one.jid] = reply if isinstance(reply, Exception) else _DONE
        return list(answers.values())

    return Action(name, done, run_it)


CANCEL: Final = of_store("cancel", "canceled")


@dataclass(frozen=True, slots=True)
class How:
    """How a work on many jobs is to be done."""

    agreed: bool = False
    dry_run: bool = False
    limit: int | None = None


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
        click.option("--limit", type=click.IntRange(min=1), help="Only that many."),
        click.option("--dry-run", is_flag=True, help="Only say how many there are."),
        yes,
        click.option("--search", help="Jobs that this finds, as in `qless-py jobs`."),
        select.filtered,
        click.argument("jids", nargs=-1, type=JID, metavar="[JID]..."),
    ):
        command = option(command)
    return command


def split(given: dict[str, Any]) -> tuple[Filters, How]:
    """Make filters out of what `targets` gives."""
    rest = dict(given)
    how = How(rest.pop("yes"), rest.pop("dry_run"), rest.pop("limit"))
    return Filters(**rest), how


def run(state: State, action: Action, jids: Sequence[str], filters: Filters, how: How) -> int:
    """Act on the jobs with these jids, or on those that the filters choose; give the exit code."""
    if jids and filters:
        raise click.UsageError("give either jids or filters")
    if not jids and not filters:
        raise click.UsageError(f"say which jobs to {action.name}: jids or filters")
    chosen = list(jids) if jids else _chosen(state, filters, how.limit)
    outcome = Outcome(matched=len(chosen))
    if not jids and chosen and not how.dry_run:
        confirm(
            f"{action.name.capitalize()} {_jobs(len(chosen))}?", agreed=how.agreed, out=state.out
        )
    if not how.dry_run:
        _act_on_all(state, action, chosen, outcome)
    _answer(state, action, outcome, how)
    if outcome.refused:
        return FAILED
    if jids and outcome.missing:
        raise NotFoundError(f"there is no job {', '.join(outcome.missing[:_SHOWN])}")
    return 0


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
    if answer == _DONE:
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
