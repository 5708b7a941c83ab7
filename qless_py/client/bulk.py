"""Bulk actions: one thing done to every job that a search finds, slice by slice, by the workers.

    jid = client.operations.start("retry", "state:failed group:*Timeout", by="ann")
    client.operations[jid].done

An operation is a job of the reserved queue, which every worker serves beside its own, so it goes on
after a crash where it was, can be aborted, and is remembered like any other job. Each found job is
judged anew by the store when it is changed: one that has left the states that were searched for is
refused, counted, and left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.search import STATES, parse
from qless_py.client.search.plan import states_of
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError, JobNotFoundError, UndecodableDataError
from qless_py.handlers.resolve import OPERATIONS_KLASS, OPERATIONS_QUEUE
from qless_py.protocol import checks
from qless_py.protocol import put_calls as puts

ACTIONS: Final = ("cancel", "retry", "move", "timeout", "priority", "tag", "untag")
TAG: Final = "qless-operation"
_SLICE: Final = 100
_LOOK: Final = 5_000
_ERRORS: Final = 50
# A job that is searched for by how it is shown may be stored as any of these.
_STORED: Final = {"waiting": ("waiting", "scheduled"), "stalled": ("stalled", "running")}


@dataclass(frozen=True, slots=True)
class Operation:
    """How an operation stands: `state` is that of its job, `running` while a worker carries it out.

    `done` jobs were changed and `refused` were not, the first of them with reasons in `errors`;
    `scanned` were looked at. `is_aborted`: somebody ended it.
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
        """Have the workers do something to all that a search finds; gives the operation's jid.

        `move` needs `queue`, `priority` a `priority`, `tag` and `untag` need `tags`. Raises
        `SearchError` or `BadArgumentError`, and starts nothing, for what cannot be done.
        """
        checks.choice("action", action, ACTIONS)
        checked = _params(action, params)
        terms = parse(search)
        states = sorted(states_of(terms))
        data = {
            "action": action,
            "search": search,
            "states": [] if len(states) == len(STATES) else states,
            "params": checked,
            "by": by,
        }
        settings = self._session.settings
        return self._session.run(
            puts.put(settings, OPERATIONS_QUEUE, OPERATIONS_KLASS, data, {"tags": [TAG]})
        )

    def __getitem__(self, jid: str) -> Operation:
        """Read how an operation stands; raises `JobNotFoundError`."""
        return _state(self._load(jid))

    def recent(self, count: int = 25) -> list[Operation]:
        """List the operations that are remembered, the newest first."""
        jobs = Jobs(self._session)
        total = jobs.tagged(TAG, 0, 0)["total"]
        jids = jobs.tagged(TAG, max(total - count, 0), count)["jobs"]
        found = [job for job in jobs.get(*jids) if isinstance(job, Job)]
        return [_state(job) for job in reversed(found) if job.klass_name == OPERATIONS_KLASS]

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


def count(session: Session, search: str, budget: int = 20_000) -> tuple[int, bool]:
    """Count what a search finds, looking at `budget` jobs at most; tells whether that were all."""
    jobs, found, scanned, cursor = Jobs(session), 0, 0, None
    while scanned < budget:
        page = jobs.search(search, limit=_SLICE, cursor=cursor, budget=budget - scanned)
        found, scanned, cursor = found + len(page.jobs), scanned + page.scanned, page.cursor
        if cursor is None:
            return found, True
    return found, False


def change(
    session: Session, action: str, jids: Iterable[str], states: Iterable[str] = (), **params: Any
) -> tuple[int, list[str]]:
    """Do something to up to 100 jobs at once, each for itself; only in these states, if any.

    Gives how many were changed, and why each of the others was not.
    """
    checks.choice("action", action, ACTIONS)
    options: dict[str, Any] = _params(action, params)
    wanted = sorted({one for state in states for one in _STORED.get(state, (state,))})
    if wanted:
        options["states"] = wanted
    names = checks.names("jids", list(jids))
    answers = session.run(protocol.jobs.bulk(action, names, options)) if names else []
    refusals = [answer.partition(" ")[2] for answer in answers if answer != "done"]
    return len(answers) - len(refusals), refusals


def carry_out(job: Job) -> dict[str, int]:
    """Carry an operation out: the handler of the reserved queue.

    After each slice the job's data says where to go on, so another worker can.
    """
    data = job.data
    action, params = checks.choice("action", data["action"], ACTIONS), dict(data["params"])
    states = sorted({one for state in data["states"] for one in _STORED.get(state, (state,))})
    options = {**params, "states": states} if states else params
    found = Jobs(job.reach)
    while True:
        page = found.search(data["search"], limit=_SLICE, cursor=data.get("cursor"), budget=_LOOK)
        wanted = [one for one in page.jobs if _is_left(one, job, action, params)]
        _change(job, data, action, wanted, options)
        data["scanned"] = data.get("scanned", 0) + page.scanned
        data["cursor"] = page.cursor
        job.heartbeat(data)
        if page.cursor is None:
            return {name: data.get(name, 0) for name in ("done", "refused", "scanned")}


def _change(
    job: Job,
    data: dict[str, Any],
    action: str,
    wanted: Iterable[Job],
    options: Mapping[str, Any],
) -> None:
    jids = [one.jid for one in wanted]
    if not jids:
        return
    answers = job.reach.run(protocol.jobs.bulk(action, jids, options))
    refusals = [answer.partition(" ")[2] for answer in answers if answer != "done"]
    data["done"] = data.get("done", 0) + len(answers) - len(refusals)
    data["refused"] = data.get("refused", 0) + len(refusals)
    data["errors"] = [*data.get("errors", []), *refusals][:_ERRORS]


def _is_left(found: Job, operation: Job, action: str, params: Mapping[str, Any]) -> bool:
    """Leave out operations, and what is already as it shall be: it may be found twice."""
    if found.jid == operation.jid or found.klass_name == OPERATIONS_KLASS:
        return False
    if action == "move":
        return bool(found.queue_name != params["queue"])
    if action == "priority":
        return bool(found.priority != params["priority"])
    return True


def _params(action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    needed = {"move": "queue", "priority": "priority", "tag": "tags", "untag": "tags"}.get(action)
    if set(given) != ({needed} if needed else set()):
        wants = f"{needed}=" if needed else "nothing more"
        raise BadArgumentError(f"the action {action} takes {wants}, not {sorted(given)}")
    if needed == "queue":
        return {"queue": checks.name("queue", given["queue"])}
    if needed == "priority":
        return {"priority": checks.finite("priority", given["priority"])}
    if needed == "tags":
        return {"tags": checks.names("tags", given["tags"])}
    return {}


def _state(job: Job) -> Operation:
    data = _data_of(job)
    params, errors = data.get("params"), data.get("errors")
    return Operation(
        jid=job.jid,
        state=job.state,
        action=str(data.get("action", "")),
        search=str(data.get("search", "")),
        by=str(data.get("by", "")),
        params=params if isinstance(params, dict) else {},
        done=_number(data, "done"),
        refused=_number(data, "refused"),
        scanned=_number(data, "scanned"),
        errors=tuple(map(str, errors)) if isinstance(errors, list) else (),
        put_at=job.put_at,
        is_aborted=_is_aborted(job),
    )


# Anybody may put a job of this klass; what it says must not keep others from being shown.
def _data_of(job: Job) -> Mapping[str, Any]:
    try:
        data = job.data
    except UndecodableDataError:
        return {}
    return data if isinstance(data, dict) else {}


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name, 0)
    return value if isinstance(value, int) else 0


def _is_aborted(job: Job) -> bool:
    try:
        result = job.result
    except UndecodableDataError:
        return False
    return isinstance(result, dict) and bool(result.get("aborted"))
