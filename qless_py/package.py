"""The version of the package, and the location of its Lua and web files."""

from pathlib import Path

__version__ = "0.1.0"


def path(name: str) -> Path:
    """Return the folder `lua` or `web`: inside the package in a wheel, beside it in a checkout."""
    # Not by importlib.resources, which imports modules at its first use: a process that another
    # thread forks meanwhile would wait for ever for the lock of that import.
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
