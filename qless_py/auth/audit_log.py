"""The log of who changed what: `qless_py.dashboard.audit`, which reaches stderr by default."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

LOGGER: Final = logging.getLogger("qless_py.dashboard.audit")


class _LastResort(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to the present stderr what no other handler would get."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Where to write: programs and tests may replace stderr at any time."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        if not _has_other_handlers(self):
            super().emit(record)


def _has_other_handlers(own: logging.Handler) -> bool:
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        if any(one is not own for one in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def prepare() -> None:
    """Make audit lines reach a log unless the application has chosen otherwise.

    They are INFO, which the root logger drops by default, and without any handler Python writes
    only warnings. `dictConfig` disables loggers that exist before it, so this undoes that.
    """
    if LOGGER.level == logging.NOTSET:
        LOGGER.setLevel(logging.INFO)
    LOGGER.disabled = False
    if not any(isinstance(one, _LastResort) for one in LOGGER.handlers):
        handler = _LastResort()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        LOGGER.addHandler(handler)
