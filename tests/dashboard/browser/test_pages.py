"""Pages in a browser: accessible, without complaints, live, and usable by keys alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from qless_py import Client
from tests.dashboard.browser.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(180)]

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def _fill(client: Client) -> None:
    """Put jobs in every state, under ordinary names."""
    mail = client.queues["mail"]
    for number in range(8):
        mail.put(
            "app.mail.Send", {"to": f"user{number}@example.org"}, jid=f"mail-{number}",
            tags=["eu"], priority=-number,
        )  # fmt: skip
    mail.pop(1)[0].complete(result={"sent": True})
    mail.pop(1)[0].fail("app.mail.Send:Timeout", "Traceback\n  TimeoutError: no answer")
    mail.pop(1)
    mail.put("app.mail.Send", {}, jid="later", delay=600)
    mail.put("app.mail.Send", {}, jid="child", depends=["mail-5"])
    client.throttles["api"].set(concurrency=1, rate=10, per=60)
    mail.put("app.mail.Send", {}, jid="of-ann", user="ann", throttles=["api"])
    mail.recur("app.Digest", {}, interval=3600, jid="digest")
    client.queues["stopped"].put("app.Slow", {})
    client.queues["stopped"].pause(reason="maintenance")
    client.track("mail-4")
    client.operations.start("tag", "state:failed", tags=["seen"], by="ann")


PATHS = (
    "/", "/queues", "/queues/mail", "/queues/mail?tab=waiting", "/queues/mail?tab=settings",
    "/queues/mail?tab=recurring", "/queues/stopped", "/jobs", "/jobs?q=stat:x", "/jobs/mail-0",
    "/jobs/mail-1", "/jobs/mail-2", "/jobs/child", "/jobs/of-ann", "/failures",
    "/failures/group?group=app.mail.Send:Timeout", "/completed", "/tracked", "/tags", "/workers",
    "/recurring", "/recurring/digest", "/throttles", "/throttles/api", "/config", "/put",
    "/operations", "/nowhere",
)  # fmt: skip


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_no_page_has_a_fault_that_axe_finds(
    live: Client, site: Callable[..., Site], scheme: str, size: dict[str, int]
) -> None:
    _fill(live)
    served = site()
    found = []

    with served.page(viewport=size, color_scheme=scheme) as page:
        for path in PATHS:
            page.goto(served.url + path)
            for violation in Axe().run(page, options=RULES).response["violations"]:
                nodes = [node["target"] for node in violation["nodes"][:3]]
                found.append((path, violation["id"], nodes))
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > size["width"]:
                found.append((path, "wider than the screen", width))

    served.complaints = [one for one in served.complaints if "404" not in one and "422" not in one]
    assert found == []


def test_empty_pages_have_no_fault_either(site: Callable[..., Site]) -> None:
    served = site()
    found = []

    with served.page(viewport=DESKTOP, color_scheme="dark") as page:
        for path in ("/", "/queues", "/jobs", "/failures", "/workers", "/recurring", "/throttles"):
            page.goto(served.url + path)
            faults = Axe().run(page, options=RULES).response["violations"]
            found += [(path, fault["id"]) for fault in faults]

    assert found == []


def test_numbers_stay_fresh_by_a_stream(live: Client, site: Callable[..., Site]) -> None:
    served = site()
    live.queues["mail"].put("app.Send", {})

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        expect(page.locator('[data-total="waiting"]')).to_have_text("1")

        live.queues["mail"].put("app.Send", {})

        expect(page.locator('[data-total="waiting"]')).to_have_text("2")
        expect(page.locator('tr[data-queue="mail"] [data-count="waiting"]')).to_have_text("2")


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


def test_a_process_without_free_streams_is_polled(live: Client, site: Callable[..., Site]) -> None:
    served = site(streams=0)
    live.queues["mail"].put("app.Send", {})

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Polling")).to_be_visible()

    served.complaints = [one for one in served.complaints if "503" not in one]


def test_the_theme_is_a_choice_that_lasts(site: Callable[..., Site]) -> None:
    served = site()

    with served.page(color_scheme="light") as page:
        page.goto(served.url)
        light = _ground(page)
        page.get_by_role("button", name="Theme: system").click()
        page.get_by_role("button", name="Theme: light").click()
        page.reload()
        expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()

        assert _ground(page) != light


def _ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_keys_lead_everywhere(live: Client, site: Callable[..., Site]) -> None:
    _fill(live)
    served = site()

    with served.page() as page:
        page.goto(served.url)
        page.keyboard.press("g")
        page.keyboard.press("q")
        page.wait_for_url("**/queues")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.textContent") == "mail"
        page.keyboard.press("Enter")
        page.wait_for_url("**/queues/mail")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("jid:mail-5")
        page.keyboard.press("Enter")
        page.wait_for_url("**/jobs?q=jid*")
        expect(page.get_by_role("link", name="mail-5")).to_be_visible()
        page.locator("h1").click()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_charts_tell_their_values(live: Client, site: Callable[..., Site]) -> None:
    _fill(live)
    served = site()

    with served.page() as page:
        page.goto(served.url)
        chart = page.get_by_role("img", name="Jobs a second")
        chart.focus()
        page.keyboard.press("ArrowLeft")

        expect(page.locator(".legend strong").first).to_contain_text(" at ")


def test_a_list_in_the_readers_hand_stays_and_offers_what_is_new(
    live: Client, site: Callable[..., Site]
) -> None:
    live.queues["mail"].put("app.Send", {}, jid="first")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/queues/mail?tab=waiting")
        link = page.get_by_role("link", name="first")
        link.focus()
        live.queues["mail"].put("app.Send", {}, jid="second", priority=5)
        offer = page.get_by_role("button", name="This list has changed: show it")
        expect(offer).to_be_visible(timeout=15_000)
        expect(page.locator("main tbody tr")).to_have_count(1)
        expect(link).to_be_focused()

        offer.click()

        expect(page.locator("main tbody tr")).to_have_count(2)
        expect(offer).to_have_count(0)


def test_a_list_that_nobody_touches_is_renewed(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send", {}, jid="first")
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/queues/mail?tab=waiting")
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        live.queues["mail"].put("app.Send", {}, jid="second")

        expect(page.locator("main tbody tr")).to_have_count(2, timeout=15_000)
        expect(page.locator("tr[data-jid=second] time")).to_have_attribute(
            "title", re.compile(r"\(20.*Z\)")
        )


def test_what_needs_attention_is_told_to_those_who_listen(
    live: Client, site: Callable[..., Site]
) -> None:
    served = site()

    with served.page() as page:
        page.goto(served.url)
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        live.queues["mail"].put("app.Send", {})

        told = page.locator("body > p[role=status]")
        expect(told).to_contain_text("no worker was seen", timeout=15_000)


def test_every_control_is_reached_by_tab_and_shows_it(
    live: Client, site: Callable[..., Site]
) -> None:
    _fill(live)
    served = site()

    with served.page() as page:
        page.goto(f"{served.url}/jobs/mail-5")
        seen: set[str] = set()
        unmarked = []
        for _ in range(80):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => {
                  const one = document.activeElement;
                  const style = getComputedStyle(one);
                  return [one.outerHTML, style.outlineStyle !== "none" || one.tagName === "BODY"];
                }"""
            )
            seen.add(found[0])
            if not found[1]:
                unmarked.append(found[0])
        missed = page.evaluate(
            """() => [...document.querySelectorAll("main a, main button, main input, main select")]
              .filter((one) => one.type !== "hidden" && one.checkVisibility())
              .map((one) => one.outerHTML)"""
        )

    assert unmarked == []
    assert [one for one in missed if one not in seen] == []
