"""No page has accessibility violations, with any data, colour scheme or screen size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from qless_py import Client
from tests.dashboard import hostile_text
from tests.dashboard.browser import sample_data
from tests.dashboard.browser.conftest import Site
from tests.dashboard.hostile_text import CORPUS, LONG

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.leaves_children,
    pytest.mark.timeout(400),
]

AXE: Final = Path(axe_playwright_python.__file__).with_name("axe.min.js")
PHONE: Final = 390
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ALL: Final = {"runOnly": TAGS, "resultTypes": ["violations"]}
COLOURS: Final = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
# Paths that are answered with an error, which the browser mentions.
WRONG: Final = ("/nowhere", "/jobs?q=stat:x")

ORDINARY: Final = (
    "/", "/queues", "/queues/mail", "/queues/mail?tab=waiting", "/queues/mail?tab=running",
    "/queues/mail?tab=users", "/queues/mail?tab=settings", "/queues/mail?tab=recurring",
    "/queues/stopped", "/jobs", "/jobs/mail-0", "/jobs/mail-1", "/jobs/mail-2", "/jobs/child",
    "/jobs/of-ann", "/failures", "/failures/group?group=app.mail.Send:Timeout",
    "/jobs?q=state:complete",
    "/tracked", "/tags", "/tags/eu", "/workers", "/recurring", "/recurring/digest", "/recur",
    "/throttles", "/throttles/api", "/config", "/put", "/put?from=mail-0", "/operations",
    "/statistics", "/statistics?klass=app.mail.Send&view=table",
    "/statistics?queue=mail&compare=day",
    "/workflows", "/workflows/photos", "/workflows/photos?unfold=size-0&zoom=fit",
    "/workflows?kind=batch", "/batches/night", "/jobs/mail-3/edit", "/canceled", "/canceled/gone",
    "/audit", "/events",
    *WRONG,
)  # fmt: skip
LISTS: Final = (
    "/", "/queues", "/jobs", "/failures", "/tracked", "/tags", "/workers", "/recurring",
    "/throttles", "/operations", "/workflows", "/workflows?kind=batch", "/statistics?by=klass",
    "/canceled", "/audit", "/events",
)  # fmt: skip


def _hostile(client: Client) -> Iterator[str]:
    """Yield all lists, and one page of the other kinds for each hostile text."""
    yield from LISTS
    groups = sorted(client.jobs.failed())
    jobs = ("waits", "fails", "ends", "recurs")
    yield from (f"/jobs/{jobs[number % 4]}-{number}" for number in range(len(CORPUS)))
    yield from (f"/queues/{kind}-1?tab=waiting" for kind in ("queue", "stopped"))
    yield from (f"/failures/group?group={quote(group)}" for group in groups[:2])
    yield f"/put?klass={quote(CORPUS[1])}&queue={quote(CORPUS[3])}&data={quote(CORPUS[3])}"
    yield from (f"/operations/{one.jid}" for one in client.operations.recent(1))
    yield from (f"/jobs/{LONG}-{number}" for number in (1, 2, 3, 4))
    yield from ("/workers/worker-1", f"/workers/{LONG}", f"/recurring/{LONG}-5", f"/tags/{LONG}")
    yield from (f"/workflows/{LONG[:60]}", f"/batches/{LONG}")
    yield from (f"/throttles/{LONG}", f"/failures/group?group={LONG}", f"/jobs?q=queue:{LONG}")
    yield from (f"/queues/{LONG}?tab={tab}" for tab in ("stats", "throttled", "users", "settings"))


def _axe(page: Page, options: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the violations on a page, each with its first elements."""
    run = "options => axe.run(document, options).then(found => found.violations)"
    found = page.evaluate(run, options)
    return [(one["id"], [str(node["target"]) for node in one["nodes"][:3]]) for one in found]


def _faults(page: Page, url: str, *, in_all: bool) -> Iterator[object]:
    """Check a page in light mode on a desktop and in dark mode on a phone, colours in all four."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    page.goto(url)
    page.evaluate(AXE.read_text())
    yield from _axe(page, ALL)
    page.emulate_media(color_scheme="dark")
    if in_all:
        yield from _axe(page, COLOURS)
    page.set_viewport_size({"width": PHONE, "height": 844})
    yield from _axe(page, ALL)
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > PHONE:
        yield "wider than the screen", width
    if in_all:
        page.emulate_media(color_scheme="light")
        yield from _axe(page, COLOURS)


@pytest.mark.parametrize("kind", ["ordinary", "hostile", "empty"])
def test_no_page_has_accessibility_violations(
    live: Client, site: Callable[..., Site], kind: str
) -> None:
    paths: list[str] = list(LISTS)
    if kind == "ordinary":
        sample_data.fill(live)
        operations = [f"/operations/{one.jid}" for one in live.operations.recent()]
        paths = [*ORDINARY, *operations]
    elif kind == "hostile":
        hostile_text.fill(live)
        paths = list(_hostile(live))
    served = site()
    found = []

    with served.page(reduced_motion="reduce") as page:
        for path in paths:
            seen = _faults(page, served.url + path, in_all=kind == "ordinary")
            found += [(path, fault) for fault in seen]
            if path in WRONG:
                served.complaints = [one for one in served.complaints if "status of" not in one]

    assert found == []
