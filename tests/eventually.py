"""Wait until something that another thread or process does has happened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

# Long enough for a slow machine that runs other tests, shorter than the time limit of a test.
PATIENCE = 40.0

T = TypeVar("T")


def eventually(
    condition: Callable[[], T],
    message: str | Callable[[], object] = "it never happened",
    *,
    within: float = PATIENCE,
    every: float = 0.01,
) -> T:
    """Call `condition` every `every` seconds until it returns a true value; return that value.

    Fails after `within` seconds, with `message` (called, if it is a function) and the last value.
    """
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not (found := condition()):
        if time.monotonic() > deadline:
            text = message if isinstance(message, str) else message()
            raise AssertionError(f"{text} (after {within} s, last seen: {found!r})")
        pause.wait(every)
    return found
