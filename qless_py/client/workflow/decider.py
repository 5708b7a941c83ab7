"""Deciders: a state machine in one class, whose methods are steps that decide what comes next.

Every step is a job. The next steps are put by the same call that completes the step, so a crash
neither loses nor duplicates a step: a step that was not completed runs again, and what it had
decided has no effect.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, Final, Unpack, overload

from qless_py import protocol
from qless_py.client.job import Job
from qless_py.client.session import AsyncSession, Session
from qless_py.client.workflow import plan
from qless_py.errors import BadArgumentError, HandlerNotFoundError
from qless_py.protocol import arguments, instrumentation, puts
from qless_py.protocol.options import PutOptions, Seconds

_OWN: Final = frozenset({"jid", "depends", "on_parent_failed", "batch", "tags"})


class Decision(Exception):  # noqa: N818 - not an error: what a step decides, returned or raised
    """The decision of a step: `Next`, `Branch` or `End`."""


class Next(Decision):
    """Continue with a step: now, after a `delay` in seconds, or `at` a time.

    `at` is in Unix seconds or a datetime with a time zone. The other options are those of a put; by
    default the queue and priority stay.
    """

    def __init__(
        self,
        step: str,
        data: Any = None,
        *,
        queue: str | None = None,
        **options: Unpack[PutOptions],
    ) -> None:
        super().__init__(step)
        taken = sorted(options.keys() & _OWN)
        if taken:
            raise BadArgumentError(f"{', '.join(taken)}: set by the decider, not by its steps")
        at = options.pop("at", None)
        if at is not None and options.get("delay") is not None:
            raise BadArgumentError("at and delay exclude each other")
        self.step = step
        self.data = data
        self.queue = None if queue is None else arguments.name("queue", queue)
        self.at = None if at is None else arguments.instant("at", at) / 1000
        self.options: Mapping[str, Any] = options

    def delay(self, now: float) -> Seconds | None:
        """Return how many seconds to wait."""
        return self.options.get("delay") if self.at is None else max(0.0, self.at - now)


class Branch(Decision):
    """Continue with up to 100 parallel steps, and with `join` when all branches have ended.

    A branch ends with a step that decides on no next one. `join` runs when all branches have
    ended; a step that fails delays it until that step is retried. With `always`, `join` also runs
    when branches have failed or were canceled.
    """

    def __init__(self, *steps: Next, join: Next | None = None, always: bool = False) -> None:
        super().__init__(", ".join(one.step for one in steps))
        if len(steps) > arguments.MAX_PER_CALL:
            raise BadArgumentError(f"{len(steps)} branches; {arguments.MAX_PER_CALL} are the most")
        self.steps = steps
        self.join = join
        self.always = always


class End(Decision):
    """End the branch with a result, as a step does that returns a value which is no decision."""

    def __init__(self, result: Any = None) -> None:
        super().__init__("end")
        self.result = result


class Decider:
    """The base class of a state machine: each public method is a step, called with its data.

    A step returns or raises a `Decision`; any other value ends the branch it is in. `self.job` is
    the job of the step. Steps may be `async def`. Start it with `begin`, and read its status,
    cancel it or retry it by `client.workflows[name]`.
    """

    job: Job
    first: ClassVar[str] = "start"
    """The step that `begin` puts by default."""

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
        """Put the first step; returns the name by which all steps can be found.

        With a name that is in use it changes nothing. With a client for asyncio, await it.
        """
        keys = plan.names(name or puts.new_jid())
        begins = cls._checked(step or cls.first)
        taken = sorted(options.keys() & (_OWN - {"tags", "batch"}))
        if taken:
            raise BadArgumentError(f"{', '.join(taken)}: set by the decider, not by its steps")
        wrapped = _wrapped(begins, data)
        given = keys.tagged({"on_conflict": "ignore", **options}, cls, wrapped)
        job = puts.encode(client.settings, cls, wrapped, given, keys.jid(begins))
        if instrumentation.current is not None:
            instrumentation.current.create(queue, [job])
        wire = (arguments.name("queue", queue), job.jid, job.klass, job.data, job.options)
        return client.runner.run(protocol.puts.put_encoded(*wire).map(lambda _: keys.workflow))

    @classmethod
    def _checked(cls, name: Any) -> str:
        """Return the name of a step: a public method that `Decider` itself does not have."""
        if (
            not arguments.is_name(name)
            or name.startswith("_")
            or hasattr(Decider, name)
            or not inspect.isfunction(inspect.getattr_static(cls, name, None))
        ):
            raise HandlerNotFoundError(f"{cls.__qualname__} has no step {name!r}")
        return name

    def perform(self, job: Job) -> Any:
        """Run the step of a job; its decision takes effect when the job completes."""
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
        """Add the next steps as follow-ups of the job; returns the job's result."""
        match decision:
            case Next():
                self._follow_up(decision, self.job.batch_name)
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
        """Add the branches as follow-ups, in a batch that puts `join` when they have ended."""
        around, join = self.job.batch_name, decision.join
        if join is None:
            self._follow_up_all(decision, around)
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
        self._follow_up_all(decision, own)
        return None

    async def _branch_later(self, opened: Awaitable[Any], decision: Branch, own: str) -> None:
        await opened
        self._follow_up_all(decision, own)

    def _follow_up_all(self, decision: Branch, into: str | None) -> None:
        for one in decision.steps:
            self._follow_up(one, into)

    def _follow_up(self, decision: Next, into: str | None) -> None:
        spec = self._spec(decision, into)
        puts.follow_up(self.job, spec["queue"], type(self), spec["data"], _rest(spec))

    def _spec(self, decision: Next, into: str | None) -> dict[str, Any]:
        """Return the job of a step in the form of a put."""
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
    """Return the options of a put without those that are arguments."""
    core = ("klass", "data", "queue", "jid")
    return {name: value for name, value in spec.items() if name not in core and value is not None}
