"""Detect changed source files, for development."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_INTERVAL: Final = 0.5
_MAX_FILES: Final = 20_000  # In a larger project the rest is not watched.


class Reloader:
    """Watches the source files of modules, of everything below them, and of their folder."""

    def __init__(self, imports: Iterable[str]) -> None:
        self._roots = sorted({root for name in imports for root in _roots(name)})
        self._check_at = 0.0
        self._files = self._scan()

    def due_in(self, now: float) -> float:
        """Return the seconds until the files are scanned again."""
        return max(0.0, self._check_at - now)

    def has_changed(self) -> bool:
        """Return whether a file was changed, added or removed since this last returned True."""
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + _INTERVAL
        files = self._scan()
        if files == self._files:
            return False
        self._files = files
        return True

    def _scan(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for path in self._paths():
            try:
                stat = path.stat()
            except OSError:
                continue
            found[str(path)] = (stat.st_mtime_ns, stat.st_size)
            if len(found) >= _MAX_FILES:
                break
        return found

    def _paths(self) -> Iterator[Path]:
        for root in self._roots:
            if root.is_file():
                yield root
                continue
            for folder, folders, files in os.walk(root):
                folders[:] = [one for one in folders if not one.startswith((".", "__pycache__"))]
                yield from (Path(folder, one) for one in files if one.endswith(".py"))


def _roots(name: str) -> Iterator[Path]:
    """Yield where a module is; only its first part is looked up, which imports nothing."""
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
