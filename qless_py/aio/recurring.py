"""Recurring jobs, and what can be done with them."""

from collections.abc import Awaitable, Mapping
from typing import Self

from qless_py.aio.base import AsyncRecurringJobBase, AsyncRecurringJobsBase
from qless_py.client.session import answered
from qless_py.errors import JobNotFoundError
from qless_py.protocol import Call, RecurringRecord, jobs, recurring, recurring_runs
from qless_py.protocol.recurring import RecurSpec, Synced
from qless_py.protocol.recurring_runs import RecurringRun


class AsyncRecurringJob(AsyncRecurringJobBase):
    """A recurring job as it was when it was read.

    Changes apply to future children only; existing ones stay as they are.
    """

    async def tag(self, *tags: str) -> list[str]:
        """Add tags for future children; returns all of them."""
        return (await self._change(recurring.add_tags(self.jid, tags))).tags

    async def untag(self, *tags: str) -> list[str]:
        """Remove tags from future children; returns those left."""
        return (await self._change(recurring.remove_tags(self.jid, tags))).tags

    async def pause(self) -> None:
        """Put no children until resumed."""
        await self._change(recurring.set_paused(self.jid, paused=True))

    async def resume(self) -> None:
        """Put children again, from the first tick that is still to come."""
        await self._change(recurring.set_paused(self.jid, paused=False))

    def run(self) -> Awaitable[str]:
        """Put a child now, in addition to the schedule; returns its jid."""
        return self._session.runner.run(recurring.run(self.jid))

    async def runs(self) -> list[RecurringRun]:
        """Read its last runs, at most 20, newest first, and what became of their children."""
        pages = answered(await self._session.runner.run_many(recurring_runs.read([self])))
        return recurring_runs.decode([self], pages)[0]

    def cancel(self) -> Awaitable[bool]:
        """End the recurring job; existing children stay. Returns whether it existed."""
        return self._session.runner.run(recurring.cancel(self.jid))

    async def refresh(self) -> Self:
        """Read the recurring job again; raises `JobNotFoundError` if it does not exist any more."""
        record = await self._session.runner.run(jobs.read(self.jid))
        if not isinstance(record, RecurringRecord):
            raise JobNotFoundError(f"Recurring job {self.jid} does not exist")
        self._adopt(record)
        return self

    async def _change(self, call: Call[None]) -> Self:
        await self._session.runner.run(call)
        return await self.refresh()


class AsyncRecurringJobs(AsyncRecurringJobsBase[AsyncRecurringJob]):
    """`client.recurring`: recurring jobs by their jids, and all those of a deployment at once."""

    async def _read(self, jid: str) -> AsyncRecurringJob | None:
        record = await self._session.runner.run(jobs.read(jid))
        if not isinstance(record, RecurringRecord):
            return None
        return AsyncRecurringJob(self._session, record)

    async def sync(self, declared: Mapping[str, RecurSpec], *, group: str) -> Synced:
        """Bring the recurring jobs of a group in line with what a deployment declares.

        `declared` maps up to 1,000 jids to their `queue`, `klass`, `data` and the other arguments
        of `Queue.recur`. A job whose schedule is unchanged keeps its ticks and stays paused; jobs
        of the group that are not declared any more are ended. Jobs of other groups are never
        touched: their jids raise `AlreadyExistsError`. Everything is checked here and by the store
        before anything is written, so a refusal changes nothing. If a jid is taken or the store
        becomes unavailable between the two, some are declared, none is ended, and the call can be
        repeated.
        """
        calls = recurring.declare(self._session.settings, declared, group)
        runner = self._session.runner
        answered(await runner.run_many([recurring.check_only(call) for call in calls]))
        jids = answered(await runner.run_many(calls))
        removed: list[str] = []
        more = True
        while more:
            reply = await self._session.runner.run(recurring.sync(group, list(declared)))
            removed, more = removed + reply.removed, reply.more
        return Synced(jids, removed)
