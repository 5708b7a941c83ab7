"""Keep a SoftLimitError from being taken for a timeout of the connection."""

from __future__ import annotations

from typing import NoReturn

from qless_py.errors import SOFT_LIMITS, SoftLimitError


class SoftLimitGuard:
    """Re-raise a SoftLimitError of this thread that redis-py reported as a socket timeout.

    It is raised in a handler at any instruction, also inside redis-py, and is a TimeoutError:
    redis-py then reports a lost connection, or a call is sent again as after one.
    """

    def __init__(self) -> None:
        self._number = SOFT_LIMITS.number

    def reraise(self) -> None:
        """Raise the SoftLimitError that came in this thread since the guard was made, if any."""
        if self._number != SOFT_LIMITS.number:
            reraise()


def reraise() -> NoReturn:
    """Raise the last SoftLimitError of this thread again."""
    raise SoftLimitError(SOFT_LIMITS.message)
