"""Waiting for descriptors, whatever their numbers."""

from __future__ import annotations

import select
from typing import Final

_LONGEST: Final = 86400.0  # Seconds; the kernel counts the milliseconds of a wait in 31 bits.


def readable(seconds: float, *descriptors: int) -> list[int]:
    """Wait until one of them can be read, a day at most; gives those that can, in their order.

    `select.select` would raise above descriptor 1023, which a process with many files open has.
    """
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    ready = {one for one, _ in poll.poll(1000 * min(max(0.0, seconds), _LONGEST))}
    return [one for one in descriptors if one in ready]
