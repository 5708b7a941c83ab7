"""The plan of a workflow: its steps in an order in which they could run, and where they belong.

The plan is stored with the batch of the workflow, so that it can be looked at, canceled and
retried by its name alone, also when some of its jobs are gone.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from qless_py.client.workflow.steps import LONGEST_NAME, Step
from qless_py.errors import BadArgumentError, CycleError
from qless_py.protocol import arguments as checks

MOST_PARENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Planned:
    """A step with its name and the policy of each edge to a step before it."""

    name: str
    step: Step
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredStep:
    """What is remembered of a step; `spec` holds the whole job if a policy may delete it."""

    name: str
    queue: str
    klass: str
    after: Mapping[str, str]
    spec: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """How the keys of a workflow are called: its tag and batch, its jobs, its gate."""

    workflow: str

    @property
    def batch(self) -> str:
        """Give the name of its batch, which is its tag as well."""
        return f"workflow:{self.workflow}"

    @property
    def gate(self) -> str:
        """Give the jid of the job that holds all others back until the last one is put."""
        return f"{self.workflow}::gate"

    def jid(self, step: str) -> str:
        """Give the jid of a step."""
        return f"{self.workflow}:{step}"

    def hold(self, step: str) -> str:
        """Give the jid of the job that holds one step back while it gets its parents."""
        return f"{self.workflow}::hold.{step}"

    def tagged(self, options: Mapping[str, Any], klass: Any, data: Any) -> dict[str, Any]:
        """Give the options of a job with the tag beside those that it or its class wants."""
        tags = options.get("tags") or checks.defaults(klass, data).get("tags") or ()
        return {**options, "tags": [*checks.names("tags", tags), self.batch]}

    def is_gate(self, jid: str) -> bool:
        """Tell whether the job only holds others back."""
        return jid.startswith(f"{self.workflow}::")

    def step(self, jid: str) -> str | None:
        """Give the step that a jid is of, `None` for the jid of anything else."""
        name = jid.removeprefix(f"{self.workflow}:")
        return None if name == jid or name.startswith(":") else name


def names(workflow: Any) -> Names:
    """Check the name of a workflow."""
    name = checks.name("workflow", workflow)
    if ":" in name or len(name) > LONGEST_NAME:
        raise BadArgumentError(f"workflow {name!r} has a colon, or over {LONGEST_NAME} letters")
    return Names(name)


def in_order(steps: Iterable[Planned]) -> list[Planned]:
    """Sort steps so that each comes after all that it waits for; refuse a circle by its path."""
    waiting = {one.name: one for one in steps}
    open_parents = {name: len(one.after) for name, one in waiting.items()}
    dependents: dict[str, list[str]] = {name: [] for name in waiting}
    for one in waiting.values():
        for parent in one.after:
            dependents[parent].append(one.name)
    ready = [name for name, number in open_parents.items() if not number]
    ordered = []
    for name in ready:  # grows while it is gone through
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
    """Walk from a step to one that it waits for until one comes twice; each of these has some."""
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
    """Write a plan as it is stored."""
    rows = [[one.name, one.queue, one.klass, dict(one.after), one.spec] for one in steps]
    packed: bytes = msgpack.packb(rows, use_bin_type=True)
    return zlib.compress(packed)


def unpack(stored: bytes) -> list[StoredStep]:
    """Read a stored plan."""
    return [StoredStep(*row) for row in msgpack.unpackb(zlib.decompress(stored))]


def shape(steps: Iterable[StoredStep]) -> list[tuple[Any, ...]]:
    """Give what two plans of the same workflow have in common, whatever their data."""
    return [(one.name, one.queue, one.klass, sorted(one.after.items())) for one in steps]


def by_step(jid: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Name results by the steps of the workflow that a job belongs to, and leave others out."""
    keys = Names(jid.partition(":")[0])
    named = ((keys.step(parent), result) for parent, result in results.items())
    return {step: result for step, result in named if step is not None}
