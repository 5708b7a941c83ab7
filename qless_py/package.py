"""The version of the package, and where its files that are not Python are."""

from importlib.resources import files
from pathlib import Path
from typing import Final

__version__ = "0.1.0"

_PACKAGE: Final = "qless_py"


def path(name: str) -> Path:
    """Return the folder `lua` or `web`.

    A wheel carries both inside the package; in an editable install they are beside it.
    """
    package = Path(str(files(_PACKAGE)))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
