"""The plan of a workflow: its steps in an order in which they could run, and their keys.

The plan is stored with the workflow's batch, so that the workflow can be inspected, canceled and
retried by its name alone, even when some of its jobs have been deleted.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from qless_py.client.workflow.steps import MAX_NAME, Step
from qless_py.errors import BadArgumentError, CycleError
from qless_py.protocol import arguments

MAX_PARENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """A step with its name and the policy of each edge to a step before it."""

    name: str
    step: Step
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A step in the stored plan; `spec` holds the whole job if a policy may delete it."""

    name: str
    queue: str
    klass: str
    after: Mapping[str, str]
    spec: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a workflow's batch, tag, jobs and gate."""

    workflow: str

    @property
    def batch(self) -> str:
        """The name of its batch, which is also its tag."""
        return f"workflow:{self.workflow}"

    @property
    def gate(self) -> str:
        """The jid of the gate: a job that all first steps wait for until the last one is put."""
        return f"{self.workflow}::gate"

    def jid(self, step: str) -> str:
        """Return the jid of a step."""
        return f"{self.workflow}:{step}"

    def hold(self, step: str) -> str:
        """Return the jid of the job that one step waits for while its parents are added."""
        return f"{self.workflow}::hold.{step}"

    def tagged(self, options: Mapping[str, Any], klass: Any, data: Any) -> dict[str, Any]:
        """Return a job's options with the workflow's tag added to its own or its class's tags."""
        tags = options.get("tags") or arguments.defaults(klass, data).get("tags") or ()
        return {**options, "tags": [*arguments.names("tags", tags), self.batch]}

    def is_gate(self, jid: str) -> bool:
        """Return whether the jid is that of a gate."""
        return jid.startswith(f"{self.workflow}::")

    def step(self, jid: str) -> str | None:
        """Return the step that a jid belongs to, or `None`."""
        name = jid.removeprefix(f"{self.workflow}:")
        return None if name == jid or name.startswith(":") else name


def names(workflow: Any) -> Names:
    """Return the names of a workflow; its own name has no colon and up to 60 characters."""
    name = arguments.name("workflow", workflow)
    if ":" in name or len(name) > MAX_NAME:
        raise BadArgumentError(f"workflow {name!r} has a colon, or over {MAX_NAME} letters")
    return Names(name)


def in_order(steps: Iterable[Planned]) -> list[Planned]:
    """Sort steps so that each comes after all it waits for; raises CycleError with the path."""
    waiting = {one.name: one for one in steps}
    open_parents = {name: len(one.after) for name, one in waiting.items()}
    dependents: dict[str, list[str]] = {name: [] for name in waiting}
    for one in waiting.values():
        for parent in one.after:
            dependents[parent].append(one.name)
    ready = [name for name, number in open_parents.items() if not number]
    ordered = []
    for name in ready:  # `ready` grows during the loop
        ordered.append(waiting.pop(name))
        for dependent in dependents[name]:
            open_parents[dependent] -= 1
            if not open_parents[dependent]:
                ready.append(dependent)
    if waiting:
        path = " -> ".join(_circle(waiting))
        raise CycleError(f"these steps wait for each other, each for the one before: {path}")
    return ordered


def _circle(left: Mapping[str, Planned]) -> list[str]:
    """Walk from step to parent until one repeats; every step left has a parent that is left."""
    path: list[str] = []
    seen: dict[str, int] = {}
    name = next(iter(left))
    while name not in seen:
        seen[name] = len(path)
        path.append(name)
        name = next(parent for parent in left[name].after if parent in left)
    circle = path[seen[name] :]
    return [name, *reversed(circle)]


def pack(steps: Iterable[StoredStep]) -> bytes:
    """Encode a plan for the store."""
    rows = [[one.name, one.queue, one.klass, dict(one.after), one.spec] for one in steps]
    packed: bytes = msgpack.packb(rows, use_bin_type=True)
    return zlib.compress(packed)


def unpack(stored: bytes) -> list[StoredStep]:
    """Decode a stored plan."""
    return [StoredStep(*row) for row in msgpack.unpackb(zlib.decompress(stored))]


def shape(steps: Iterable[StoredStep]) -> list[tuple[Any, ...]]:
    """Return what two plans of the same workflow must have in common; data may differ."""
    return [(one.name, one.queue, one.klass, sorted(one.after.items())) for one in steps]


def by_step(jid: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results by step name, without those of jobs outside the workflow."""
    keys = Names(jid.partition(":")[0])
    named = ((keys.step(parent), result) for parent, result in results.items())
    return {step: result for step, result in named if step is not None}
