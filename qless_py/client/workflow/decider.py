"""Deciders: a state machine in one class, whose methods are steps that say what comes next.

Every step is a job. What comes next is put by the very call that completes the step, so a crash
loses no step and doubles none: a step that was not completed runs again, and whatever it had
decided did not happen.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, Unpack, overload

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.client.session import AsyncSession, Session
from qless_py.client.workflow import plan
from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.protocol import arguments as checks
from qless_py.protocol import puts
from qless_py.protocol.arguments import PutOptions, Seconds

_OWN: Final = frozenset({"jid", "depends", "on_parent_failed", "batch", "tags"})


class Decision(Exception):  # noqa: N818 - no error: what a step decides, returned or raised
    """What a step has decided: `Next`, `Branch` or `End`."""


class Next(Decision):
    """Go on with a step: now, after a `delay` in seconds, or `at` a point in time.

    The other options are those of a put; if not given, the queue and priority stay.
    """

    def __init__(
        self,
        step: str,
        data: Any = None,
        *,
        queue: str | None = None,
        at: float | datetime | None = None,
        **options: Unpack[PutOptions],
    ) -> None:
        super().__init__(step)
        taken = sorted(options.keys() & _OWN)
        if taken:
            raise BadArgumentError(f"{', '.join(taken)}: the decider says that of its steps")
        if at is not None and options.get("delay") is not None:
            raise BadArgumentError("a step comes either after a delay or at a point in time")
        self.step = step
        self.data = data
        self.queue = None if queue is None else checks.name("queue", queue)
        self.at = None if at is None else checks.instant("at", at) / 1000
        self.options: Mapping[str, Any] = options

    def delay(self, now: float) -> Seconds | None:
        """Give how long to wait."""
        return self.options.get("delay") if self.at is None else max(0.0, self.at - now)


class Branch(Decision):
    """Go on with several steps side by side, at most 100, and with `join` when all have ended.

    A branch ends when one of its steps decides for nothing more. Without `always`, `join` comes
    once all branches have come to their end; a step that fails keeps it waiting until it is
    revived. With `always` it comes when all have ended in whatever way.
    """

    def __init__(self, *steps: Next, join: Next | None = None, always: bool = False) -> None:
        super().__init__(", ".join(one.step for one in steps))
        if len(steps) > checks.MOST_AT_ONCE:
            raise BadArgumentError(f"{len(steps)} branches; {checks.MOST_AT_ONCE} are the most")
        self.steps = steps
        self.join = join
        self.always = always


class End(Decision):
    """Be done, with a result; a step that returns a value which is no decision says the same."""

    def __init__(self, result: Any = None) -> None:
        super().__init__("end")
        self.result = result


class Decider:
    """The base of a state machine: each public method is a step, called with the step's data.

    A step returns or raises a `Decision`; whatever else it returns ends the branch that it is in.
    `self.job` is the job of the step. Steps may be `async def`. Begin with `begin`; look at it,
    cancel it and retry it under its name by `client.workflows[name]`.
    """

    job: Job
    first: ClassVar[str] = "start"
    """The step that `begin` begins with, unless it is told another one."""

    performs_every_queue: ClassVar[bool] = True

    @overload
    @classmethod
    def begin(
        cls,
        client: Session,
        queue: str,
        data: Any = None,
        *,
        name: str | None = None,
        step: str | None = None,
        **options: Unpack[PutOptions],
    ) -> str: ...

    @overload
    @classmethod
    def begin(
        cls,
        client: AsyncSession,
        queue: str,
        data: Any = None,
        *,
        name: str | None = None,
        step: str | None = None,
        **options: Unpack[PutOptions],
    ) -> Awaitable[str]: ...

    @classmethod
    def begin(
        cls,
        client: Any,
        queue: str,
        data: Any = None,
        *,
        name: str | None = None,
        step: str | None = None,
        **options: Unpack[PutOptions],
    ) -> Any:
        """Put the first step; give the name under which all steps can be found.

        Begun again under the same name, it changes nothing. With a client for asyncio, await it.
        """
        keys = plan.names(name or puts.new_jid())
        begins = cls._checked(step or cls.first)
        taken = sorted(options.keys() & (_OWN - {"tags", "batch"}))
        if taken:
            raise BadArgumentError(f"{', '.join(taken)}: the decider says that of its steps")
        wrapped = _wrapped(begins, data)
        given = keys.tagged({"on_conflict": "ignore", **options}, cls, wrapped)
        job = puts.encode(client.settings, cls, wrapped, given, keys.jid(begins))
        wire = (checks.name("queue", queue), job.jid, job.klass, job.data, job.options)
        return client.runner.run(protocol.puts.put_encoded(*wire).map(lambda _: keys.workflow))

    @classmethod
    def _checked(cls, name: Any) -> str:
        """Refuse what is no step: private names, and what a decider has anyway."""
        if (
            not checks.is_name(name)
            or name.startswith("_")
            or hasattr(Decider, name)
            or not inspect.isfunction(inspect.getattr_static(cls, name, None))
        ):
            raise HandlerNotFoundError(f"{cls.__qualname__} has no step {name!r}")
        return name

    def perform(self, job: Job) -> Any:
        """Run the step of a job; what it decides takes effect with the job's completion."""
        self.job = job
        value = job.data
        if not isinstance(value, Mapping) or "step" not in value:
            raise BadArgumentError(f"job {job.jid} was not put by a decider")
        step = getattr(self, self._checked(value["step"]))
        try:
            decision = step(value.get("data"))
        except Decision as raised:
            decision = raised
        if inspect.isawaitable(decision):
            return self._awaited(decision)
        return self._decided(decision)

    async def _awaited(self, running: Awaitable[Any]) -> Any:
        try:
            decision = await running
        except Decision as raised:
            decision = raised
        done = self._decided(decision)
        return await done if inspect.isawaitable(done) else done

    def _decided(self, decision: Any) -> Any:
        """Hold back what comes next until the job completes; give the job's result."""
        match decision:
            case Next():
                self._hold_back(decision, self.job.batch_name)
            case Branch():
                return self._branch(decision)
            case End(result=result):
                return result
            case type() if issubclass(decision, Decision):
                raise BadArgumentError(f"{decision.__qualname__} was decided without saying what")
            case _:
                return decision
        return None

    def _branch(self, decision: Branch) -> Awaitable[None] | None:
        """Hold the branches back, in a batch that calls `join` back at their end."""
        around, join = self.job.batch_name, decision.join
        if join is None:
            self._hold_back_all(decision, around)
            return None
        spec = self._spec(join, None)
        jid = puts.derive(self.job, spec["queue"], type(self), spec["data"], _rest(spec)).jid
        which = "on_complete" if decision.always else "on_success"
        callbacks = {which: {**spec, "jid": jid}, "within": around}
        own = protocol.batches.name_for(self.job, None)
        call = protocol.batches.open_batch(self.job.session.settings, own, callbacks, self.job)
        opened: object = self.job.session.runner.run(call)
        if inspect.isawaitable(opened):
            return self._branch_later(opened, decision, own)
        self._hold_back_all(decision, own)
        return None

    async def _branch_later(self, opened: Awaitable[Any], decision: Branch, own: str) -> None:
        await opened
        self._hold_back_all(decision, own)

    def _hold_back_all(self, decision: Branch, into: str | None) -> None:
        for one in decision.steps:
            self._hold_back(one, into)

    def _hold_back(self, decision: Next, into: str | None) -> None:
        spec = self._spec(decision, into)
        puts.follow_up(self.job, spec["queue"], type(self), spec["data"], _rest(spec))

    def _spec(self, decision: Next, into: str | None) -> dict[str, Any]:
        """Describe the job of a step, as a put does."""
        job = self.job
        return {
            "priority": job.priority or None,
            **decision.options,
            "klass": type(self),
            "data": _wrapped(self._checked(decision.step), decision.data),
            "queue": decision.queue or job.queue_name,
            "delay": decision.delay(job.session.settings.clock()),
            "tags": job.tags,
            "batch": into,
        }


def _wrapped(step: str, data: Any) -> dict[str, Any]:
    return {"step": step, "data": data}


def _rest(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options of a put without what it has arguments for."""
    core = ("klass", "data", "queue", "jid")
    return {name: value for name, value in spec.items() if name not in core and value is not None}
