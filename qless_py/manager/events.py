"""The events of a manager, and how to watch them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

_MAX_QUEUED: Final = 10_000


@dataclass(frozen=True, slots=True)
class ManagerStats:
    """Counters of a manager since its start, and the present sizes of its queues.

    `failed` counts jobs that failed for good in this manager. `dead` is the number of jobs in the
    failure groups of its topics, where they stay until someone retries or deletes them.
    """

    put: int = 0
    started: int = 0
    retried: int = 0
    failed: int = 0
    completed: int = 0
    waiting: int = 0
    scheduled: int = 0
    running: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of a manager; `at` is in seconds since 1970."""

    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStarted(Happening):
    """It fetches jobs. `recovered` are the jids held by dead managers of this host."""

    recovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStopped(Happening):
    """It holds no job and fetches none. This is the last event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerReport(Happening):
    """The statistics, sent every `stats_interval` seconds."""

    stats: ManagerStats


@dataclass(frozen=True, slots=True, kw_only=True)
class _TaskEvent(Happening):
    """An event of one job."""

    jid: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPut(_TaskEvent):
    """The job was put through this manager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(_TaskEvent):
    """The job starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted(_TaskEvent):
    """The job is complete; `result` is what its handler returned."""

    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried(_TaskEvent):
    """The job will run again, because of `error`, or because its handler or a stop asked for it."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed(_TaskEvent):
    """The job failed for good, with `error` if its handler raised one."""

    error: BaseException | None = None


class Watch:
    """The events of a manager from now on: iterate, or `get` one at a time.

    The iteration ends after `ManagerStopped`. At most 10,000 events are queued; then the oldest is
    dropped for each new one, and `missed` counts those.
    """

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._queue: queue.Queue[Happening] = queue.Queue(_MAX_QUEUED)
        self.missed = 0

    def get(self, timeout: float | None = None) -> Happening | None:
        """Return the next event, or None if there is none within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def add(self, happening: Happening) -> None:
        """Queue an event."""
        while True:
            try:
                self._queue.put_nowait(happening)
            except queue.Full:
                self.missed += self.get(0) is not None
            else:
                return

    def close(self) -> None:
        """Stop watching."""
        self._watchers.remove(self)

    def __iter__(self) -> Iterator[Happening]:
        while (happening := self.get()) is not None:
            yield happening
            if isinstance(happening, ManagerStopped):
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class Watchers:
    """All watches of a manager. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Watch] = []

    def new(self) -> Watch:
        """Return a new watch."""
        watch = Watch(self)
        with self._lock:
            self._all.append(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """Remove a watch."""
        with self._lock:
            if watch in self._all:
                self._all.remove(watch)

    def send(self, happening: Happening) -> None:
        """Send an event to every watch."""
        with self._lock:
            for watch in self._all:
                watch.add(happening)
