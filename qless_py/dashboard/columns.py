"""The columns of a list of jobs: one table that says which matter in each state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `key` names the macro of `job_table.html` that renders its cells."""

    key: str
    label: str
    is_number: bool = False
    is_wide: bool = False


_QUEUE: Final = Column("queue", "Queue")
_TAGS: Final = Column("tags", "Tags")
_WORKER: Final = Column("worker", "Worker")
_USER: Final = Column("user", "User")
_MESSAGE: Final = Column("message", "Error", is_wide=True)
_PRIORITY: Final = Column("priority", "Priority", is_number=True)
_ATTEMPTS: Final = Column("attempts", "Attempts", is_number=True)

# Behind the jid and the job, its class with its data, which are in every list.
_COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "waiting": (_QUEUE, _USER, _TAGS, _PRIORITY, Column("put", "Waiting since")),
    "running": (
        _QUEUE, _WORKER, Column("progress", "Progress"),
        Column("ran", "Running for", is_number=True), Column("lease", "Lease ends"),
    ),
    "scheduled": (_QUEUE, _TAGS, _PRIORITY, Column("due", "Due")),
    "stalled": (_QUEUE, _WORKER, _ATTEMPTS, Column("stalled", "Stalled since")),
    "depends": (_QUEUE, Column("parents", "Waits for"), _TAGS, Column("put", "Put")),
    "throttled": (_QUEUE, Column("throttle", "Throttle"), _USER, Column("put", "Put")),
    "failed": (
        _QUEUE, Column("error", "Error", is_wide=True), _ATTEMPTS, Column("failed_on", "Worker"),
        Column("failed", "Failed"),
    ),
    "complete": (
        _QUEUE, Column("result", "Result", is_wide=True),
        Column("waited", "Waited", is_number=True), Column("ran", "Ran", is_number=True),
        Column("completed", "Completed"),
    ),
}  # fmt: skip
_MIXED: Final = (
    Column("state", "State"), _QUEUE, _TAGS, _PRIORITY, Column("time", "Time"),
)  # fmt: skip


def columns(state: str, without: Collection[str] = ()) -> list[Column]:
    """Return the columns of a list of jobs in one state, or in any for "".

    Those named in `without` have the same value in all rows.
    """
    found = [one for one in _COLUMNS.get(state, _MIXED) if one.key not in without]
    return [_MESSAGE if one.key == "error" and "group" in without else one for one in found]
