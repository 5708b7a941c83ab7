"""Read a workflow with its steps, edges and callbacks, as a page shows it; no I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.client.batch_changes import Callback, callbacks_of
from qless_py.client.session import Rounds
from qless_py.client.workflow import plan
from qless_py.client.workflow.plan import Names
from qless_py.client.workflow.status import overall
from qless_py.client.workflow.submit import hundreds
from qless_py.protocol.batches import BatchStatus

MAX_STEPS: Final = 2_000
# Calls of one round trip: the server runs them one after the other while other clients wait.
_CALLS: Final = 10


@dataclass(frozen=True, slots=True)
class StepView:
    """A step: the steps it comes after with their policies, and the failure group of a failed one.

    `is_there` tells whether its job exists; a complete one may have been deleted since.
    """

    name: str
    jid: str
    queue: str
    klass: str
    after: Mapping[str, str]
    state: str
    group: str
    is_there: bool


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """A workflow with the first `MAX_STEPS` of its steps, in an order in which they could run.

    One that a decider began has no batch, and its steps have no edges. `total` is the number of all
    steps, `counts` those read, by state.
    """

    name: str
    state: str
    batch: BatchStatus | None
    steps: Sequence[StepView]
    total: int
    counts: Mapping[str, int]
    callbacks: Sequence[Callback]


def view(keys: Names) -> Rounds[WorkflowView | None]:
    """Read a workflow; `None` if there is none of that name."""
    batch, stored = yield [
        protocol.batches.read(keys.batch), protocol.batches.read_data(keys.batch)
    ]  # fmt: skip
    if batch is None or stored is None:
        return (yield from _decider(keys))
    steps = plan.unpack(stored)
    shown = steps[:MAX_STEPS]
    jids = [keys.jid(one.name) for one in shown]
    *outcomes, (gate, _) = yield from _outcomes(keys, [*jids, keys.gate])
    gone = "missing" if batch["total"] < len(steps) else "complete"
    views = [
        StepView(one.name, jid, one.queue, one.klass, one.after, state or gone, group, _is(state))
        for one, jid, (state, group) in zip(shown, jids, outcomes, strict=True)
    ]
    counts = Counter(one.state for one in views)
    is_coming = batch["state"] == "open" or gate not in {"", "complete"}
    state = "submitting" if is_coming else overall(counts)
    if len(steps) > len(shown) and not is_coming:
        state = batch["phase"]
    callbacks = yield from callbacks_of(batch)
    return WorkflowView(keys.workflow, state, batch, views, len(steps), counts, callbacks)


def _is(state: str) -> bool:
    return state not in {"", "canceled"}


def _decider(keys: Names) -> Rounds[WorkflowView | None]:
    tagged = yield protocol.jobs.tagged(keys.batch, 0, protocol.jobs.MAX_PAGE)
    outcomes = yield from _outcomes(keys, tagged.jids)
    views = [
        StepView(keys.step(jid) or jid, jid, "", "", {}, state, group, is_there=True)
        for jid, (state, group) in zip(tagged.jids, outcomes, strict=True)
        if state
    ]
    if not views:
        return None
    counts = Counter(one.state for one in views)
    total = tagged.total
    return WorkflowView(keys.workflow, overall(counts), None, views, total, counts, ())


def _outcomes(keys: Names, jids: Sequence[str]) -> Rounds[list[tuple[str, str]]]:
    calls = [protocol.batches.outcomes(keys.batch, some) for some in hundreds(jids)]
    found: list[tuple[str, str]] = []
    for start in range(0, len(calls), _CALLS):
        replies: list[Any] = yield calls[start : start + _CALLS]
        found += [one for reply in replies for one in reply]
    return found
