"""The pages of the main menu, in their order: the one place where a page is added to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask import current_app, g, request

from qless_py.dashboard.context import link


@dataclass(frozen=True, slots=True)
class Item:
    """A page of the menu. `key` opens it after `g`; all but primary ones are below “More”.

    `view` is the endpoint. An item without such an endpoint is left out.
    """

    label: str
    view: str
    key: str
    is_primary: bool = False


ITEMS: Final = (
    Item("Overview", "overview", "o", is_primary=True),
    Item("Queues", "queues", "q", is_primary=True),
    Item("Jobs", "jobs", "j", is_primary=True),
    Item("Failures", "failures", "f", is_primary=True),
    Item("Workflows", "workflows", "l", is_primary=True),
    Item("Schedules", "recurring", "s", is_primary=True),
    Item("Workers", "workers", "w", is_primary=True),
    Item("Metrics", "statistics", "m"),
    Item("Throttles", "throttles", "t"),
    Item("Operations", "operations", "b"),
    Item("Tags", "tags", "g"),
    Item("Tracked", "tracked", "k"),
    Item("Events", "events", "e"),
    Item("Audit", "audit", "a"),
    Item("Config", "config", "c"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as shown on the current page, which `is_here` if it is this page or above it."""

    item: Item
    url: str
    is_here: bool


def entries(*, are_primary: bool) -> list[Entry]:
    """Return the primary items of the menu, or those below “More”."""
    root = link("overview")
    here = f"{request.script_root}{request.path}".removeprefix(root)
    found = []
    for item in ITEMS:
        is_known = f"{g.qless_py_blueprint}.{item.view}" in current_app.view_functions
        if item.is_primary != are_primary or not is_known:
            continue
        url = link(item.view)
        below = url.removeprefix(root)
        is_here = here == below or (below != "" and here.startswith(f"{below}/"))
        found.append(Entry(item, url, is_here))
    return found
