"""Why a job is not running now, as data and in words.

print(client.explain(jid))

3f2a… waits in queue mail:
- queue mail is paused since 2026-11-21 08:00:00 UTC (5 min ago) by ada: maintenance
- 1,204 jobs of user alice are before it
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from qless_py.client.explain_reasons import (
    Behind,
    Busy,
    Complete,
    DependsOn,
    Expired,
    Failed,
    NoWorker,
    Parent,
    Paused,
    Reason,
    Recurring,
    Running,
    Scheduled,
    Throttled,
)
from qless_py.protocol import Call, reads, reservers
from qless_py.protocol import arguments as checks

R = TypeVar("R", bound=Reason)

_STATES: Final[Mapping[str, str]] = {
    "waiting": "waits in queue {queue}",
    "stalled": "was taken from its worker and waits at the front of {queue}",
    "throttled": "is held back in queue {queue}",
    "scheduled": "is scheduled in queue {queue}",
    "depends": "waits for other jobs before queue {queue}",
    "running": "is running, from queue {queue}",
    "failed": "has failed, in queue {queue}",
    "complete": "is complete",
    "recur": "is a recurring job of queue {queue}",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a job waits for, the first to give way in front; `str()` says it in words.

    Of a job that runs, has ended or recurs, the one reason tells what is known of that. `at` is
    when the store was asked, seconds since 1970.
    """

    jid: str
    state: str
    queue: str
    at: float
    reasons: tuple[Reason, ...]

    @property
    def words(self) -> list[str]:
        """Each reason in words."""
        return [reason.words(self.at) for reason in self.reasons]

    @property
    def is_ready(self) -> bool:
        """Whether the next pop of its queue can take it."""
        ready = self.state in {"waiting", "stalled", "throttled", "scheduled"}
        return ready and not any(reason.holds_back(self.at) for reason in self.reasons)

    def of(self, kind: type[R]) -> list[R]:
        """Give the reasons of one kind."""
        return [reason for reason in self.reasons if isinstance(reason, kind)]

    def __str__(self) -> str:
        head = _STATES.get(self.state, "is {state}").format(queue=self.queue, state=self.state)
        lines = [f"{self.jid} {head}:", *(f"- {words}" for words in self.words)]
        if self.is_ready:
            lines.append("- the next pop of the queue can take it")
        return "\n".join(lines)


def call(jid: str) -> Call[Explanation]:
    """Make the call that explains a job; `JobNotFoundError` if there is none."""
    return reads.explain(checks.name("jid", jid)).map(_explanation)


def _explanation(told: Mapping[str, Any]) -> Explanation:
    queue = str(told.get("queue", ""))
    rows = [(str(row["kind"]), _Row(row)) for row in told.get("reasons") or ()]
    reasons = tuple(_READERS[kind](row, queue) for kind, row in rows if kind in _READERS)
    return Explanation(
        str(told["jid"]), str(told["state"]), queue, float(told["now"]) / 1000, reasons
    )


class _Row:
    """One reason as the store tells it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def at(self, name: str = "at") -> float | None:
        value = self._row.get(name)
        return None if value is None else float(value) / 1000

    def number(self, name: str) -> float | None:
        value = self._row.get(name)
        return None if value is None else float(value)

    def count(self, name: str) -> int:
        return int(self._row.get(name) or 0)

    def text(self, name: str) -> str | None:
        value = self._row.get(name)
        return None if value is None else str(value)

    def flag(self, name: str) -> bool:
        return bool(self._row.get(name, False))

    def list(self, name: str) -> list[Any]:
        return list(self._row.get(name) or ())


def _paused(row: _Row, queue: str) -> Reason:
    return Paused(queue, row.at("since"), row.at("until"), row.text("reason"), row.text("by"))


def _depends(row: _Row, _: str) -> Reason:
    parents = tuple(Parent(str(jid), str(state)) for jid, state in row.list("on"))
    return DependsOn(parents, row.count("number"), row.at())


def _throttled(row: _Row, _: str) -> Reason:
    slots, per = row.number("concurrency"), row.at("per")
    return Throttled(
        throttle=row.text("throttle") or "",
        why=row.text("why") or "",
        next_at=row.at("next_at"),
        cost=row.number("cost") or 0.0,
        concurrency=None if slots is None else int(slots),
        rate=row.number("rate"),
        per=per,
        burst=row.number("burst"),
        tokens=row.number("tokens"),
        blocked_until=row.at("blocked_until"),
        reserved_for=row.text("reserved_for"),
        holding=row.count("holding"),
        holders=tuple(str(jid) for jid in row.list("holders")),
    )


def _unasked(row: _Row, queue: str) -> Reason:
    busy = sum(_takes(info, queue) for info in row.list("infos"))
    return Busy(queue, busy) if busy else NoWorker(queue)


def _takes(info: Any, queue: str) -> bool:
    """Tell whether a worker says of itself that it takes a queue; the store only keeps it."""
    try:
        entries = json.loads(info)["queues"]
        return reservers.takes(entries, queue)
    except (TypeError, ValueError, KeyError, AttributeError):
        return False


def _running(row: _Row, _: str) -> Reason:
    return Running(
        worker=row.text("worker") or "",
        since=row.at(),
        expires_at=row.at("expires_at"),
        is_lapsed=row.flag("lapsed"),
        is_in_grace=row.flag("grace"),
        worker_seen_at=row.at("seen_at"),
    )


def _failed(row: _Row, _: str) -> Reason:
    return Failed(
        row.text("group") or "", row.text("message") or "", row.at(), row.text("worker") or ""
    )


def _recurring(row: _Row, _: str) -> Reason:
    return Recurring(row.at("next_at"), row.flag("paused"), row.flag("over"), row.flag("dry"))


def _behind(row: _Row, queue: str) -> Reason:
    return Behind(queue, row.count("ahead"), row.text("user"), row.text("gate"), row.count("users"))


_READERS: Final = {
    "paused": _paused,
    "scheduled": lambda row, _: Scheduled(row.at()),
    "depends": _depends,
    "throttled": _throttled,
    "behind": _behind,
    "unasked": _unasked,
    "expired": lambda row, _: Expired(row.at()),
    "running": _running,
    "failed": _failed,
    "complete": lambda row, _: Complete(row.at()),
    "recurring": _recurring,
}
