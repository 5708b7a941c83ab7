"""The graph of a workflow in a browser: zoom, fold, move, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from qless_py import Client
from tests.dashboard.browser.conftest import Site
from tests.dashboard.browser.sample_data import fill

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(400)]


def width(page: Page) -> float:
    box = page.locator(".graph").bounding_box()
    assert box is not None
    return box["width"]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_graph_zooms_and_unfolds(
    live: Client, site: Callable[..., Site], *, scripts: bool
) -> None:
    fill(live)
    served = site()
    with served.page(java_script_enabled=scripts) as page:
        page.goto(f"{served.url}/workflows")
        page.get_by_role("link", name="photos", exact=True).click()
        usual = width(page)
        zoom = page.get_by_role("navigation", name="Zoom")
        zoom.get_by_role("link", name="200%").press("Enter")
        expect(page).to_have_url(
            f"{served.url}/workflows/photos?zoom=200" + "#graph" * (not scripts)
        )
        expect(zoom.get_by_role("link", name="200%")).to_have_attribute("aria-current", "true")
        assert width(page) == pytest.approx(2 * usual, abs=2)
        zoom.get_by_role("link", name="Fit").click()
        expect(page.locator(".graph-fit")).to_be_visible()

        page.locator(".graph a", has_text="Resize \u00d7 40").press("Enter")
        expect(page.locator(".graph a", has_text="size-7")).to_be_visible()
        page.get_by_role("link", name="Fold app.Resize").click()
        expect(page.locator(".graph a", has_text="Resize \u00d7 40")).to_be_visible()
        page.locator(".graph a", has_text="fetch").click()
        expect(page).to_have_url(f"{served.url}/jobs/photos:fetch")


def test_a_graph_is_moved_by_dragging_and_updates_itself(
    live: Client, site: Callable[..., Site]
) -> None:
    fill(live)
    served = site()
    with served.page(viewport={"width": 500, "height": 900}) as page:
        page.goto(f"{served.url}/workflows/photos?zoom=200")
        frame = page.locator(".graph-frame")
        box = frame.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 300, box["y"] + 8)
        page.mouse.down()
        page.mouse.move(box["x"] + 100, box["y"] + 8)
        page.mouse.up()
        assert frame.evaluate("one => one.scrollLeft") == 200
        page.mouse.move(5, 5)

        live.queues["images"].pop(1)[0].complete()
        expect(page.locator(".graph-frame")).to_contain_text("1 complete")
