"""Every action from a browser to the store: by mouse, by keys alone, on a phone without scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, Error, Page, Request, ViewportSize, expect

from qless_py import Client
from qless_py.client import bulk
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.dashboard.pages import job, recurring, workers
from tests.dashboard.browser.action_table import (
    ALL,
    NAMES,
    ORDERS,
    TABLE,
    Action,
    activate,
    by_keys,
)
from tests.dashboard.browser.conftest import SETTINGS, Site, served, working
from tests.eventually import eventually
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(400)]
MOUSE, KEYS, PHONE = "mouse", "keys", "phone-no-scripts"
MODES = pytest.mark.parametrize("mode", [MOUSE, KEYS, PHONE])
PHONE_SIZE = ViewportSize(width=390, height=844)


class SharedBrowser:
    """A dashboard, and a page for each way to use it, shared by all tests."""

    def __init__(self, browser: Browser, url: str, app: Flask) -> None:
        self.site = Site(url, browser)
        self._rules = app.url_map.bind("localhost")
        self._pages: dict[str, Page] = {}
        self.sent: list[str] = []

    def page(self, mode: str) -> Page:
        """Return an empty page; the forms it sends are recorded.

        A new one would need a new process of the browser, which takes as long as the whole test.
        """
        # Jobs of the last test are gone: its page, which may still be loading or updating itself,
        # would complain of that.
        for old in self._pages.values():
            _leave(old)
        self.sent.clear()
        self.site.complaints.clear()
        by_keys.set(mode == KEYS)
        if mode not in self._pages:
            context = (
                self.site.browser.new_context(java_script_enabled=False, viewport=PHONE_SIZE)
                if mode == PHONE
                else self.site.browser.new_context()
            )
            self._pages[mode] = self.site.watched(context)
            self._pages[mode].on("request", self._note)
        return self._pages[mode]

    def close(self) -> None:
        for page in self._pages.values():
            page.context.close()

    def _note(self, request: Request) -> None:
        if request.method == "GET":
            return
        path = urlsplit(request.url).path
        rule, values = self._rules.match(path, request.method, return_rule=True)
        form = parse_qs(request.post_data or "")
        which = values.get("what") or (form.get("action") or form.get("do") or [""])[0]
        scope = ALL if "all" in form else ""
        self.sent.append(f"{rule.rule} {which}{scope}".strip())


def _leave(page: Page) -> None:
    """Show nothing. The redirect after the last form may be under way, and interrupts once."""
    try:
        page.goto("about:blank")
    except Error as error:
        if "interrupted by another navigation" not in error.message:
            raise
        page.goto("about:blank")


@pytest.fixture(scope="module")
def shared(browser: Browser, server: Server) -> Iterator[SharedBrowser]:
    """Share a dashboard among the tests of a module; a worker carries out operations."""
    config = DashboardConfig(**SETTINGS, refresh=0.001)
    with contextlib.closing(Client(server.url)) as client:
        app = create_app(client, config)
        with (
            served(app) as url,
            contextlib.closing(SharedBrowser(browser, url, app)) as made,
            working(server, "-q", "elsewhere"),
        ):
            yield made


def test_the_table_lists_every_action(client: Client) -> None:
    app = create_app(client)
    rules = {
        one.rule
        for one in app.url_map.iter_rules()
        if (one.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        # The API and the tasks, which are served beside the pages, have tests of their own.
        and one.endpoint.partition(".")[0] == "qless_py"
        and not one.endpoint.endswith(".unknown")
    }
    several = {
        "/jobs/<jid>/<what>": job.ACTIONS,
        "/recurring/<jid>/<what>": recurring.ACTIONS,
        "/workers/tell/<what>": workers.ACTIONS,
        "/jobs/chosen": [*bulk.ACTIONS, *(f"{one}{ALL}" for one in bulk.ACTIONS)],
        "/operations": ("retry", "cancel"),
        "/config": ("set", "unset"),
    }
    there = {f"{rule} {which}".strip() for rule in rules for which in several.get(rule, [""])}

    assert sorted(NAMES) == sorted(there)


@MODES
@pytest.mark.parametrize("action", TABLE, ids=str)
def test_an_action_does_what_it_says(
    live: Client, shared: SharedBrowser, action: Action, mode: str
) -> None:
    filled = action.given(live)
    page = shared.page(mode)
    answer = page.goto(shared.site.url + action.path.replace("{}", str(filled)))
    assert answer is not None
    assert answer.ok
    assert not action.holds(live)

    action.does(page)
    if action.asks is not None:
        _confirm(page, action.asks, lambda: action.holds(live))

    expect(page.locator(".note-done", has_text=action.says)).to_be_visible()
    assert action.holds(live)
    assert set(shared.sent) == {action.name, action.first or action.name}
    assert shared.site.complaints == []


def _confirm(page: Page, button: str, holds: Callable[[], bool]) -> None:
    """Check the confirmation page, and confirm."""
    expect(page.locator("[data-confirm]")).to_be_visible()
    assert not holds()
    typed = page.locator("#typed")
    if typed.count():
        typed.fill(page.locator("label[for=typed] strong").inner_text())
    activate(page.get_by_role("button", name=button, exact=True))


@pytest.mark.parametrize("mode", [MOUSE, PHONE])
def test_workers_obey_commands(
    live: Client, server: Server, shared: SharedBrowser, mode: str
) -> None:
    page = shared.page(mode)
    with working(server, "-q", "mail") as process:
        parent = str(process.pid)

        def states() -> dict[str, str]:
            """Return the states of its workers; another worker process runs beside it."""
            found = [one for one in live.workers.counts if parent in one["name"].split("-")]
            return {one["name"]: str((one.get("info") or {}).get("state")) for one in found}

        _until(page, f"{shared.site.url}/workers", lambda: list(states().values()) == ["running"])
        first = next(iter(states()))
        obeyed: dict[str, Callable[[], bool]] = {
            "quiet": lambda: states()[first] == "quiet",
            "resume": lambda: states()[first] == "running",
            "dump": lambda: live.workers[first].get("report", {}).get("done") == "dump",
            "restart": lambda: len(states()) == 1 and first not in states(),
            "stop": lambda: not states(),
        }
        for what, asks in ORDERS:
            page.goto(f"{shared.site.url}/workers/{next(iter(states()))}")
            activate(page.get_by_role("button", name=what.capitalize() + ("…" if asks else "")))
            if asks:
                activate(page.get_by_role("button", name=f"{what.capitalize()} 1 worker"))
            expect(page.locator(".note-done", has_text=f"Sent {what} to 1 worker")).to_be_visible()
            # Not its own page, which is gone with it.
            _until(page, f"{shared.site.url}/workers", obeyed[what])
        assert process.wait(120) == 0
    assert {f"/workers/tell/<what> {what}" for what, _ in ORDERS} == set(shared.sent)
    assert shared.site.complaints == []


def _until(page: Page, url: str, holds: Callable[[], bool]) -> None:
    """Reload a page until a condition holds; the test has a time limit."""

    def reloaded() -> bool:
        page.goto(url)
        return holds()

    eventually(lambda: holds() or reloaded(), every=0.2, within=90)
