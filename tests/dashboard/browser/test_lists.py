"""Lists of jobs in a browser: select and act by keys, complete a search, save it, copy a jid."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from qless_py import Client
from tests.dashboard.browser.conftest import KEYS, Site

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(400)]


def test_jobs_are_selected_and_moved_by_keys(live: Client, site: Callable[..., Site]) -> None:
    for number in range(6):
        live.queues["mail"].put("app.Send", jid=f"j{number}", priority=-number)
    shown = site()

    with shown.page() as page:
        page.goto(f"{shown.url}/queues/mail?tab=waiting")
        page.get_by_role("button", name="Live").wait_for()
        bar = page.get_by_role("group", name="Actions on selected jobs")
        expect(bar).to_contain_text("Select jobs to change them")
        expect(bar.get_by_role("button", name="Retry")).to_be_hidden()
        page.evaluate(KEYS, "jxjjX")
        expect(bar).to_contain_text("3 selected")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("link", name="j3", exact=True)).to_be_focused()
        page.evaluate(KEYS, "a")
        expect(bar).to_contain_text("6 selected")
        page.evaluate(KEYS, "a")
        page.get_by_label("Select j1", exact=True).click()
        page.get_by_label("Select j4", exact=True).click(modifiers=["Shift"])
        expect(bar).to_contain_text("4 selected")
        page.evaluate(KEYS, "m")
        expect(bar.get_by_label("Queue", exact=True)).to_be_focused()
        page.keyboard.type("other")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").filter(has_text="Moved 4 of 4 jobs")).to_be_visible()
    assert live.queues["other"].counts["waiting"] == 4


def test_a_search_is_completed_saved_and_opened_again(
    live: Client, site: Callable[..., Site]
) -> None:
    live.queues["mail"].put("app.Send", jid="0123456789abcdef0123456789abcdef", tags=["customer-7"])
    shown = site()

    with shown.page() as page:
        page.goto(f"{shown.url}/jobs")
        page.keyboard.press("/")
        field = page.get_by_role("combobox", name="Search", exact=True)
        expect(field).to_be_focused()
        options = page.get_by_role("listbox", name="Completions").get_by_role("option")
        page.keyboard.type("ta")
        expect(options).to_have_count(1)
        expect(field).to_have_attribute("aria-expanded", "true")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(field).to_have_value("tag:")
        expect(options.filter(has_text="tag:customer-7")).to_be_visible()
        page.keyboard.press("Escape")
        expect(options).to_have_count(0)
        page.keyboard.press("ArrowDown")
        expect(options).to_have_count(1)
        page.keyboard.press("ArrowUp")
        expect(options.first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(field).to_have_value("tag:customer-7 ")
        page.keyboard.press("Enter")
        page.wait_for_url("**/jobs?q=tag*")
        expect(page.get_by_role("link", name="01234567", exact=True)).to_be_visible()

        page.evaluate(KEYS, "s")
        page.keyboard.type("seventh")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Remove tag:customer-7").click()
        page.wait_for_url("**/jobs")
        page.evaluate(KEYS, "s")
        page.get_by_role("link", name="seventh").click()
        page.wait_for_url("**/jobs?q=tag*")
        page.evaluate(KEYS, "s")
        page.get_by_role("button", name="Remove seventh").click()
        expect(page.get_by_role("link", name="seventh")).to_have_count(0)
        page.keyboard.press("Escape")

        copy = page.get_by_role("button", name="Copy the jid")
        copy.click()
        page.evaluate("document.querySelector('#query').value = ''")
        field.focus()
        page.keyboard.press("Control+V")
        expect(field).to_have_value("0123456789abcdef0123456789abcdef")
