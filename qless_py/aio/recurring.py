"""A recurring job for asyncio; what is an attribute to set in `qless_py` is `update` here."""

from collections.abc import Awaitable, Mapping
from typing import Any, Self, Unpack

from qless_py import protocol
from qless_py.client.recurring import found
from qless_py.client.session import AsyncSession
from qless_py.protocol import RecurringRecord, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import recurring_calls as recur_calls
from qless_py.protocol.arguments import RecurUpdate
from qless_py.protocol.recurring_calls import RecurSpec, Synced
from qless_py.protocol.recurring_fields import RecurringAttributes


class AsyncRecurringJob(RecurringAttributes):
    """A recurring job as it was when it was read."""

    def __init__(self, session: AsyncSession, record: RecurringRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    async def update(self, **changes: Unpack[RecurUpdate]) -> Self:
        """Change attributes, all or none of them."""
        await self._session.run(recur_calls.update_call(self, self._settings, dict(changes)))
        return await self.refresh()

    async def tag(self, *tags: str) -> list[str]:
        """Add tags for future children; give all of them."""
        return (await self._change({"add_tags": checks.names("tags", tags)})).tags

    async def untag(self, *tags: str) -> list[str]:
        """Remove tags from future children; give those left."""
        return (await self._change({"remove_tags": checks.names("tags", tags)})).tags

    async def pause(self) -> None:
        """Make no children until resumed."""
        await self._change({"paused": True})

    async def resume(self) -> None:
        """Make children again, from the first slot that is still to come."""
        await self._change({"paused": False})

    def run(self) -> Awaitable[str]:
        """Put a child now, beside the schedule; give its jid."""
        return self._session.run(protocol.recurring.run(self.jid))

    def cancel(self) -> Awaitable[bool]:
        """Make no more children; tells whether it was there."""
        return self._session.run(protocol.recurring.cancel(self.jid))

    async def refresh(self) -> Self:
        """Read the recurring job again."""
        self._adopt(found(await self._session.run(reads.job(self.jid)), self.jid))
        return self

    async def _change(self, options: dict[str, Any]) -> Self:
        await self._session.run(protocol.recurring.update(self.jid, options))
        return await self.refresh()


class AsyncRecurringJobs:
    """`client.recurring`; see `qless_py.client.recurring.RecurringJobs`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, jid: str) -> AsyncRecurringJob | None:
        """Read a recurring job; `None` if there is none."""
        record = await self._session.run(reads.job(checks.name("jid", jid)))
        if not isinstance(record, RecurringRecord):
            return None
        return AsyncRecurringJob(self._session, record)

    async def sync(self, declared: Mapping[str, RecurSpec], *, group: str) -> Synced:
        """Bring the recurring jobs of a group in line with what a deployment declares."""
        calls, prune = recur_calls.sync_calls(self._session.settings, declared, group)
        answers = await self._session.run_many(calls) if calls else []
        jids = [recur_calls.taken(one) for one in answers]
        removed: list[str] = []
        more = True
        while more:
            reply = await self._session.run(prune)
            removed, more = removed + reply.removed, reply.more
        return Synced(jids, removed)
