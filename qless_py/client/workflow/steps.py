"""What workflows are made of: steps, chains of them, and groups side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Unpack

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as checks
from qless_py.protocol.arguments import PutOptions

DEFAULT_POLICY: Final = "fail"
LONGEST_NAME: Final = 60
# A step waits for what its place in the workflow says, and for nothing else.
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
    """Parts one after the other; see `chain`."""

    parts: "tuple[Part, ...]"
    policy: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parts side by side; see `group`."""

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

    Without a name it is called by its place. What it waits for, its jid and what happens when it
    exists are said by the workflow.
    """
    checks.name("queue", queue)
    checks.klass_name(klass)
    if name is not None:
        step_name(name)
    taken = sorted(options.keys() & _SET_BY_PLACE)
    if taken:
        raise BadArgumentError(f"{', '.join(taken)}: the workflow says that of its steps")
    checks.put_options({what: value for what, value in options.items() if what != "codec"})
    return Step(queue, klass, data, name, dict(options))


def chain(*parts: Part, policy: str = DEFAULT_POLICY) -> Chain:
    """Let each part begin when the one before has completed.

    The policy says what happens to a step when the one before has failed or was canceled: it may
    `fail` as well, `wait` for somebody who revives that, be deleted (`cancel`), or `run`.
    """
    checks.choice("policy", policy, checks.PARENT_POLICIES)
    return Chain(tuple(map(checked_part, parts)), policy)


def group(*parts: Part, callback: Part | None = None) -> Group:
    """Let parts run side by side; the callback runs when all of them have ended in whatever way.

    An empty group is over at once.
    """
    after = None if callback is None else checked_part(callback)
    return Group(tuple(map(checked_part, parts)), after)


def checked_part(value: Any) -> Part:
    """Refuse what cannot be part of a workflow."""
    if not isinstance(value, Step | Chain | Group):
        raise BadArgumentError(f"{value!r} is no step, chain or group")
    return value


def step_name(value: Any) -> str:
    """Check the name of a step, which has to fit into jids."""
    name = checks.name("step", value)
    if len(name) > LONGEST_NAME:
        raise BadArgumentError(f"step {name!r} is longer than {LONGEST_NAME} letters")
    return name
