"""Save assembled scripts beside the compiled files of Python, in `__pycache__`.

Assembling the twelve scripts of a worker takes 0.09 s, and reading them again 0.01 s. A process
that may not write there assembles them each time.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "__pycache__"
# Another assembler makes other scripts of the same files.
_ASSEMBLER: Final = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]


def digest(sources: Mapping[Path, str]) -> str:
    """Return what identifies all Lua files and the assembler."""
    found = hashlib.sha256(b"\0".join(_ASSEMBLER))
    for file, text in sources.items():
        found.update(f"{file}\0{text}\0".encode())
    return found.hexdigest()


def load(name: str, made_of: str) -> str | None:
    """Return the saved text of a script; None if it is of another digest, or damaged."""
    try:
        head, _, text = _file(name).read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if head == _head(text, made_of) else None


def save(name: str, text: str, made_of: str) -> None:
    """Save the text of a script, unless that is impossible or Python writes no such files."""
    if sys.dont_write_bytecode:
        return
    file = _file(name)
    part = file.with_suffix(f".{os.getpid()}")
    # Another thread or process may write the same, and replaces it by the same.
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        try:
            part.write_bytes(f"{_head(text, made_of)}\n{text}".encode())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def _file(name: str) -> Path:
    return _FOLDER / f"{name.replace('/', '-')}.script"


def _head(text: str, made_of: str) -> str:
    return f"{made_of} {hashlib.sha256(text.encode()).hexdigest()}"
