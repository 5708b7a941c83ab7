"""Apply an action to many jobs: directly, or on the workers to all jobs that a search matches.

    outcome = bulk.apply(client, bulk.store_action("retry"), jids)
    jid = client.operations.start("retry", "state:failed group:*Timeout", by="ann")
    client.operations[jid].done

An operation is a job of a reserved queue that every worker also serves, so it resumes after a
crash, can be aborted, and is kept like any other job. The store checks each job again in the step
that changes it: a job that has left the searched states is refused, counted and left unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.search import STATES, parse
from qless_py.client.search.plan import states_of
from qless_py.client.session import Session
from qless_py.errors import (
    BadArgumentError,
    DependencyError,
    JobNotFoundError,
    QlessError,
    UndecodableDataError,
    error_from_reply,
)
from qless_py.handlers.resolve import OPERATIONS_KLASS, OPERATIONS_QUEUE
from qless_py.protocol import Call, arguments, puts

ACTIONS: Final = ("cancel", "retry", "move", "timeout", "priority", "tag", "untag")
TAG: Final = "qless-operation"
SLICE: Final = 100
_BUDGET: Final = 5_000
_ERRORS_KEPT: Final = 50
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


def store_action(name: str, states: Sequence[str] = (), **params: Any) -> Action:
    """Return an action of the store, for jobs in these states only, if any are named.

    `move` needs `queue`, `priority` a `priority`, `tag` and `untag` need `tags`. Raises
    `BadArgumentError`.
    """
    arguments.choice("action", name, ACTIONS)
    checked = _params(name, params)
    stored = sorted({one for state in states for one in _STORED.get(state, (state,))})
    options = {**checked, "states": stored} if stored else checked

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


@dataclass(frozen=True, slots=True)
class Operation:
    """The progress of an operation: `state` is that of its job, `running` while a worker has it.

    `done` jobs were changed and `refused` were not, the first of them with reasons in `errors`;
    `scanned` were examined. `is_aborted`: it was ended by `abort`.
    """

    jid: str
    state: str
    action: str
    search: str
    by: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    done: int = 0
    refused: int = 0
    scanned: int = 0
    errors: tuple[str, ...] = ()
    put_at: float | None = None
    is_aborted: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"complete", "failed"}


class Operations:
    """`client.operations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, action: str, search: str, *, by: str = "", **params: Any) -> str:
        """Start an operation on all jobs that a search matches, and return its jid.

        `move` needs `queue`, `priority` a `priority`, `tag` and `untag` need `tags`. Raises
        `SearchError` or `BadArgumentError`, and starts nothing, for what cannot be done.
        """
        arguments.choice("action", action, ACTIONS)
        checked = _params(action, params)
        states = sorted(states_of(parse(search)))
        data = {
            "action": action,
            "search": search,
            "states": [] if len(states) == len(STATES) else states,
            "params": checked,
            "by": by,
        }
        settings = self._session.settings
        call = puts.put(settings, OPERATIONS_QUEUE, OPERATIONS_KLASS, data, {"tags": [TAG]})
        return self._session.runner.run(call)

    def __getitem__(self, jid: str) -> Operation:
        """Read the progress of an operation; raises `JobNotFoundError`."""
        return _progress(self._load(jid))

    def recent(self, count: int = 25) -> list[Operation]:
        """List the operations that are kept, the newest first."""
        jobs = Jobs(self._session)
        total = jobs.tagged(TAG, 0, 0)["total"]
        jids = jobs.tagged(TAG, max(total - count, 0), count)["jobs"]
        found = [job for job in jobs.get(jids) if isinstance(job, Job)]
        return [_progress(job) for job in reversed(found) if job.klass_name == OPERATIONS_KLASS]

    def abort(self, jid: str) -> Operation:
        """End an operation after its present slice; what it has done stays."""
        job = self._load(jid)
        if job.state not in {"complete", "failed"}:
            job.force_finish({"aborted": True})
        return self[jid]

    def _load(self, jid: str) -> Job:
        found = Jobs(self._session)[jid]
        if not isinstance(found, Job) or found.klass_name != OPERATIONS_KLASS:
            raise JobNotFoundError(f"Operation {jid} does not exist")
        return found


def carry_out(job: Job) -> dict[str, int]:
    """Carry out an operation: the handler of the reserved queue.

    After each slice the heartbeat stores the progress and the cursor in the job's data, so another
    worker can resume there.
    """
    data = job.data
    action = store_action(data["action"], data["states"], **data["params"])
    found = Jobs(job.session)
    while True:
        page = found.search(data["search"], limit=SLICE, cursor=data.get("cursor"), budget=_BUDGET)
        jids = [one.jid for one in page.jobs if _needs_change(one, action)]
        outcome = apply(job.session, action, jids)
        errors = [str(error) for error in outcome.errors.values()]
        data["done"] = data.get("done", 0) + outcome.done
        data["refused"] = data.get("refused", 0) + len(errors)
        data["errors"] = [*data.get("errors", []), *errors][:_ERRORS_KEPT]
        data["scanned"] = data.get("scanned", 0) + page.scanned
        data["cursor"] = page.cursor
        job.heartbeat(data)
        if page.cursor is None:
            return {name: data[name] for name in ("done", "refused", "scanned")}


def _needs_change(found: Job, action: Action) -> bool:
    """Return whether a job is no operation and not yet as it shall be: it may be found twice."""
    if is_operation(found):
        return False
    if action.name == "move":
        return bool(found.queue_name != action.params["queue"])
    if action.name == "priority":
        return bool(found.priority != action.params["priority"])
    return True


def _params(action: str, given: Mapping[str, Any]) -> dict[str, Any]:
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


def _progress(job: Job) -> Operation:
    # Anybody may put a job of this klass. One with other data must not hide the real ones.
    data = _dict(lambda: job.data)
    errors = data.get("errors")
    params = data.get("params")
    numbers = {
        name: value if isinstance(value := data.get(name, 0), int) else 0
        for name in ("done", "refused", "scanned")
    }
    return Operation(
        jid=job.jid,
        state=job.state,
        action=str(data.get("action", "")),
        search=str(data.get("search", "")),
        by=str(data.get("by", "")),
        params=params if isinstance(params, dict) else {},
        errors=tuple(map(str, errors)) if isinstance(errors, list) else (),
        put_at=job.put_at,
        is_aborted=bool(_dict(lambda: job.result).get("aborted")),
        **numbers,
    )


def _dict(read: Callable[[], Any]) -> Mapping[str, Any]:
    try:
        value = read()
    except UndecodableDataError:
        return {}
    return value if isinstance(value, dict) else {}
