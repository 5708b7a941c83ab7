"""The parts of workflows: steps, chains and parallel groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Unpack

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.options import ParentPolicy, PutOptions

DEFAULT_POLICY: Final[ParentPolicy] = "fail"
MAX_NAME: Final = 60
# These follow from the place of a step in its workflow.
_SET_BY_PLACE: Final = frozenset(
    {
        "jid", "depends", "on_parent_failed", "on_conflict", "batch",
        "unique_key", "unique_scope", "unique_window", "unique_conflict",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One job of a workflow; see `step`."""

    queue: str
    klass: Any
    data: Any
    name: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts in sequence; see `chain`."""

    parts: "tuple[Part, ...]"
    policy: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parts in parallel; see `group`."""

    parts: "tuple[Part, ...]"
    callback: "Part | None"


Part = Step | Chain | Group


def step(
    queue: str,
    klass: Any,
    data: Any = None,
    *,
    name: str | None = None,
    **options: Unpack[PutOptions],
) -> Step:
    """Describe a job of a workflow, with the options of a put.

    Without a name it is named by its place. The workflow sets its jid, what it waits for, and what
    happens if it exists; those options raise `BadArgumentError`.
    """
    arguments.name("queue", queue)
    arguments.klass_name(klass)
    if name is not None:
        step_name(name)
    taken = sorted(options.keys() & _SET_BY_PLACE)
    if taken:
        raise BadArgumentError(f"{', '.join(taken)}: set by the workflow, not by its steps")
    arguments.put_options({what: value for what, value in options.items() if what != "codec"})
    return Step(queue, klass, data, name, dict(options))


def chain(*parts: Part, policy: ParentPolicy = DEFAULT_POLICY) -> Chain:
    """Return a chain, in which each part starts when the one before has completed.

    The policy decides what happens to a step when the one before fails or is canceled: it can
    `fail` as well (the default), `wait` until that one is retried, be deleted (`cancel`), or `run`.
    """
    arguments.choice("policy", policy, arguments.PARENT_POLICIES)
    return Chain(tuple(map(checked_part, parts)), policy)


def group(*parts: Part, callback: Part | None = None) -> Group:
    """Return a group, whose parts run in parallel; the callback runs when all of them have ended.

    It runs whether they completed, failed or were canceled. An empty group ends at once.
    """
    after = None if callback is None else checked_part(callback)
    return Group(tuple(map(checked_part, parts)), after)


def checked_part(value: Any) -> Part:
    """Return a part of a workflow; raises BadArgumentError for anything else."""
    if not isinstance(value, Step | Chain | Group):
        raise BadArgumentError(f"{value!r} is no step, chain or group")
    return value


def step_name(value: Any) -> str:
    """Return a valid name of a step: up to 60 characters, so that it fits into jids."""
    name = arguments.name("step", value)
    if len(name) > MAX_NAME:
        raise BadArgumentError(f"step {name!r} is longer than {MAX_NAME} letters")
    return name
