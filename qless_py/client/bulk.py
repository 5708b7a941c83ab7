"""Apply an action to many jobs, a hundred per call, and undo it.

    outcome = bulk.apply(client, bulk.store_action("retry"), jids)

The store checks each job again in the step that changes it: a job that has left the expected states
is refused and left unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.session import Session
from qless_py.errors import (
    BadArgumentError,
    DependencyError,
    JobNotFoundError,
    QlessError,
    error_from_reply,
)
from qless_py.handlers.resolve import OPERATIONS_KLASS
from qless_py.protocol import Call, arguments, canceled

ACTIONS: Final = ("cancel", "retry", "move", "timeout", "priority", "tag", "untag")
SLICE: Final = 100
_PARAMETER: Final = {"move": "queue", "priority": "priority", "tag": "tags", "untag": "tags"}
_QUEUED: Final = frozenset({"waiting", "scheduled", "depends", "throttled", "stalled", "failed"})
# The states, as stored, in which the store accepts each action.
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "cancel": _QUEUED | {"running"},
    "retry": frozenset({"failed", "scheduled"}),
    "move": _QUEUED,
    "timeout": frozenset({"running"}),
}
# The state in a search is the one that is shown; a job shown as waiting may be stored as scheduled.
_STORED: Final = {"waiting": ("waiting", "scheduled"), "stalled": ("stalled", "running")}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do to jobs.

    `apply` does it to up to 100 of them and returns an error for each, or None where it was done.
    `name` is the action of the store, empty if it has none; only such can be an operation.
    """

    apply: Callable[[Session, list[str]], list[Exception | None]]
    name: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ()

    def accepts(self, job: Job) -> bool:
        """Return whether the store would change a job in its present state."""
        expected = {one for state in self.states for one in _STORED.get(state, (state,))}
        allowed = _ALLOWED.get(self.name)
        return (not expected or job.state in expected) and (not allowed or job.state in allowed)


@dataclass(slots=True)
class Outcome:
    """What became of the jobs: `done` were changed, each of the others has its error."""

    done: int = 0
    errors: dict[str, QlessError] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """Jids of jobs that do not exist."""
        return [jid for jid, error in self.errors.items() if isinstance(error, JobNotFoundError)]

    @property
    def refused(self) -> dict[str, str]:
        """Why the other jobs were not changed."""
        missing = set(self.missing)
        return {jid: str(error) for jid, error in self.errors.items() if jid not in missing}


def store_action(
    name: str,
    states: Sequence[str] = (),
    *,
    by: str = "",
    reason: str = "",
    undo: str = "",
    **params: Any,
) -> Action:
    """Return an action of the store, for jobs in these states only, if any are named.

    `move` needs `queue`, `priority` a `priority`, `tag` and `untag` need `tags`. `by` and `reason`
    say who cancels jobs and why. `undo` is a name, under which `undo` finds the changes for a day.
    Raises `BadArgumentError`.
    """
    arguments.choice("action", name, ACTIONS)
    checked = params_of(name, params)
    options: dict[str, Any] = {**checked, **protocol.jobs.how(by, reason)}
    stored = {one for state in states for one in _STORED.get(state, (state,))}
    if stored:
        options["states"] = sorted(stored)
    if undo:
        options["undo"] = undo

    def send(session: Session, jids: list[str]) -> list[Exception | None]:
        answers = session.runner.run(protocol.jobs.bulk(name, jids, options))
        return [None if answer == "done" else error_from_reply(answer) for answer in answers]

    return Action(send, name, checked, tuple(states))


def per_job_action(call: Callable[[Job], Call[Any]]) -> Action:
    """Return an action made of a call for each job, sent for 100 of them in one round trip."""

    def send(session: Session, jids: list[str]) -> list[Exception | None]:
        errors: dict[str, Exception | None] = dict.fromkeys(jids, JobNotFoundError())
        calls: dict[str, Call[Any]] = {}
        for one in Jobs(session).get(jids):
            if isinstance(one, Job):
                try:
                    calls[one.jid] = call(one)
                except QlessError as error:
                    errors[one.jid] = error
        replies = session.runner.run_many(list(calls.values())) if calls else []
        for jid, reply in zip(calls, replies, strict=True):
            errors[jid] = reply if isinstance(reply, Exception) else None
        return list(errors.values())

    return Action(send)


def _untrack(session: Session, jids: list[str]) -> list[Exception | None]:
    """Stop tracking. A job that is gone may still be on the list of tracked ones."""
    replies = session.runner.run_many([protocol.jobs.untrack(jid) for jid in jids])
    known = {one.jid for one in Jobs(session).get(jids)}
    return [
        reply
        if isinstance(reply, Exception)
        else None
        if reply or jid in known
        else JobNotFoundError()
        for jid, reply in zip(jids, replies, strict=True)
    ]


UNTRACK: Final = Action(_untrack)


def apply(
    session: Session,
    action: Action,
    jids: Sequence[str],
    *,
    outcome: Outcome | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Apply an action to jobs, a hundred per call, each accepted or refused on its own.

    `outcome` is filled along the way, so it also holds what was done before an exception; `advance`
    is called with the number of jobs of each step.
    """
    outcome = outcome or Outcome()
    left = _apply_once(session, action, jids, outcome, advance)
    # A job can be canceled once those that depend on it are gone. Most were put later, so the next
    # rounds go backwards.
    while left:
        again = _apply_once(session, action, list(reversed(left)), outcome, advance)
        if len(again) == len(left):
            outcome.errors |= again
            break
        left = again
    return outcome


def _apply_once(
    session: Session,
    action: Action,
    jids: Sequence[str],
    outcome: Outcome,
    advance: Callable[[int], None],
) -> dict[str, QlessError]:
    """Apply the action to each job once; return those to try again: other jobs depend on them."""
    held: dict[str, QlessError] = {}
    for start in range(0, len(jids), SLICE):
        names, held_before = list(jids[start : start + SLICE]), len(held)
        for jid, error in zip(names, action.apply(session, names), strict=True):
            if error is None:
                outcome.done += 1
            elif isinstance(error, DependencyError):
                held[jid] = error
            elif isinstance(error, QlessError):
                outcome.errors[jid] = error
            else:
                raise error
        advance(len(names) - (len(held) - held_before))
    return held


def matching(session: Session, search: str) -> Iterator[list[str]]:
    """Yield the jids of all jobs that a search matches, page by page, without operations.

    Operations are left out so that no bulk action ends the one that does it.
    """
    jobs, cursor = Jobs(session), None
    while True:
        page = jobs.search(search, limit=SLICE, cursor=cursor, data_limit=0)
        yield [one.jid for one in page.jobs if not is_operation(one)]
        cursor = page.cursor
        if cursor is None:
            return


def is_operation(job: Job) -> bool:
    """Return whether a job is an operation itself, which no bulk action changes."""
    return job.klass_name == OPERATIONS_KLASS


def count(session: Session, search: str, budget: int = 20_000) -> tuple[int, bool]:
    """Count what a search matches, and return whether `budget` jobs were enough to see all."""
    jobs, found, scanned, cursor = Jobs(session), 0, 0, None
    while scanned < budget:
        page = jobs.search(
            search, limit=SLICE, cursor=cursor, budget=budget - scanned, data_limit=0
        )
        found, scanned, cursor = found + len(page.jobs), scanned + page.scanned, page.cursor
        if cursor is None:
            return found, True
    return found, False


def params_of(action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the queue, priority or tags that an action gives to jobs."""
    needed = _PARAMETER.get(action)
    if set(given) != ({needed} if needed else set()):
        wants = f"{needed}=" if needed else "nothing more"
        raise BadArgumentError(f"the action {action} takes {wants}, not {sorted(given)}")
    if needed == "queue":
        return {"queue": arguments.name("queue", given["queue"])}
    if needed == "priority":
        return {"priority": arguments.finite("priority", given["priority"])}
    if needed == "tags":
        tags = arguments.names("tags", given["tags"])
        if not tags:
            raise BadArgumentError(f"tags must name at least one tag to {action} jobs with")
        return {"tags": tags}
    return {}


def undo(
    session: Session, name: str, *, advance: Callable[[canceled.Undone], None] = lambda _: None
) -> Outcome:
    """Undo the changes of an action with this name for `undo`, the latest first.

    A job that was changed again since is refused. `advance` is called after each hundred.
    """
    outcome = Outcome()
    while True:
        undone = session.runner.run(canceled.undo(name))
        outcome.done += len(undone.done)
        outcome.errors |= undone.refused
        advance(undone)
        if not undone.left:
            return outcome
