"""Three files that are not Python, made by the demo so that failures can be seen."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

FILES: Final = MappingProxyType(
    {
        "half_a_function.py": b"def begun(:\n    return\n",
        "zero_bytes.py": b"value = 1\n\x00\x00\x00\n",
        "no_such_encoding.py": b"# -*- coding: klingon -*-\nvalue = 1\n",
    },
)


def write_into(folder: Path) -> None:
    """Write the broken files into a folder, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
