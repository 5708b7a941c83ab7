"""The audit log of the namespace: who changed what, through which door, with what outcome.

The dashboard, the command line and the HTTP API record the changes that people make through them,
and workers the commands that they carry out. What producers and workers do with jobs all day is not
recorded. The option `audit-log` says how many entries are kept.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from qless_py.client.session import AsyncSession
from qless_py.protocol import audit
from qless_py.protocol.audit import AuditEntry, AuditPage


class AsyncAudit:
    """`client.audit`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, entry: AuditEntry) -> Awaitable[str]:
        """Record an entry; returns its id, or "" while the log is off.

        Programs of your own can record what people change with them.
        """
        return self._session.runner.run(audit.add(entry))

    def page(  # noqa: PLR0913 - everything that can be searched for
        self,
        *,
        cursor: str | None = None,
        count: int = 100,
        since: float | dt.datetime | None = None,
        who: str | None = None,
        action: str | None = None,
        target: str | None = None,
        door: str | None = None,
        outcome: str | None = None,
    ) -> Awaitable[AuditPage]:
        """Read a page of entries, the newest first.

        `who`, `action` and `target` are patterns in which `*` matches any characters; an entry with
        several targets matches by each of them. A page examines at most 1,000 entries, so it can
        be empty and still have a cursor.
        """
        return self._session.runner.run(
            audit.read(
                before=cursor,
                limit=count,
                since=since,
                who=who,
                action=action,
                target=target,
                door=door,
                outcome=outcome,
            )
        )

    async def search(self, **filters: Any) -> AsyncIterator[AuditEntry]:
        """Yield all entries that match, the newest first; for the filters see `page`."""
        cursor: str | None = None
        while True:
            found = await self.page(cursor=cursor, **filters)
            entries, cursor = iter(found.entries), found.cursor
            while (entry := next(entries, None)) is not None:
                yield entry
            if cursor is None:
                return
