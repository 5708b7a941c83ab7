"""Retry the failed steps of a workflow.

Failed steps are put again with all their retries, and so are steps that failed or were deleted
because of them; complete steps do not run again. One call puts up to 100 steps, all or none. More
steps are put in the order of the plan, so a retry can be interrupted anywhere and repeated. Steps
that were put again by anyone in the meantime are left as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py import protocol
from qless_py.client.session import Calls
from qless_py.client.workflow.plan import Names, StoredStep
from qless_py.client.workflow.status import Known, known, states_of, tagged
from qless_py.client.workflow.submit import AT_ONCE, edges, finish, hundreds, more_parents, put_gate
from qless_py.errors import BatchNotFoundError, JobNotFoundError, WrongStateError
from qless_py.protocol import JobRecord

_ROUNDS: Final = 20


def retry(keys: Names) -> Calls[list[str]]:
    """Put failed steps again, and those that failed or were deleted because of them."""
    back: dict[str, None] = {}
    for _ in range(_ROUNDS):
        found = yield from known(keys)
        if found is None:
            return (yield from _retry_tagged(keys))
        _refuse_unless_whole(keys, found)
        wanted, lost = _to_bring_back(found)
        try:
            yield from _finish_holds(keys, found)
            for some in _slices(wanted):
                yield from _bring_back(keys, _Around(found, lost), some)
                back |= dict.fromkeys(one.name for one in some)
        except JobNotFoundError:
            continue  # A parent of these was deleted in the meantime: start over.
        return list(back)
    raise WrongStateError(f"workflow {keys.workflow} does not keep still: its jobs are deleted")


@dataclass(frozen=True, slots=True)
class _Around:
    """The state of the other steps."""

    found: Known
    lost: set[str]

    def unmet(self, one: StoredStep) -> dict[str, str]:
        """Return the edges to steps that are not complete yet."""
        return {
            parent: policy
            for parent, policy in one.after.items()
            if self.found.states[parent][0] != "complete" and parent not in self.lost
        }


def _refuse_unless_whole(keys: Names, found: Known) -> None:
    if found.batch["state"] == "open" or found.is_held:
        raise WrongStateError(f"workflow {keys.workflow} is not submitted to its end")
    if "canceled_at" in found.batch:
        raise WrongStateError(f"workflow {keys.workflow} was canceled")


def _retry_tagged(keys: Names) -> Calls[list[str]]:
    """Put the failed steps of a decider again; the steps after them do not exist yet."""
    jids = yield from tagged(keys)
    if not jids:
        raise BatchNotFoundError(f"there is no workflow {keys.workflow}")
    outcomes = yield from states_of(keys, jids)
    failed = [jid for jid, (state, _) in zip(jids, outcomes, strict=True) if state == "failed"]
    for some in hundreds(failed):
        found = yield protocol.jobs.read_many(some)
        records = [record for record in found if isinstance(record, JobRecord)]
        specs = [_revived(record, str(record.fields.get("queue"))) for record in records]
        if specs:
            data = [record.data for record in records]
            yield protocol.puts.put_many_encoded(specs[0]["queue"], specs, data)
    return [keys.step(jid) or jid for jid in failed]


def _revived(record: JobRecord, queue: str) -> dict[str, Any]:
    """Return the map that puts a failed job again as it is."""
    spec: dict[str, Any] = {
        "jid": record.jid,
        "queue": queue,
        "klass": str(record.fields["klass"]),
        "on_conflict": "revive",
    }
    return spec | ({"codec": record.fields["codec"]} if "codec" in record.fields else {})


def _to_bring_back(found: Known) -> tuple[list[StoredStep], set[str]]:
    """Return the steps to put again: failed ones, and those that a policy may have deleted.

    Steps after one that somebody deleted for another reason cannot run again; their names are
    returned as well.
    """
    wanted: dict[str, StoredStep] = {}
    lost: set[str] = set()
    for one in found.steps:
        state, _ = found.states[one.name]
        if state not in {"failed", "canceled"}:
            continue
        behind_lost = any(parent in lost and one.after[parent] != "run" for parent in one.after)
        if behind_lost or (state == "canceled" and one.spec is None):
            lost.add(one.name)
        else:
            wanted[one.name] = one
    return list(wanted.values()), lost


def _slices(wanted: Sequence[StoredStep]) -> list[Sequence[StoredStep]]:
    """Split into calls; a step with more parents than one call can carry is put alone."""
    slices: list[Sequence[StoredStep]] = []
    row: list[StoredStep] = []
    for one in wanted:
        if len(one.after) > AT_ONCE:
            slices += [*hundreds(row), [one]]
            row = []
        else:
            row.append(one)
    return [*slices, *hundreds(row)]


def _bring_back(keys: Names, around: _Around, some: Sequence[StoredStep]) -> Calls[None]:
    jids = [keys.jid(one.name) for one in some]
    records = dict(zip(jids, (yield protocol.jobs.read_many(jids)), strict=True))
    specs, data = [], []
    for one in some:
        record = records[keys.jid(one.name)]
        if isinstance(record, JobRecord):
            spec, stored = _again(keys, around, one, record), record.data
        elif one.spec is not None:
            spec, stored = _anew(keys, around, one), one.spec["data"]
        else:
            continue  # Deleted in the meantime.
        specs.append(spec)
        data.append(stored)
    many = [one for one in some if len(one.after) > AT_ONCE]
    if many:
        yield put_gate(keys, keys.hold(many[0].name), many[0].queue, "replace")
    if specs:
        yield protocol.puts.put_many_encoded(some[0].queue, specs, data)
    for one in many:
        yield from _finish_hold(keys, one)


def _again(keys: Names, around: _Around, one: StoredStep, record: JobRecord) -> dict[str, Any]:
    """Return the map that puts a failed job again, waiting again for incomplete parents."""
    spec = _revived(record, str(record.fields.get("queue") or one.queue))
    added = {
        parent: policy
        for parent, policy in around.unmet(one).items()
        if keys.jid(parent) not in record.dependencies
    }
    held = _held(keys, one)
    if added or held:
        spec |= {**edges(keys, added, extra=held), "adds": True}
    return spec


def _anew(keys: Names, around: _Around, one: StoredStep) -> dict[str, Any]:
    """Return the map that puts a deleted job as it was first put."""
    held = _held(keys, one)
    options: Mapping[str, Any] = (one.spec or {})["options"]
    spec = {
        **options,
        **edges(keys, one.after, extra=held),
        "jid": keys.jid(one.name),
        "queue": one.queue,
        "klass": one.klass,
        "batch": keys.batch,
        "on_conflict": "revive",
    }
    # A parent that is complete may be deleted by now.
    unmet = {keys.jid(parent) for parent in around.unmet(one)}
    spec["expects"] = [jid for jid in spec["depends"] if jid in unmet or jid in held]
    return spec


def _held(keys: Names, one: StoredStep) -> list[str]:
    return [keys.hold(one.name)] if len(one.after) > AT_ONCE else []


def _finish_hold(keys: Names, one: StoredStep) -> Calls[None]:
    yield from more_parents(keys, keys.jid(one.name), one.after)
    yield from finish(keys.hold(one.name))


def _finish_holds(keys: Names, found: Known) -> Calls[None]:
    """Finish the holds that an interrupted retry has left."""
    for one in found.steps:
        if len(one.after) > AT_ONCE:
            ((state, _),) = yield protocol.batches.outcomes(keys.batch, [keys.hold(one.name)])
            if state in {"", "complete"}:
                continue
            if found.states[one.name][0] == "depends":
                yield from _finish_hold(keys, one)
