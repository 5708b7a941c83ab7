"""A module that replaces parts of the standard library when it is imported, as gevent does."""

from __future__ import annotations

import selectors
from typing import Any

from qless_py import Job


class _Selector(selectors.SelectSelector):
    """Has no descriptor of its own, like that of gevent."""

    def __getattribute__(self, name: str) -> Any:
        if name == "fileno":
            raise AttributeError(name)
        return super().__getattribute__(name)


selectors.DefaultSelector = _Selector  # type: ignore[assignment, misc]


def runs(_job: Job) -> str:
    return "run"
