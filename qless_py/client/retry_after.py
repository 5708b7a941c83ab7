"""Read the `Retry-After` header of HTTP."""

import email.utils
import math
import time
from collections.abc import Callable
from datetime import UTC
from typing import Any


def retry_after(
    value: str | float | None,
    default: float = 60.0,
    longest: float = 86_400.0,
    *,
    clock: Callable[[], float] = time.time,
) -> float:
    """Return the seconds that a server asks for in a `Retry-After` header.

        job.back_off(retry_after(response.headers.get("Retry-After")))

    The header holds a number of seconds or a date; anything else, or `None`, returns `default`. The
    result is from 0 to `longest`, so no server can block a throttle for years.
    """
    asked = _seconds(value)
    if asked is None:
        at = _date(value)
        asked = default if at is None else at - clock()
    return min(max(asked, 0.0), longest)


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def _date(value: Any) -> float | None:
    try:
        at = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError, AttributeError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()  # HTTP knows only UTC.
