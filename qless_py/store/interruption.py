"""The end of a handler's time, where it was taken for a timeout of the connection.

It is a TimeoutError for whoever calls the handler, and comes at any moment: also in the midst of
reading, where such errors have a meaning of their own, and are made into others or passed over.
"""

from __future__ import annotations

from qless_py.errors import SOFT_LIMITS, SoftLimitError


def mark() -> int:
    """Give the present, for `heed`."""
    return SOFT_LIMITS.number


def heed(marked: int) -> None:
    """Raise it if the time of the handler in this thread has ended since then."""
    if marked != SOFT_LIMITS.number:
        raise SoftLimitError(SOFT_LIMITS.message)
