"""What is prepared before a fork, so that no child has to do it again."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable
from typing import Final

from qless_py.scripts import assemble as scripts

logger = logging.getLogger(__name__)

_SCRIPTS: Final = ("worker_register", "pop", "tick", "complete", "complete_many", "fail", "release")


def load(names: Iterable[str]) -> None:
    """Import modules; one that cannot be imported is told of, and fails its jobs later."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            logger.exception("cannot import %s ahead of its jobs", name)
        except BaseException as error:  # noqa: BLE001 - a module that exits ends no worker
            logger.error("cannot import %s ahead of its jobs: it raises %r", name, error)  # noqa: TRY400


def assemble() -> None:
    """Put the scripts together that every child will need; each is found ready after a fork."""
    for name in _SCRIPTS:
        scripts.script(name)
