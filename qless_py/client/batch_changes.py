"""List batches, read callbacks, cancel a batch with its jobs, and retry what failed; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.client import search
from qless_py.client.session import Calls, Rounds
from qless_py.errors import BatchNotFoundError, WrongStateError, error_from_reply
from qless_py.protocol.batches import CALLBACKS, MAX_SCAN, BatchPage, BatchStatus

BUDGET: Final = 2_500
"""How many batches one page examines by default."""
WORKFLOW: Final = "workflow:"
"""The beginning of the names of batches that belong to workflows."""
_UNFINISHED: Final = ("waiting", "scheduled", "depends", "throttled", "running", "stalled")
_AT_ONCE: Final = 100


def page(
    cursor: str | None, count: int, wanted: Mapping[str, Any], budget: int = BUDGET
) -> Calls[BatchPage]:
    """Read a page of batches that meet conditions; at most `budget` are examined."""
    found = BatchPage([], 0, 0, cursor)
    while True:
        scan = min(MAX_SCAN, budget - found.examined)
        more = yield protocol.batches.page(found.cursor, count - len(found.batches), wanted, scan)
        examined = found.examined + more.examined
        found = BatchPage(found.batches + more.batches, examined, more.total, more.cursor)
        if found.cursor is None or len(found.batches) >= count or examined >= budget:
            return found


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback of a batch: when it is put, its jid and state, "" if no such job exists.

    `holder` is the job because of which it was not put.
    """

    name: str
    jid: str
    state: str
    holder: str | None


def callbacks_of(status: BatchStatus) -> Calls[list[Callback]]:
    """Read the state of the callbacks of a batch."""
    known: Mapping[str, Any] = status
    jids = {name: str(known[name]) for name in CALLBACKS if name in known}
    if not jids:
        return []
    states = yield protocol.batches.outcomes(status["name"], list(dict.fromkeys(jids.values())))
    found = dict(zip(dict.fromkeys(jids.values()), states, strict=True))
    return [
        Callback(name, jid, found[jid][0], known.get(f"{name}_conflict"))
        for name, jid in jids.items()
    ]


def cancel(batch: str, most: int | None = None) -> Calls[int]:
    """Close a batch and delete its unfinished jobs, with those of the batches within it.

    Returns how many were deleted, about `most` of them if that is given.
    """
    yield protocol.batches.close(batch, "canceled")
    canceled = 0
    inner = yield from _pending(batch, "batches")
    for name in inner:
        if most is None or canceled < most:
            canceled += yield from cancel(name, None if most is None else most - canceled)
    if batch.startswith(WORKFLOW):
        # The job that holds the steps of a workflow until all of them are put.
        gate = f"{batch.removeprefix(WORKFLOW)}::gate"
        yield protocol.jobs.bulk("cancel", [gate], {"states": list(_UNFINISHED)})
    while most is None or canceled < most:
        number, refused = yield from _cancel_pending(batch, most, canceled)
        if number == 0:
            if refused is not None:
                raise error_from_reply(refused)
            break
        canceled += number
    return canceled


def _cancel_pending(batch: str, most: int | None, before: int) -> Calls[tuple[int, str | None]]:
    """Go once through the unfinished jobs; returns how many were deleted, and why others not."""
    canceled, refused, cursor = 0, None, "0"
    while True:
        jids, cursor = yield protocol.batches.pending(batch, "jobs", cursor)
        for some in _hundreds(jids):
            answers = yield protocol.jobs.bulk("cancel", some, {"states": list(_UNFINISHED)})
            canceled += answers.count("done")
            held = [one for one in answers if one.startswith("HASDEPENDENTS")]
            refused = held[0] if held else refused
        if cursor == "0" or (most is not None and before + canceled >= most):
            return canceled, refused


def _pending(batch: str, kind: str) -> Calls[list[str]]:
    names: dict[str, None] = {}
    cursor = "0"
    while True:
        some, cursor = yield protocol.batches.pending(batch, kind, cursor)
        names |= dict.fromkeys(some)
        if cursor == "0":
            return list(names)


def retry(batch: str, most: int | None = None) -> Rounds[list[str]]:
    """Run failed jobs of a batch again, and of the batches within it; returns their jids.

    At most about `most` of them if that is given. Raises `WrongStateError` if the batch was
    canceled.
    """
    status = yield protocol.batches.read(batch)
    if status is None:
        raise BatchNotFoundError(f"Batch {batch} does not exist")
    if "canceled_at" in status:
        raise WrongStateError(f"batch {batch} was canceled")
    wanted = status["failed"] if most is None else min(most, status["failed"])
    jids = yield from _retry_own(batch, wanted)
    if len(jids) < wanted:
        jids += yield from _retry_inner(batch, wanted - len(jids))
    return jids


def _retry_own(batch: str, wanted: int) -> Rounds[list[str]]:
    jids: list[str] = []
    text, cursor = f"state:failed batch:{search.quote(batch)}", None
    while len(jids) < wanted:
        found = yield from search.steps(
            text, limit=min(_AT_ONCE, wanted - len(jids)), cursor=cursor, budget=search.BUDGET
        )
        names = [record.jid for record in found.records]
        if names:
            answers = yield protocol.jobs.bulk("retry", names, {"states": ["failed"]})
            jids += [jid for jid, answer in zip(names, answers, strict=True) if answer == "done"]
        cursor = found.cursor
        if cursor is None:
            break
    return jids


def _retry_inner(batch: str, wanted: int) -> Rounds[list[str]]:
    jids: list[str] = []
    cursor = None
    while len(jids) < wanted:
        found = yield from page(cursor, _AT_ONCE, {"within": batch})
        for inner in found.batches:
            if inner["failed"] and "canceled_at" not in inner and len(jids) < wanted:
                jids += yield from retry(inner["name"], wanted - len(jids))
        cursor = found.cursor
        if cursor is None:
            break
    return jids


def _hundreds(values: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield list(values[start : start + _AT_ONCE])
