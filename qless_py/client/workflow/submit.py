"""Put the jobs of a workflow, so that a crash at any call leaves no partial workflow running.

First the batch with the plan is opened, then a gate is put, a job that no worker can take; then the
steps, 100 per call, each after its parents and the first ones after the gate. When the last step is
put, the batch is closed, which no other call can undo, and then the gate is completed. Submitting
again continues where the last attempt stopped: jids follow from names, and existing jobs stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from qless_py import protocol
from qless_py.client.session import Calls
from qless_py.client.workflow import plan
from qless_py.client.workflow.definition import Workflow
from qless_py.client.workflow.plan import Names, Planned, StoredStep
from qless_py.errors import (
    AlreadyExistsError,
    AlreadyFinishedError,
    BadArgumentError,
    JobNotFoundError,
    QlessError,
)
from qless_py.protocol import Call, JobRecord, instrumentation, puts
from qless_py.protocol.records import EncodedJob
from qless_py.protocol.settings import Settings

T = TypeVar("T")

AT_ONCE: Final = 100
_NEVER: Final = 3155760000000
_GATE: Final = "qless_py.workflow.gate"


def submit(settings: Settings, workflow: Workflow) -> Calls[None]:
    """Put the jobs of a workflow, or those that are missing."""
    keys = plan.names(workflow.name)
    steps = workflow.plan()
    jobs = [_prepared(settings, keys, one) for one in steps]
    if instrumentation.current is not None and jobs:
        instrumentation.current.create("", jobs)
    stored = [_stored(one, job) for one, job in zip(steps, jobs, strict=True)]
    yield from _open(settings, keys, workflow.options, stored)
    if (yield from _is_open(keys)):
        try:
            yield from _put(keys, steps, jobs)
            yield protocol.batches.close(keys.batch)
        except QlessError:
            # Another client may have submitted the same workflow in the meantime, or canceled it.
            if (yield from _is_open(keys)):
                raise
    yield from _open_gate(keys)


def _prepared(settings: Settings, keys: Names, planned: Planned) -> EncodedJob:
    step = planned.step
    jid = keys.jid(planned.name)
    options = keys.tagged(step.options, step.klass, step.data)
    job = puts.encode(settings, step.klass, step.data, options, jid)
    wrong = sorted(job.options.keys() & {"depends", "batch", "unique", "on_conflict"})
    if wrong or job.jid != jid:
        raise BadArgumentError(
            f"step {planned.name}: its class wants {', '.join(wrong) or 'a jid'} for its jobs, "
            "which the workflow sets"
        )
    return job


def _stored(planned: Planned, job: EncodedJob) -> StoredStep:
    spec = None
    if "cancel" in planned.after.values():
        spec = {"options": job.options, "data": job.data}
    return StoredStep(planned.name, planned.step.queue, job.klass, planned.after, spec)


def _open(
    settings: Settings, keys: Names, callbacks: Mapping[str, Any], stored: list[StoredStep]
) -> Calls[None]:
    """Open the batch with the plan; an open batch must have the same plan."""
    try:
        yield protocol.batches.open_batch(
            settings, keys.batch, callbacks, remember=plan.pack(stored)
        )
    except AlreadyExistsError:
        known = yield protocol.batches.read_data(keys.batch)
        if known is None or plan.shape(plan.unpack(known)) != plan.shape(stored):
            raise AlreadyExistsError(
                f"there is a workflow {keys.workflow} already, with other steps"
            ) from None


def _is_open(keys: Names) -> Calls[bool]:
    found = yield protocol.batches.read(keys.batch)
    return found is not None and found["state"] == "open"


def _put(keys: Names, steps: Sequence[Planned], jobs: Sequence[EncodedJob]) -> Calls[None]:
    if not steps:
        return
    yield put_gate(keys, keys.gate, steps[0].step.queue, "ignore")
    for start in range(0, len(steps), AT_ONCE):
        some = steps[start : start + AT_ONCE]
        queue, mine = some[0].step.queue, jobs[start : start + AT_ONCE]
        specs = [
            {
                **job.as_map(one.step.queue),
                **edges(keys, one.after or {keys.gate: "wait"}),
                "batch": keys.batch,
                "on_conflict": "ignore",
            }
            for one, job in zip(some, mine, strict=True)
        ]
        yield protocol.puts.put_many_encoded(queue, specs, [job.data for job in mine])
        for one in some:
            if len(one.after) > AT_ONCE:
                yield from more_parents(keys, keys.jid(one.name), one.after)


def put_gate(keys: Names, jid: str, queue: str, on_conflict: str) -> Call[Any]:
    """Put a job that is due in a hundred years."""
    options = {"delay": _NEVER, "tags": [keys.batch], "on_conflict": on_conflict}
    return protocol.puts.put_encoded(queue, jid, _GATE, b"null", options)


def edges(keys: Names, after: Mapping[str, str], *, extra: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options that make a job wait for up to 100 of these steps.

    `extra` are jids of other jobs it waits for.
    """
    room = AT_ONCE - len(extra)
    policies = {_jid(keys, name): policy for name, policy in list(after.items())[:room]}
    policies |= dict.fromkeys(extra, "wait")
    usual = next(iter(policies.values()), "wait")
    other = {jid: policy for jid, policy in policies.items() if policy != usual}
    parents = list(policies)
    given: dict[str, Any] = {"depends": parents, "on_parent_failed": usual, "expects": parents}
    return {**given, "policies": other} if other else given


def _jid(keys: Names, name: str) -> str:
    return name if name == keys.gate else keys.jid(name)


def more_parents(keys: Names, jid: str, after: Mapping[str, str]) -> Calls[None]:
    """Add the missing parents of a job that waits for a gate."""
    found = yield protocol.jobs.read(jid)
    known = set(found.parents) if isinstance(found, JobRecord) else set()
    missing = {keys.jid(name): policy for name, policy in after.items()}
    for policy in dict.fromkeys(missing.values()):
        of_policy = [one for one in missing if missing[one] == policy and one not in known]
        for some in hundreds(of_policy):
            yield protocol.jobs.depend(jid, some, policy)


def hundreds(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split a sequence into parts of up to 100, as one call can carry."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def _open_gate(keys: Names) -> Calls[None]:
    """Complete the gate, unless the workflow is being canceled."""
    found = yield protocol.batches.read(keys.batch)
    if found is not None and "canceled_at" not in found:
        yield from finish(keys.gate)


def finish(gate: str) -> Calls[None]:
    """Complete a gate, unless it is complete or deleted already."""
    try:
        yield protocol.jobs.force_finish_encoded(gate, b"")
    except (AlreadyFinishedError, JobNotFoundError):
        return
