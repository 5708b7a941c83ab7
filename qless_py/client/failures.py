# Generated from qless_py/aio/failures.py by bin/generate-sync: edit that file.
"""Failures by group: what failed, since when, how often, and with which messages.

client.failures.groups(since=time.time() - 3600)
client.failures.group("app.Send-Timeout").clusters[0].count
"""

from collections.abc import Callable

from qless_py.client.failure_groups import (
    MAX_EXAMINED,
    MAX_SAMPLE,
    FailureList,
    GroupDetails,
    Sort,
    select,
    summarize,
)
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError
from qless_py.protocol import deploys, failures
from qless_py.protocol.failures import MAX_PAGE


class Failures:
    """`client.failures`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def groups(
        self,
        *,
        since: float = 0,
        seen: bool = False,
        new: bool = False,
        text: str = "",
        sort: Sort = "last",
    ) -> FailureList:
        """Return the groups that have failed jobs, or all that were `seen` within memory.

        `since` (Unix seconds) keeps those that failed since then, `new` those that were first seen
        after the newest deploy marker, `text` those whose group, queues or klasses contain it.
        `sort` is by `last` or `first` failure or by the `count` of failed jobs. The 1,000 groups
        with the latest failures are examined; the store remembers 500 after their jobs are gone.
        """
        steps = range(0, MAX_EXAMINED, MAX_PAGE)
        calls = [failures.groups(offset, MAX_PAGE, since=since, seen=seen) for offset in steps]
        newest, *pages = self._session.runner.run_many([deploys.read_all(), *calls])
        for reply in (newest, *pages):
            if isinstance(reply, Exception):
                raise reply
        return select(pages, newest, since=since, new=new, text=text, sort=sort)

    def group(
        self,
        group: str,
        *,
        sample: int = MAX_SAMPLE,
        redact: Callable[[str], str] = str,
    ) -> GroupDetails:
        """Return the messages of a group in clusters, and its klasses, queues and workers.

        They are those of at most `sample` of its failed jobs, the newest (500 by default, 1,000 at
        most); `redact` changes each message before it is compared.
        """
        if not 1 <= sample <= 2 * MAX_SAMPLE:
            raise BadArgumentError(f"sample {sample!r} is not from 1 to {2 * MAX_SAMPLE}")
        found = []
        total = looked_at = 0
        while looked_at < sample:
            page = self._session.runner.run(
                failures.texts(group, looked_at, min(MAX_PAGE, sample - looked_at))
            )
            found += page.texts
            total, looked_at = page.total, looked_at + page.looked_at
            if not page.looked_at or looked_at >= total:
                break
        return summarize(group, found, total, redact)
