"""The scripts with bounds so small that a few jobs, queues and users reach them."""

from functools import cache

from qless_py import package
from qless_py.scripts import assemble

LIMITS = {
    "housekeeping": 2,
    "tasks": 2,
    "task_items": 1,
    "openings": 1,
    "gates": 2,
    "visited": 1,
    "examined": 2,
    "users": 2,
    "lookups": 2,
    "remembered": 2,
    "refusals": 2,
}


@cache
def library() -> assemble.Library:
    """Return the library of the package with the limits above."""
    return assemble.assemble(package.path("lua"), LIMITS)
