"""What a manager tells those who watch it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class ManagerStats:
    """What a manager has done since it was started, and how its queues stand in the store.

    `failed` are jobs that ended for good here. `dead` is how many lie in the failure groups of its
    topics, which only a person empties.
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
    """Something that happened in a manager, at an instant in seconds since 1970."""

    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStarted(Happening):
    """It takes jobs. `recovered` are jids that a manager of this host held when it died."""

    recovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerStopped(Happening):
    """It takes no more jobs, and none is left running. The last thing that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerReport(Happening):
    """How things stand; told again and again."""

    stats: ManagerStats


@dataclass(frozen=True, slots=True, kw_only=True)
class OfTask(Happening):
    """Something that happened to a job of this manager."""

    jid: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPut(OfTask):
    """It was put, through this manager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(OfTask):
    """Its handler begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted(OfTask):
    """It is complete."""

    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetried(OfTask):
    """It will be run again, because of this exception or because the handler said so."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed(OfTask):
    """It has failed for good, with this exception if its handler raised one."""

    error: BaseException | None = None


class Watch:
    """What happens in a manager from now on; iterate over it, or `get` one thing at a time.

    Iterating ends after `ManagerStopped`. Who falls behind by 10,000 things misses the oldest of
    them: `missed` counts those.
    """

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers
        self._queue: queue.Queue[Happening] = queue.Queue(_MOST)
        self.missed = 0

    def get(self, timeout: float | None = None) -> Happening | None:
        """Give the next thing, or `None` when nothing happened in time."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def add(self, happening: Happening) -> None:
        """Take what happened."""
        while True:
            try:
                self._queue.put_nowait(happening)
            except queue.Full:
                self.missed += self.get(0) is not None
            else:
                return

    def close(self) -> None:
        """Watch no more."""
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
    """All who watch. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Watch] = []

    def new(self) -> Watch:
        """Begin to watch."""
        watch = Watch(self)
        with self._lock:
            self._all.append(watch)
        return watch

    def remove(self, watch: Watch) -> None:
        """Stop telling one of them."""
        with self._lock:
            if watch in self._all:
                self._all.remove(watch)

    def tell(self, happening: Happening) -> None:
        """Tell everybody."""
        with self._lock:
            for watch in self._all:
                watch.add(happening)
