"""Heartbeats of a supervisor's workers, and the state that they and the probe report."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from qless_py import package, protocol
from qless_py.protocol import Call
from qless_py.worker.child_process import ChildProcess
from qless_py.worker.options import WorkerOptions
from qless_py.worker.outbox import Outbox
from qless_py.worker.process_table import ProcessTable
from qless_py.worker.recycling import memory_usage

logger = logging.getLogger(__name__)

_INTERVAL: Final = 10.0


class Heartbeat:
    """Sends the heartbeats of all children together, and reads the configuration with them.

    `shortest_lease` is the shortest lease, in seconds, of any queue.
    """

    def __init__(self, options: WorkerOptions, table: ProcessTable, outbox: Outbox) -> None:
        self._options = options
        self._table = table
        self._outbox = outbox
        self._due_at = 0.0
        self.shortest_lease = 60.0

    def due_in(self, now: float) -> float:
        """Return the seconds until the next heartbeat can be sent."""
        return max(0.0, self._due_at - now, self._outbox.retry_in(now))

    def send_soon(self) -> None:
        """Make the next heartbeat due at once."""
        self._due_at = 0.0

    def send(self, state: str) -> dict[str, str]:
        """Send the heartbeats when they are due; return the command that waits for each worker."""
        now = time.monotonic()
        if now < self._due_at:
            return {}
        infos = {child.worker: self._info(child, state) for child in self._table}
        beats: list[Call[Any]] = [protocol.workers.beat(name, infos[name]) for name in infos]
        replies = self._outbox.run([*beats, protocol.config.read()])
        if replies is None:
            return {}
        self._due_at = now + _INTERVAL
        logger.debug("heartbeats sent workers=%d", len(infos))
        if not isinstance(replies[-1], Exception):
            self.read_config(replies[-1])
        commands = zip(infos, replies[:-1], strict=True)
        return {name: one for name, one in commands if one and not isinstance(one, Exception)}

    def read_config(self, config: dict[str, Any]) -> None:
        """Read the lengths of leases from the configuration in the store."""
        of_queues = [value for name, value in config.items() if name.endswith("-heartbeat")]
        self.shortest_lease = min(float(one) for one in (config["heartbeat"], *of_queues))

    def probe_state(self, *, is_stopping: bool, is_quiet: bool) -> dict[str, object]:
        """Return the state of the whole worker for the probe."""
        has_store = not self._outbox.is_store_away
        is_able = has_store and not is_stopping and not is_quiet
        return {
            "ready": is_able and not self._table.missing,
            "stopping": is_stopping,
            "quiet": is_quiet,
            "store": has_store,
            "children": len(self._table),
            "wanted": len(self._table.wanted),
            "busy": sum(len(child.board.read().running) for child in self._table),
            "pid": os.getpid(),
        }

    def metrics(self, state: Mapping[str, object], accept: str) -> tuple[bytes, str]:
        """Return the metrics of the whole worker and their content type, for the probe."""
        from qless_py.metrics.exposition import render  # noqa: PLC0415 - only for a probe
        from qless_py.metrics.process import ProcessMetrics, WorkerNumbers  # noqa: PLC0415

        children, tally = list(self._table), self._table.tally
        numbers = WorkerNumbers(
            state=state,
            slots=len(children) * self._options.concurrency,
            pending=len(self._outbox.pending),
            renewals=tally.renewals,
            lost=tally.lost,
            outcomes=tally.outcomes_with(one.board for one in children),
            exits=tally.exits,
            resident=_resident(children),
        )
        return render(ProcessMetrics(numbers), accept)

    def _info(self, child: ChildProcess, state: str) -> bytes:
        """Describe a child: where it is, what it may do, how busy it is. Memory is in bytes."""
        if child.is_retired:
            state = "stopping"
        elif child.is_quiet:
            state = "quiet"
        info = {
            "host": self._options.host,
            "pid": child.pid,
            "parent": os.getpid(),
            "version": package.__version__,
            "queues": list(self._options.queues),
            "slots": self._options.concurrency,
            "busy": len(child.board.read().running),
            "jobs": child.board.ended,
            "rss": memory_usage(child.pid),
            "state": state,
            "started_at": round(time.time() - (time.monotonic() - child.forked_at), 3),
        }
        return json.dumps(info, separators=(",", ":")).encode()


def _resident(children: Iterable[ChildProcess]) -> dict[str, int]:
    """Return the memory of the children by index; a retired child and its successor share one."""
    found: Counter[str] = Counter()
    for child in children:
        found[str(child.index)] += memory_usage(child.pid)
    return found
