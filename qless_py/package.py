"""The version of the package, and the location of its Lua and web files."""

from importlib.resources import files
from pathlib import Path
from typing import Final

__version__ = "0.1.0"

_PACKAGE: Final = "qless_py"


def path(name: str) -> Path:
    """Return the folder `lua` or `web`: inside the package in a wheel, beside it in a checkout."""
    package = Path(str(files(_PACKAGE)))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
