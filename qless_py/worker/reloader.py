"""Noticing that source files have changed, for development."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_EVERY: Final = 0.5
_MOST: Final = 20_000  # Files looked at; a project with more than that is not watched in full.


class Watch:
    """The source files of some modules, of all below them, and of their folder."""

    def __init__(self, imports: Iterable[str]) -> None:
        self._roots = sorted({root for name in imports for root in _roots(name)})
        self._look_at = 0.0
        self._seen = self._look()

    def pause(self, now: float) -> float:
        """Give the seconds until the files are looked at again."""
        return max(0.0, self._look_at - now)

    def has_changed(self) -> bool:
        """Whether a file has changed, come or gone since the last time this was true."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + _EVERY
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        return True

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self._files():
            try:
                stat = path.stat()
            except OSError:
                continue
            found[str(path)] = (stat.st_mtime_ns, stat.st_size)
            if len(found) >= _MOST:
                break
        return found

    def _files(self) -> Iterator[Path]:
        for root in self._roots:
            if root.is_file():
                yield root
                continue
            for folder, folders, files in os.walk(root):
                folders[:] = [one for one in folders if not one.startswith((".", "__pycache__"))]
                yield from (Path(folder, one) for one in files if one.endswith(".py"))


def _roots(name: str) -> Iterator[Path]:
    """Give where a module lies; only its first part is looked up, which imports nothing."""
    top = name.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return
    if spec.submodule_search_locations:
        yield from (Path(one) for one in spec.submodule_search_locations)
    elif spec.origin:
        yield Path(spec.origin)
