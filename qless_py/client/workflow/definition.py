"""The definition of a workflow, before any of its jobs are put."""

from collections.abc import Iterable, Mapping
from typing import Any, Self, Unpack

from qless_py.client.batch import BatchOptions
from qless_py.client.workflow import plan, steps
from qless_py.client.workflow.plan import MAX_PARENTS, Planned
from qless_py.client.workflow.steps import DEFAULT_POLICY, Chain, Group, Part, Step
from qless_py.errors import AlreadyExistsError, BadArgumentError, CycleError
from qless_py.protocol import arguments
from qless_py.protocol.options import ParentPolicy, PutOptions

After = str | Iterable[str] | Mapping[str, ParentPolicy]


class Workflow:
    """Steps by name, each after others; `client.workflows.submit(workflow)` puts their jobs.

    The name (up to 60 characters) identifies the workflow: submitting it again continues an
    interrupted submission. The callbacks are those of a batch of all steps: jobs put when all have
    completed (`on_success`), when all have ended (`on_complete`), or when the first one has failed
    (`on_failure`). `within` makes the workflow a member of another batch.
    """

    def __init__(
        self, name: str, part: Part | None = None, **options: Unpack[BatchOptions]
    ) -> None:
        self.name = plan.names(name).workflow
        self.options = options
        self._steps: dict[str, tuple[Step, list[tuple[str, str]]]] = {}
        self._ends: dict[str, list[str]] = {}
        self._unnamed = 0
        if part is not None:
            self._lay("", steps.checked_part(part), [])

    def step(
        self,
        name: str,
        queue: str,
        klass: Any,
        data: Any = None,
        *,
        after: After = (),
        **options: Unpack[PutOptions],
    ) -> Self:
        """Add a step with the options of a put, after other steps, which may be added later.

        `after` names them. As a mapping it also has the policy for each, which decides what happens
        when that step fails or is canceled: `fail` (the default), `wait`, `cancel` or `run`. Raises
        `AlreadyExistsError` if the name is taken.
        """
        return self.add(steps.step_name(name), steps.step(queue, klass, data, **options), after)

    def add(self, name: str, part: Part, after: After = ()) -> Self:
        """Add a step, chain or group; steps after this name come after all of its steps."""
        steps.step_name(name)
        if name in self._steps or name in self._ends:
            raise AlreadyExistsError(f"workflow {self.name} has two steps {name}: {self._at(name)}")
        number = len(self._steps)
        try:
            self._ends[name] = self._lay(name, steps.checked_part(part), _edges(after))
        except Exception:
            for added in list(self._steps)[number:]:
                del self._steps[added]
            raise
        return self

    def _at(self, name: str) -> str:
        known = list(self._steps)
        numbers = f"number {known.index(name) + 1} and " if name in self._steps else ""
        return f"{numbers}number {len(known) + 1}"

    def _lay(self, name: str, part: Part, edges: list[tuple[str, str]]) -> list[str]:
        """Add the steps of a part; return those at its end, or those before it if it is empty."""
        match part:
            case Step():
                return [self._lay_step(part.name or name, part, edges)]
            case Chain():
                return self._lay_chain(name, part, edges)
            case Group():
                return self._lay_group(name, part, edges)

    def _lay_step(self, name: str, one: Step, edges: list[tuple[str, str]]) -> str:
        name = steps.step_name(name or "1")
        if name in self._steps:
            raise AlreadyExistsError(f"workflow {self.name} has two steps {name}: {self._at(name)}")
        self._steps[name] = (one, edges)
        return name

    def _lay_chain(self, name: str, one: Chain, edges: list[tuple[str, str]]) -> list[str]:
        for number, part in enumerate(one.parts, 1):
            ends = self._lay(_inside(name, number), part, edges)
            edges = _after(ends, one.policy, edges)
        return [parent for parent, _ in edges]

    def _lay_group(self, name: str, one: Group, edges: list[tuple[str, str]]) -> list[str]:
        laid = [
            self._lay(_inside(name, number), part, edges)
            for number, part in enumerate(one.parts, 1)
        ]
        ends = list(dict.fromkeys(end for some in laid for end in some))
        if not laid:
            ends = [parent for parent, _ in edges]
        if one.callback is None:
            return ends
        return self._lay(_inside(name, "callback"), one.callback, _after(ends, "run", edges))

    def plan(self) -> list[Planned]:
        """Return the steps in an order in which they could run.

        Raises `CycleError` with the path of a cycle, and `BadArgumentError` for an unknown step or
        one that waits for more than 1,000 others.
        """
        return plan.in_order([self._planned(name) for name in self._steps])

    def _planned(self, name: str) -> Planned:
        one, edges = self._steps[name]
        after: dict[str, str] = {}
        for parent, policy in edges:
            for end in self._resolved(name, parent, ()):
                after.setdefault(end, policy)
        if len(after) > MAX_PARENTS:
            raise BadArgumentError(
                f"step {name} waits for {len(after)} others; {MAX_PARENTS} is the most"
            )
        return Planned(name, one, after)

    def _resolved(self, name: str, parent: str, path: tuple[str, ...]) -> list[str]:
        """Return the steps that a name refers to; the name of a part refers to its last steps."""
        if parent in self._steps:
            return [parent]
        if parent in path:  # empty groups, each after the other
            circle = " -> ".join((parent, *reversed(path[path.index(parent) :])))
            raise CycleError(f"these parts wait for each other in a circle: {circle}")
        if parent not in self._ends:
            raise BadArgumentError(
                f"step {name} (number {list(self._steps).index(name) + 1}) comes after {parent}, "
                f"which is not a step of workflow {self.name}"
            )
        beyond = (*path, parent)
        return [end for one in self._ends[parent] for end in self._resolved(name, one, beyond)]

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return f"<Workflow {self.name} ({len(self)} steps)>"


def _inside(name: str, part: object) -> str:
    return f"{name}.{part}" if name else str(part)


def _after(ends: list[str], policy: str, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the edges to the last steps; steps before an empty part keep their policy."""
    known = dict(before)
    return [(end, known.get(end, policy)) for end in ends]


def _edges(after: Any) -> list[tuple[str, str]]:
    if isinstance(after, Mapping):
        for policy in after.values():
            arguments.choice("policy", policy, arguments.PARENT_POLICIES)
        return list(zip(arguments.names("after", after, None), after.values(), strict=True))
    names = [after] if isinstance(after, str) else after
    return [(name, DEFAULT_POLICY) for name in arguments.names("after", names, None)]
