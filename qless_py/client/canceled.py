# Generated from qless_py/aio/canceled.py by bin/generate-sync: edit that file.
"""Canceled jobs, which are kept apart for a while and can be restored.

    client.cancel(jid, by="ann", reason="wrong customer")
    client.canceled.get(jid).cancel_reason
    client.canceled.restore(jid)

The options `canceled-history`, `canceled-history-count` and `canceled-history-size` say for how
long, how many and how many bytes. `client.jobs` knows nothing of them.
"""

from collections.abc import Iterable

from qless_py.client.base import CanceledBase
from qless_py.errors import QlessError, WrongStateError
from qless_py.protocol import arguments, canceled, cursors
from qless_py.protocol.canceled import SLICE, CanceledJob, CanceledPage, Restored

_BUDGET = 5_000


class Canceled(CanceledBase):
    """`client.canceled`."""

    def get(self, jid: str) -> CanceledJob | None:
        """Read a canceled job, or `None` if no copy of it is kept."""
        return self._session.runner.run(canceled.read(self._session.settings, jid))

    def page(
        self, cursor: str | None = None, count: int = 25, **filters: str | None
    ) -> CanceledPage:
        """Read a page of up to 1,000 canceled jobs, newest first, from the `cursor` of another one.

        Filters are `jid`, `queue`, `klass`, `tag`, `user`, `by` and `reason`; `*` matches any
        characters. A page looks at no more than about 5,000 jobs, so it may have a cursor and
        fewer jobs than `count`.
        """
        wanted = canceled.filters(filters)
        most = arguments.whole("count", count, 1, 1000)
        mark = cursors.page_mark(cursor)
        found: list[CanceledJob] = []
        total = looked_at = 0
        while True:
            call = canceled.read_slice(self._session.settings, mark, SLICE, wanted)
            part = self._session.runner.run(call)
            room = most - len(found)
            found += part.jobs[:room]
            total, looked_at, mark = part.total, looked_at + part.looked_at, part.after
            if len(part.jobs) > room:
                mark = canceled.mark_of(found[-1])
            if mark is None or len(found) == most or looked_at >= _BUDGET:
                return CanceledPage(found, total, looked_at, canceled.next_cursor(mark))

    def restore(self, jid: str) -> None:
        """Restore a canceled job: into its queue with its age, or failed as it was.

        Raises `JobNotFoundError` if no copy is kept, `AlreadyExistsError` if its jid or unique key
        is taken, `WrongStateError` if it waits for a job that is itself canceled, and
        `BatchNotFoundError` or `BatchClosedError` if its batch does not take it back.
        """
        refused = (self.restore_each(jid)).refused
        if refused:
            raise refused[jid]

    def restore_each(self, *jids: str) -> Restored:
        """Restore canceled jobs, each judged by itself; the answer says which were refused.

        Jobs that depend on each other are restored together, parents first.
        """
        restored: list[str] = []
        refused: dict[str, QlessError] = {}
        left = arguments.names("jids", jids, None)
        while left:
            waiting: list[str] = []
            for names in _hundreds(left):
                answers = self._session.runner.run(canceled.restore(names))
                for jid, error in zip(names, answers, strict=True):
                    if error is None:
                        restored.append(jid)
                        refused.pop(jid, None)
                        continue
                    refused[jid] = error
                    if isinstance(error, WrongStateError):
                        waiting.append(jid)
            # Its parent may have been in a later hundred.
            left = waiting if len(waiting) < len(left) else []
        return Restored(restored, refused)

    def delete(self, *jids: str) -> int:
        """Delete canceled jobs for good; returns how many were kept."""
        deleted = 0
        for names in _hundreds(jids):
            deleted += self._session.runner.run(canceled.delete(names))
        return deleted


def _hundreds(jids: Iterable[str]) -> Iterable[list[str]]:
    """Yield the jids in lists of at most a hundred, each once."""
    checked = arguments.names("jids", jids, None)
    return [checked[at : at + SLICE] for at in range(0, len(checked), SLICE)]
