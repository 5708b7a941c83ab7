"""Fetches that are sent before the jobs of the last one have run, so that nobody waits.

While a child runs one batch of short jobs, the server takes the results of the batch before and
leases the next one. The status board says that a reply is still to be read. If a job turns out to
be long meanwhile, the supervisor finds the jobs of that reply in the store, releases them, and
announces it: see `Watchdog`. The child starts none of them then.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from qless_py.worker.child_context import ChildContext, Fetch, HeldJob
from qless_py.worker.status_board import MAX_JOBS

_RENEWALS_PER_LEASE: Final = 3  # As the supervisor renews the leases it knows of.


class FetchAhead:
    """The fetches of a child whose replies it has not read: one, and two between two batches.

    `was_full` says whether the last reply, also to a fetch that was waited for, had as many jobs as
    were asked for: then there may be more.
    """

    def __init__(self, context: ChildContext) -> None:
        self._context = context
        self._sent: deque[Fetch] = deque()
        self.was_full = False

    @property
    def is_under_way(self) -> bool:
        """Whether there is a reply to be read."""
        return bool(self._sent)

    def ask(self, count: int) -> None:
        """Send the results that are kept and a fetch, without waiting for the reply."""
        context = self._context
        if context.may_fetch:
            context.board.mark_ahead(is_ahead=True)
            self._sent.append(context.ask(count))

    def take(self) -> list[HeldJob]:
        """Read the oldest reply and hold its jobs; returns none if they had to be released."""
        context = self._context
        fetch = self._sent.popleft()
        reply = context.answer(fetch)
        self.was_full = len(reply.jobs) == fetch.count
        if len(context.held) + len(reply.jobs) > MAX_JOBS:
            context.acknowledger.exchange()  # Results that are not settled fill the board.
        jobs = context.hold(reply, fetch) if reply.jobs else []
        # Record the jobs before reading control messages. The supervisor, which may be releasing
        # them, does the reverse, so one side always sees the other.
        context.board.mark_ahead(is_ahead=self.is_under_way)
        may_start = context.may_start()
        is_released, context.control.ahead_released = context.control.ahead_released, False
        if jobs and (is_released or not may_start or _is_old(fetch, jobs)):
            context.release(jobs)
            return []
        return jobs

    def drop_released(self) -> None:
        """Read the reply whose jobs the supervisor has released."""
        if self._sent:
            self.take()

    def give_back(self) -> None:
        """Release the jobs of all replies that were not read."""
        while self._sent:
            jobs = self.take()
            if jobs:
                self._context.release(jobs)


def _is_old(fetch: Fetch, jobs: list[HeldJob]) -> bool:
    """Return whether leases might be about to end, which nobody has renewed until now."""
    shortest = min(one.leased.duration for one in jobs)
    return time.monotonic() - fetch.sent_at >= shortest / _RENEWALS_PER_LEASE
