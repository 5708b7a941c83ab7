"""Pages in a browser: live updates, keyboard use, no errors."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app
from tests import servers
from tests.dashboard.browser.conftest import KEYS, Site, served
from tests.dashboard.browser.sample_data import fill

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(400)]


def test_a_stream_updates_numbers(live: Client, site: Callable[..., Site]) -> None:
    served = site()
    live.queues["mail"].put("app.Send", {})

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        expect(page.locator('[data-total="waiting"]')).to_have_text("1")

        live.queues["mail"].put("app.Send", {})

        expect(page.locator('[data-total="waiting"]')).to_have_text("2")
        expect(page.locator('tr[data-queue="mail"] [data-count="waiting"]')).to_have_text("2")


def test_a_page_reloads_once_the_store_responds(browser: Browser) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ql"))
    client = Client(f"unix://{folder}/s")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(client.close)
        url = stack.enter_context(served(create_app(client, DashboardConfig(secret="s" * 16))))
        page = stack.enter_context(Site(url, browser).page())
        page.goto(f"{url}/queues")
        expect(page.get_by_role("heading", name="503: store unavailable")).to_be_visible()
        expect(page.get_by_role("button", name="Store unavailable")).to_be_visible()

        stack.callback(servers.stop, servers.start("valkey", folder))

        expect(page.get_by_role("heading", name="Queues", exact=True)).to_be_visible()


def test_updates_can_be_paused(live: Client, site: Callable[..., Site]) -> None:
    served = site()

    with served.page() as page:
        page.goto(served.url)
        page.get_by_role("button", name="Live").click()
        page.reload()
        expect(page.get_by_role("button", name="Paused")).to_be_visible()
        live.queues["mail"].put("app.Send", {})
        page.get_by_role("button", name="Paused").click()

        expect(page.locator('[data-total="waiting"]')).to_have_text("1")


def test_pages_poll_without_a_free_stream(live: Client, site: Callable[..., Site]) -> None:
    served = site(streams=0)
    live.queues["mail"].put("app.Send", {})

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Polling")).to_be_visible()

    served.complaints = [one for one in served.complaints if "503" not in one]


def test_the_theme_is_remembered(site: Callable[..., Site]) -> None:
    served = site()

    with served.page(color_scheme="light") as page:
        page.goto(served.url)
        light = _ground(page)
        page.get_by_label("Settings").click()
        page.get_by_label("Dark").check()
        assert _ground(page) != light
        page.get_by_label("Compact").check()
        page.keyboard.press("Escape")
        expect(page.get_by_label("Dark")).to_be_hidden()
        page.reload()

        page.get_by_label("Settings").click()
        expect(page.get_by_label("Dark")).to_be_checked()
        expect(page.locator("html")).to_have_attribute("data-density", "compact")
        assert _ground(page) != light
        page.get_by_role("heading", name="Overview").click()
        expect(page.get_by_label("Dark")).to_be_hidden()


def _ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_keys_navigate(live: Client, site: Callable[..., Site]) -> None:
    fill(live)
    served = site()

    with served.page() as page:
        page.goto(served.url)
        page.evaluate(KEYS, "gq")
        page.wait_for_url("**/queues")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.textContent") == "images"
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.textContent") == "mail"
        page.keyboard.press("Enter")
        page.wait_for_url("**/queues/mail")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("jid:mail-5")
        page.keyboard.press("Enter")
        page.wait_for_url("**/jobs?q=jid*")
        expect(page.get_by_role("link", name="mail-5", exact=True)).to_be_visible()
        page.locator("h1").click()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_charts_show_values_and_zoom_by_keys_and_by_dragging(
    live: Client, site: Callable[..., Site]
) -> None:
    fill(live)
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/statistics?queue=mail")
        chart = page.get_by_role("img", name="Jobs per second")
        chart.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".tooltip")).to_contain_text(re.compile(r"\d+ \w{3}.* \d\d:\d\d UTC"))
        expect(page.locator(".tooltip")).to_contain_text("completed")
        for _ in range(20):
            page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Enter")
        page.wait_for_url("**/statistics?*from=*&to=*")

        before = page.url
        box = chart.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 50, steps=4)
        page.mouse.up()
        page.wait_for_url(lambda url: url != before)
        expect(page.get_by_label("From")).not_to_have_value("")


def test_a_list_in_use_offers_an_update(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send", {}, jid="first")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/queues/mail?tab=waiting")
        link = page.get_by_role("link", name="first")
        link.focus()
        live.queues["mail"].put("app.Send", {}, jid="second", priority=5)
        offer = page.get_by_role("button", name="List updated: refresh")
        expect(offer).to_be_visible()
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(link).to_be_focused()

        offer.click()

        expect(page.locator("main tbody tr")).to_have_count(2)
        expect(offer).to_have_count(0)


def test_rows_stay_under_the_pointer_and_keep_their_words(
    live: Client, site: Callable[..., Site]
) -> None:
    for number in range(8):
        live.queues[f"queue{number}"].put(
            "app.notifications.newsletter.SendQuarterlyReport",
            {"address": "x" * 90}, tags=["europewest", "customer4711"],
        )  # fmt: skip
        live.queues["mail"].put("app.Send", {}, jid=f"{number}" * 32, tags=["customer4711"])
    live.queues["mail"].pop(1, worker="workerwithalongname41")
    served = site()

    with served.page(viewport={"width": 1440, "height": 700}) as page:
        page.goto(f"{served.url}/jobs")
        parts = page.evaluate(PARTS)
        assert parts
        assert set(parts) == {1}

        page.goto(served.url)
        row = page.locator('tr[data-queue="mail"]')
        row.hover()
        before = row.bounding_box()
        assert before is not None
        live.queues["queue1"].pause()
        expect(page.locator(".alert", has_text="queue1 is paused")).to_be_visible()
        after = row.bounding_box()
        assert after is not None
        # Pages scroll by whole pixels.
        assert abs(after["y"] - before["y"]) < 1


def test_a_page_of_a_live_job_follows_it_and_a_page_says_when_it_is_gone(
    live: Client, site: Callable[..., Site]
) -> None:
    live.queues["mail"].put("app.Send", {}, jid="j", tags=["eu"])
    (job,) = live.queues["mail"].pop(1)
    served = site()

    with served.page() as page:
        page.clock.install()
        page.goto(f"{served.url}/jobs/j")
        expect(page.get_by_role("button", name="Time out")).to_be_visible()
        job.set_progress({"sent": 41})
        page.clock.fast_forward(6000)
        expect(page.get_by_text('"sent": 41')).to_be_visible()

        job.complete(result={"sent": 42})
        page.clock.fast_forward(6000)

        expect(page.get_by_role("heading", name="Result", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Requeue")).to_be_visible()
        expect(page.get_by_role("button", name="Time out")).to_have_count(0)

        page.goto(f"{served.url}/tags/eu")
        live.jobs["j"].untag("eu")  # type: ignore[union-attr]
        live.queues["mail"].put("app.Send")
        page.clock.fast_forward(6000)
        gone = page.get_by_text("What this page shows no longer exists.")
        expect(gone).to_be_visible()
        gone.get_by_role("button", name="Reload").click()
        expect(page.get_by_text("no job has the tag eu")).to_be_visible()
    served.complaints = [one for one in served.complaints if "404" not in one]


def test_a_page_says_what_became_of_a_job_that_is_gone(
    live: Client, site: Callable[..., Site]
) -> None:
    live.config["event-stream"] = 100
    live.queues["mail"].put("app.Send", {}, jid="j", retries=3)
    (job,) = live.queues["mail"].pop(1)
    job.retry(0, "app.Send:Refused", "Refused: mailbox full")
    served = site()

    with served.page() as page:
        page.clock.install()
        page.goto(f"{served.url}/jobs/j")
        # The newest error comes open, which does not keep its part of the page from updates.
        error = page.locator("details.attempt pre", has_text="Refused: mailbox full")
        expect(error).to_be_visible()
        live.queues["mail"].pop(1, worker="second")
        page.clock.fast_forward(6000)
        expect(page.locator("p.attempt", has_text="running on second")).to_be_visible()

        live.cancel("j")
        page.clock.fast_forward(6000)

        gone = page.get_by_text("What this page shows no longer exists.")
        expect(gone).to_contain_text("Job j does not exist: it was canceled")
        expect(error).to_have_count(1)
        answer = page.reload()
        assert answer is not None
        assert answer.status == 404
    # The browser itself complains about pages that are not found.
    assert all("404" in text for text in served.complaints)
    served.complaints.clear()


# The number of lines of each name in a table: one, since names keep their words.
PARTS = """() => [...document.querySelectorAll("td a, tbody th a, .state")]
  .map((one) => { const range = document.createRange(); range.selectNodeContents(one);
                  return new Set([...range.getClientRects()].map((box) => box.top)).size; })
  .filter((size) => size > 0)"""


def test_an_unused_list_is_updated(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send", {}, jid="first")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/queues/mail?tab=waiting")
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        live.queues["mail"].put("app.Send", {}, jid="second")

        expect(page.locator("main tbody tr")).to_have_count(2)
        expect(page.locator("tr[data-jid=second] time")).to_have_attribute(
            "title", re.compile(r"\(20.*Z\)")
        )


def test_lists_update_from_empty_and_to_empty(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send", {}, jid="fails")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/failures")
        expect(page.get_by_text("No failed jobs")).to_be_visible()
        job = live.queues["mail"].pop()
        assert job is not None
        job.fail("app.Send:Timeout", "no answer")
        expect(page.get_by_role("link", name="app.Send:Timeout")).to_be_visible()
        live.cancel("fails")
        expect(page.get_by_text("No failed jobs")).to_be_visible()


def test_a_change_right_after_a_refresh_is_shown(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].recur("app.Send", {}, interval=3600, jid="first")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/recurring")
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        live.queues["mail"].recur("app.Send", {}, interval=3600, jid="second")

        expect(page.locator("main tbody tr")).to_have_count(2)


def test_alerts_are_announced_to_screen_readers(live: Client, site: Callable[..., Site]) -> None:
    served = site()

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        live.queues["mail"].put("app.Send", {})

        announcer = page.locator("body > p[role=status]")
        expect(announcer).to_contain_text("No workers for mail, 1 job")


FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const isSeen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [one.dataset.nth ?? one.outerHTML, isMarked && isSeen];
}"""
CONTROLS = """() => [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']")]
  // Of a group of radio buttons the keyboard reaches the one that is chosen.
  .filter((one) => one.type !== "hidden" && (one.type !== "radio" || one.checked))
  .filter((one) => one.checkVisibility())
  .map((one, nth) => { one.dataset.nth = `${nth} ${one.outerHTML}`; return one.dataset.nth; })"""


@pytest.mark.parametrize(
    "path",
    ["/jobs/child", "/queues/mail?tab=settings", "/queues/mail?tab=waiting",
     "/failures/group?group=app.mail.Send:Timeout", "/recurring/digest", "/throttles/api",
     "/put", "/config"],
)  # fmt: skip
def test_every_control_is_focusable_and_shows_focus(
    live: Client, site: Callable[..., Site], path: str
) -> None:
    fill(live)
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/preferences?live=off")
        page.goto(served.url + path)
        page.get_by_role("button", name="Paused").wait_for()
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        wanted = set(page.evaluate(CONTROLS))
        reached, unmarked = set(), []
        while True:
            page.keyboard.press("Tab")
            found = page.evaluate(FOCUS)
            if found is None or found[0] in reached:
                break
            reached.add(found[0])
            unmarked += [] if found[1] else [found[0]]

    assert unmarked == []
    assert wanted - reached == set()


def test_an_action_is_performed_by_keyboard_alone(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send", {}, jid="j")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/queues/mail?tab=waiting")
        page.get_by_role("button", name="Live").wait_for()
        page.keyboard.press("j")
        page.keyboard.press("x")
        box = page.get_by_label("Select j", exact=True)
        expect(box).to_be_checked()
        box.focus()
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(box).not_to_be_checked()
        box.press("Enter")
        page.wait_for_url("**/jobs/j")
        cancel = page.get_by_role("button", name="Cancel…")
        _tab_to(page, cancel)
        page.keyboard.press("Enter")
        _tab_to(page, page.get_by_role("button", name="Cancel job"))
        page.keyboard.press("Enter")

        expect(page.get_by_role("status").filter(has_text="Job j canceled")).to_be_visible()
    assert live.jobs["j"] is None


def _tab_to(page: Page, control: Locator) -> None:
    control.wait_for()
    while not control.evaluate("one => one === document.activeElement"):
        page.keyboard.press("Tab")


def test_the_skip_link_comes_first_and_leads_to_the_content(site: Callable[..., Site]) -> None:
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/put")
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Queue", exact=True)).to_be_focused()


def test_the_help_returns_focus_and_turns_shortcuts_off(
    live: Client, site: Callable[..., Site]
) -> None:
    live.queues["mail"].put("app.Send", {}, jid="j")
    served = site()

    with served.page() as page:
        path = f"{served.url}/queues/mail?tab=waiting"
        page.goto(path)
        row = page.get_by_role("link", name="j", exact=True)
        asked: list[Route] = []
        page.route(path, lambda route: asked.append(route))  # noqa: PLW0108 - must be a function
        with page.expect_request(path):
            live.queues["mail"].put("app.Send", {})
        row.focus()
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(dialog).to_be_visible()
        with page.expect_event("requestfinished"):  # What was asked for before the help was open.
            asked.pop().continue_()
        keys = dialog.locator("dt").all_inner_texts()
        assert keys == [
            "/", "p", "t", "?", "g", "j", "k", "↓", "↑", "x", "X", "Enter",
            "a", "*", "r", "c", "m", "y", "l", "u", "z",
        ]  # fmt: skip
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(row).to_be_focused()

        page.get_by_label("Settings").click()
        opener = page.get_by_role("button", name="Keyboard shortcuts")
        opener.press("Enter")
        dialog.get_by_role("button", name="Turn shortcuts off").click()
        expect(opener).to_be_focused()
        page.keyboard.press("t")
        page.keyboard.press("/")
        expect(page.get_by_label("System")).to_be_checked()
        expect(opener).to_be_focused()
