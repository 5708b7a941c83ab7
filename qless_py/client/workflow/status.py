"""Read the status of a workflow, and cancel all of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from qless_py import protocol
from qless_py.client.session import Calls
from qless_py.client.workflow import plan
from qless_py.client.workflow.plan import Names, StoredStep
from qless_py.client.workflow.submit import hundreds
from qless_py.errors import BatchNotFoundError, DependencyError

_LIVE: Final = frozenset({"waiting", "running", "scheduled", "stalled", "throttled"})
_PAGE: Final = 1000


class StepStatus(TypedDict, total=False):
    """The status of a step; `group` is the failure group of a failed one."""

    jid: str
    state: str
    group: str


class WorkflowStatus(TypedDict):
    """The status of a workflow; the steps of a decider are those that exist, mostly by jid.

    `state` is `submitting` until every step is put, `running` while any step can run, `failed`
    when some have failed and no other can run, `canceled` when some were canceled and none has
    failed, else `complete`. `counts` has the number of steps in each state; its state
    `missing` is for steps that are not put yet. A complete step that has been deleted
    since counts as complete.
    """

    name: str
    state: str
    counts: dict[str, int]
    steps: dict[str, StepStatus]


@dataclass(frozen=True, slots=True)
class Known:
    """A workflow as it was read: its batch, its plan, and its steps' states and failure groups."""

    batch: Mapping[str, Any]
    is_held: bool
    steps: list[StoredStep]
    states: dict[str, tuple[str, str]]


def known(keys: Names) -> Calls[Known | None]:
    """Read a workflow that has a plan; `None` when there is none."""
    found = yield protocol.batches.read(keys.batch)
    stored = None if found is None else (yield protocol.batches.read_data(keys.batch))
    if stored is None:
        return None
    steps = plan.unpack(stored)
    gone = "missing" if found["total"] < len(steps) else "complete"
    outcomes = yield from states_of(keys, [keys.jid(one.name) for one in steps])
    states = {
        one.name: (state or gone, group)
        for one, (state, group) in zip(steps, outcomes, strict=True)
    }
    ((gate, _),) = yield protocol.batches.outcomes(keys.batch, [keys.gate])
    return Known(found, gate not in {"", "complete"}, steps, states)


def states_of(keys: Names, jids: Sequence[str]) -> Calls[list[tuple[str, str]]]:
    """Read the states and failure groups of jobs, of deleted ones as far as they are known."""
    outcomes: list[tuple[str, str]] = []
    for some in hundreds(jids):
        outcomes += yield protocol.batches.outcomes(keys.batch, some)
    return outcomes


def status(keys: Names) -> Calls[WorkflowStatus | None]:
    """Read the status of a workflow, or of the remaining jobs of a decider, which has no plan."""
    found = yield from known(keys)
    if found is not None:
        states = {keys.jid(name): state for name, state in found.states.items()}
        is_coming = found.batch["state"] == "open" or found.is_held
        return _status(keys, states, is_coming=is_coming)
    jids = yield from tagged(keys)
    outcomes = yield from states_of(keys, jids)
    there = {jid: one for jid, one in zip(jids, outcomes, strict=True) if one[0]}
    return _status(keys, there, is_coming=False) if there else None


def _status(
    keys: Names, states: Mapping[str, tuple[str, str]], *, is_coming: bool
) -> WorkflowStatus:
    steps: dict[str, StepStatus] = {}
    for jid, (state, group) in states.items():
        one: StepStatus = {"jid": jid, "state": state}
        if group:
            one["group"] = group
        steps[keys.step(jid) or jid] = one
    counts = Counter(state for state, _ in states.values())
    state = "submitting" if is_coming else overall(counts)
    return {"name": keys.workflow, "state": state, "counts": dict(counts), "steps": steps}


def overall(counts: Mapping[str, int]) -> str:
    """Return the state of a workflow by the number of its steps in each state."""
    if any(state in counts for state in _LIVE):
        return "running"
    if "failed" in counts:
        return "failed"
    if "depends" in counts:
        return "running"
    return "canceled" if counts.keys() & {"canceled", "missing"} else "complete"


def cancel(keys: Names) -> Calls[int]:
    """Delete all jobs of a workflow that are not complete; returns how many there were.

    Jobs are deleted after those that wait for them, so it can be interrupted anywhere and called
    again. A job outside the workflow that waits for one of them prevents its deletion: raises
    `DependencyError` once everything else is deleted.
    """
    try:
        yield protocol.batches.close(keys.batch, "canceled")
    except BatchNotFoundError:
        stored = None
    else:
        stored = yield protocol.batches.read_data(keys.batch)
    steps = [] if stored is None else plan.unpack(stored)
    gone, _ = yield from _cancel([keys.jid(one.name) for one in reversed(steps)])
    more = gone or [keys.gate]
    while more:  # Jobs outside its plan, until no more appear.
        more, refused = yield from _cancel((yield from tagged(keys)))
        if refused is not None and not more:
            raise refused
        gone += more
    return sum(1 for jid in gone if not keys.is_gate(jid))


def tagged(keys: Names) -> Calls[list[str]]:
    """List every job with the tag of the workflow, complete ones included."""
    jids: list[str] = []
    while True:
        page = yield protocol.jobs.tagged(keys.batch, len(jids), _PAGE)
        jids += page.jids
        if len(page.jids) < _PAGE:
            return jids


def _cancel(jids: Sequence[str]) -> Calls[tuple[list[str], DependencyError | None]]:
    """Cancel jobs 100 at a time; if a call is refused, one by one."""
    gone: list[str] = []
    refused: DependencyError | None = None
    for some in hundreds(jids):
        try:
            gone += yield protocol.jobs.cancel(list(some))
        except DependencyError:
            for jid in some:
                try:
                    gone += yield protocol.jobs.cancel([jid])
                except DependencyError as error:
                    refused = error
    return gone, refused
