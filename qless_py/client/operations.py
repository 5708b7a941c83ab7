"""Operations: bulk actions on all jobs that a search matches, carried out by the workers.

    jid = client.operations.start("retry", "state:failed group:*Timeout", by="ann")
    client.operations[jid].done
    client.operations.undo(jid)

An operation is a job of a reserved queue that every worker also serves, so it resumes after a
crash, can be aborted, and is kept like any other job. A job that has left the searched states is
refused, counted and left unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from qless_py import protocol
from qless_py.client.bulk import (
    ACTIONS,
    SLICE,
    Action,
    apply,
    is_operation,
    params_of,
    store_action,
    undo,
)
from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.search import STATES, parse
from qless_py.client.search.plan import states_of
from qless_py.client.session import Session
from qless_py.errors import (
    JobNotFoundError,
    UndecodableDataError,
    WrongStateError,
)
from qless_py.handlers.resolve import OPERATIONS_KLASS, OPERATIONS_QUEUE
from qless_py.protocol import arguments, canceled, puts

TAG: Final = "qless-operation"
# Actions that can be undone.
UNDOABLE: Final = frozenset({"cancel", "move", "priority", "tag", "untag"})
_BUDGET: Final = 5_000
_ERRORS_KEPT: Final = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation:
    """The progress of an operation: `state` is that of its job, `running` while a worker has it.

    `done` jobs were changed and `refused` were not, the first of them with reasons in `errors`;
    `scanned` were examined. `expected` is how many jobs were to be changed or refused when it was
    started, if they were counted. `started_at` and `updated_at` are in Unix seconds, `None` before
    a worker has begun. `is_aborted`: it was ended by `abort`.
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
    reason: str = ""
    expected: int | None = None
    started_at: float | None = None
    updated_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"complete", "failed"}

    @property
    def percent(self) -> int | None:
        """How much of it is done, from 0 to 100; `None` if its jobs were not counted."""
        if self.state == "complete" and not self.is_aborted:
            return 100
        if not self.expected:
            return None
        return min(100 * (self.done + self.refused) // self.expected, 99)

    @property
    def rate(self) -> float | None:
        """Jobs per second so far; `None` before the first were changed."""
        if self.started_at is None or self.updated_at is None or self.updated_at <= self.started_at:
            return None
        return (self.done + self.refused) / (self.updated_at - self.started_at)

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at this rate; `None` if that is unknown, or if it is over."""
        if self.is_over or not self.expected or not self.rate:
            return None
        return max(self.expected - self.done - self.refused, 0) / self.rate


class Operations:
    """`client.operations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(
        self,
        action: str,
        search: str,
        *,
        by: str = "",
        reason: str = "",
        expected: int | None = None,
        **params: Any,
    ) -> str:
        """Start an operation on all jobs that a search matches, and return its jid.

        `move` needs `queue`, `priority` a `priority`, `tag` and `untag` need `tags`. `reason` says
        why jobs are canceled; `expected` is how many jobs there are, for `percent`. Raises
        `SearchError` or `BadArgumentError`, and starts nothing, for what cannot be done.
        """
        arguments.choice("action", action, ACTIONS)
        checked = params_of(action, params)
        states = sorted(states_of(parse(search)))
        data = {
            "action": action,
            "search": search,
            "states": [] if len(states) == len(STATES) else states,
            "params": checked,
            "by": by,
            "reason": arguments.text("reason", reason, protocol.jobs.MAX_REASON),
            "expected": expected,
        }
        return self._put(data)

    def undo(self, jid: str, *, by: str = "") -> str:
        """Start an operation that undoes another one, and return its jid.

        It restores canceled jobs, moves jobs back, and gives them back their tags and priorities.
        Raises `WrongStateError` if the other one is not over, or if nothing can be undone: only the
        changes of the last day can, of up to 100,000 jobs, and a retry cannot.
        """
        found = self[jid]
        if not found.is_over:
            raise WrongStateError(f"Operation {jid} is not over: abort it before you undo it")
        left = self.undoable(jid)
        if not left:
            raise WrongStateError(f"Operation {jid} has no changes that can be undone")
        data = {
            "action": "undo",
            "search": found.search,
            "states": [],
            "params": {"operation": jid},
            "by": by,
            "expected": left,
        }
        return self._put(data)

    def undoable(self, jid: str) -> int:
        """Return how many changes of an operation can be undone."""
        return self._session.runner.run(canceled.undoable(jid))

    def _put(self, data: Mapping[str, Any]) -> str:
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
    data.setdefault("started_at", job.settings.clock())
    if data["action"] == "undo":
        _undo(job, data)
    else:
        _apply(job, data)
    return {name: data.get(name, 0) for name in ("done", "refused", "scanned")}


def _apply(job: Job, data: dict[str, Any]) -> None:
    action = store_action(
        data["action"],
        data["states"],
        by=data.get("by", ""),
        reason=data.get("reason", ""),
        undo=job.jid if data["action"] in UNDOABLE else "",
        **data["params"],
    )
    found = Jobs(job.session)
    while True:
        page = found.search(data["search"], limit=SLICE, cursor=data.get("cursor"), budget=_BUDGET)
        jids = [one.jid for one in page.jobs if _needs_change(one, action)]
        outcome = apply(job.session, action, jids)
        _count(job, data, outcome.done, [str(error) for error in outcome.errors.values()])
        data["scanned"] = data.get("scanned", 0) + page.scanned
        data["cursor"] = page.cursor
        job.heartbeat(data)
        if page.cursor is None:
            return


def _undo(job: Job, data: dict[str, Any]) -> None:
    def advance(undone: canceled.Undone) -> None:
        _count(job, data, len(undone.done), [str(error) for error in undone.refused.values()])
        job.heartbeat(data)

    undo(job.session, data["params"]["operation"], advance=advance)


def _count(job: Job, data: dict[str, Any], done: int, errors: Sequence[str]) -> None:
    data["done"] = data.get("done", 0) + done
    data["refused"] = data.get("refused", 0) + len(errors)
    data["errors"] = [*data.get("errors", []), *errors][:_ERRORS_KEPT]
    data["updated_at"] = job.settings.clock()


def _needs_change(found: Job, action: Action) -> bool:
    """Return whether a job is no operation and not yet as it shall be: it may be found twice."""
    if is_operation(found):
        return False
    if action.name == "move":
        return bool(found.queue_name != action.params["queue"])
    if action.name == "priority":
        return bool(found.priority != action.params["priority"])
    return True


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
        reason=str(data.get("reason", "")),
        expected=_number(data.get("expected"), int),
        started_at=_number(data.get("started_at"), float),
        updated_at=_number(data.get("updated_at"), float),
        **numbers,
    )


def _dict(read: Callable[[], Any]) -> Mapping[str, Any]:
    try:
        value = read()
    except UndecodableDataError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any, kind: type[T]) -> T | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return kind(value) if is_number else None  # type: ignore[call-arg]
