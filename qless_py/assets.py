"""Find the data folders that are not Python: the Lua scripts and the web files."""

from importlib.resources import files
from pathlib import Path

_PACKAGE = "qless_py"


def path(name: str) -> Path:
    """Give the folder ``lua`` or ``web``.

    A wheel carries both inside the package; in an editable install they lie beside it.
    """
    package = Path(str(files(_PACKAGE)))
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
