"""Importing the modules of handlers before they are needed."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable

logger = logging.getLogger(__name__)


def load(names: Iterable[str]) -> None:
    """Import modules; one that cannot be imported is told of, and fails its jobs later."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            logger.exception("cannot import %s ahead of its jobs", name)
