"""The work of the demo's jobs: list a folder, count the lines and functions of a source file.

Nothing here uses queues; the plain count for comparison calls the same functions.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

# Installed packages live inside the library's folder but are not part of it.
_LEFT_OUT: Final = frozenset({"site-packages", "dist-packages", "__pycache__"})
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


class BrokenFileError(Exception):
    """A source file is not valid Python."""


@dataclass(frozen=True, slots=True)
class FolderList:
    """The folders and source files directly in a folder, sorted by name."""

    folders: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileCount:
    """The counts of one source file. `parsed` is false if only its lines could be counted."""

    lines: int
    functions: int
    classes: int
    size: int
    sha256: str
    parsed: bool

    def as_result(self) -> dict[str, Any]:
        """Return the counts as the result of a job."""
        return asdict(self)


@dataclass(slots=True)
class Totals:
    """Sums over many files."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    size: int = 0
    unparsed: int = 0
    # A sum of hashes: any changed byte changes it, the order of adding does not.
    checksum: int = 0

    def add(self, count: FileCount) -> None:
        """Add one file."""
        self.files += 1
        self.lines += count.lines
        self.functions += count.functions
        self.classes += count.classes
        self.size += count.size
        self.unparsed += not count.parsed
        self.checksum = (self.checksum + int(count.sha256[:16], 16)) % 2**64


def list_folder(folder: str | os.PathLike[str]) -> FolderList:
    """List a folder's source files and the folders below it; links to folders are not followed."""
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _LEFT_OUT and not entry.name.startswith("."):
                    folders.append(entry.name)
            elif entry.name.endswith(".py") and entry.is_file():
                files.append(entry.name)
    return FolderList(tuple(sorted(folders)), tuple(sorted(files)))


def walk(folder: Path) -> Iterator[Path]:
    """Yield every source file of a tree, as the jobs for its folders find them."""
    listed = list_folder(folder)
    yield from (folder / name for name in listed.files)
    for name in listed.folders:
        yield from walk(folder / name)


def count_file(path: str | os.PathLike[str], *, strict: bool = False) -> FileCount:
    """Hash and parse one file.

    Of a file that does not parse, such as some tests of the parser, only the lines are counted;
    with `strict` it raises `BrokenFileError`.
    """
    source = Path(path).read_bytes()
    functions = classes = 0
    parsed = True
    try:
        for node in ast.walk(_parse(source)):
            functions += isinstance(node, _FUNCTIONS)
            classes += isinstance(node, ast.ClassDef)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if strict:
            raise BrokenFileError(f"{Path(path).name}: {_reason(source, error)}") from error
        functions = classes = 0
        parsed = False
    lines = source.count(b"\n") + (not source.endswith(b"\n") and bool(source))
    digest = hashlib.sha256(source).hexdigest()
    return FileCount(lines, functions, classes, len(source), digest, parsed)


def count_tree(folder: Path) -> tuple[Totals, dict[str, FileCount]]:
    """Count a whole tree in this process, without a queue: the numbers to compare with."""
    totals, counts = Totals(), {}
    for path in walk(folder):
        count = count_file(path)
        counts[str(path.relative_to(folder))] = count
        totals.add(count)
    return totals, counts


def _parse(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Warnings about the indexed files do not matter here.
        return ast.parse(source)


def _reason(source: bytes, error: Exception) -> str:
    try:
        tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as unreadable:
        return str(unreadable)
    return str(error)
