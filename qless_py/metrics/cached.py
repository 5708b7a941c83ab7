"""One reading of the store shared by everybody who asks within a second."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

REFRESH: Final = 1.0  # Seconds for which a reading serves all who ask.
PATIENCE: Final = 3.0  # Seconds after which a store that does not answer counts as away.

T = TypeVar("T")


class Cached(Generic[T]):
    """Reads at most once in `refresh` seconds, however many ask at once.

    A reading runs in a thread, so that a store that has stopped keeps nobody longer than
    `patience`; until it ends no other one begins. `failed` makes the value when a reading raises or
    does not end in time.
    """

    def __init__(
        self,
        read: Callable[[], T],
        failed: Callable[[object], T],
        refresh: float = REFRESH,
        patience: float = PATIENCE,
    ) -> None:
        self._read, self._failed = read, failed
        self._refresh, self._patience = refresh, patience
        self._lock = threading.Lock()
        self._reading: _Reading[T] | None = None

    def get(self) -> T:
        """Return a value that is at most `refresh` seconds old when it is read."""
        with self._lock:
            reading = self._reading
            if reading is None or reading.is_over(self._refresh):
                reading = self._reading = _Reading(self._read, self._failed)
        return reading.wait(self._patience)


class _Reading(Generic[T]):
    """One reading in a thread of its own."""

    def __init__(self, read: Callable[[], T], failed: Callable[[object], T]) -> None:
        self._read, self._failed = read, failed
        self._ended = threading.Event()
        self._pid = os.getpid()
        self._begun_at = time.monotonic()
        self._found: list[T] = []
        threading.Thread(target=self._run, name="qless-py-metrics", daemon=True).start()

    def is_over(self, refresh: float) -> bool:
        """Return whether it has ended and is too old, or its thread is in another process."""
        is_old = time.monotonic() - self._begun_at >= refresh
        return (self._ended.is_set() and is_old) or self._pid != os.getpid()

    def wait(self, patience: float) -> T:
        """Return what was read, or what stands for a store that does not answer in time."""
        self._ended.wait(patience)
        return self._found[0] if self._found else self._failed(f"no answer within {patience:g} s")

    def _run(self) -> None:
        try:
            self._found.append(self._read())
        except Exception as error:  # noqa: BLE001 - waiting callers must get a value
            self._found.append(self._failed(error))
        finally:
            self._ended.set()
