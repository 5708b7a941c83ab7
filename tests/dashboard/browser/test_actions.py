"""Actions in a browser, with and without JavaScript, with real workers."""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect

from qless_py import Client, Job
from qless_py.dashboard import (
    Access,
    DashboardConfig,
    Role,
    create_app,
    create_blueprint,
)
from tests.dashboard.browser.action_table import MORE, press_in_bar
from tests.dashboard.browser.conftest import KEYS, PATIENCE, ROOT, SETTINGS, Site, served, working
from tests.dashboard.test_mounting import gunicorn
from tests.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.leaves_children, pytest.mark.timeout(400)]
BOTH = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])


def _failed(client: Client, number: int) -> None:
    queue = client.queues["mail"]
    queue.put_many([{"klass": "tests.worker.handlers.nothing"}] * number)
    for job in queue.pop(100):
        job.fail("Timeout", "no answer")


@BOTH
def test_failures_are_retried_in_three_clicks(
    live: Client, site: Callable[..., Site], *, scripts: bool
) -> None:
    _failed(live, 3)
    shown = site()

    with shown.page(java_script_enabled=scripts) as page:
        page.goto(shown.url)
        page.get_by_role("link", name="Timeout", exact=True).click()
        page.get_by_role("button", name="Retry 3 jobs…").click()
        page.get_by_role("button", name="Retry 3 jobs").click()

        expect(page.get_by_role("status").filter(has_text="3 jobs")).to_be_visible()
    assert live.queues["mail"].counts["waiting"] == 3


def test_a_job_is_put_changed_run_and_seen(
    live: Client, server: Server, site: Callable[..., Site]
) -> None:
    shown = site()

    with shown.page(java_script_enabled=False) as page:
        page.goto(f"{shown.url}/put")
        page.get_by_label("Queue", exact=True).fill("mail")
        page.get_by_label("Class").fill("tests.worker.handlers.nothing")
        page.get_by_label("Jid", exact=True).fill("mine")
        page.get_by_role("button", name="Put job").click()
        page.wait_for_url("**/jobs/mine")
        page.locator("main summary", has_text=MORE).click()
        page.get_by_label("Priority").fill("9")
        page.get_by_role("button", name="Set", exact=True).click()
        page.locator("main summary", has_text=MORE).click()
        page.get_by_label("Add tags").fill("eu")
        page.get_by_role("button", name="Tag", exact=True).click()
        expect(page.get_by_role("link", name="eu", exact=True)).to_be_visible()
        with working(server, "-q", "mail"):
            job = live.jobs["mine"]
            assert isinstance(job, Job)
            assert job.priority == 9
            job.wait(120)
        page.reload()

        expect(page.locator(".state").first).to_have_text("complete")


def test_selected_rows_are_tagged_and_canceled(live: Client, site: Callable[..., Site]) -> None:
    for jid in ("a", "b", "c"):
        live.queues["mail"].put("app.Send", jid=jid)
    shown = site()

    with shown.page(java_script_enabled=False) as page:
        page.goto(f"{shown.url}/queues/mail?tab=waiting")
        for jid in ("a", "c"):
            page.get_by_label(f"Select {jid}", exact=True).check()
        press_in_bar(page, "tag", "seen")
        expect(page.get_by_role("link", name="seen")).to_have_count(2)
        page.get_by_label("Select b", exact=True).check()
        press_in_bar(page, "cancel", "")
        expect(page.get_by_role("heading", name="Cancel 1 waiting job")).to_be_visible()
        page.get_by_role("button", name="Cancel 1 job").click()
        expect(page.get_by_role("link", name="b", exact=True)).to_have_count(0)
    assert live.queues["mail"].jobs.waiting() == ["a", "c"]


def test_a_paused_queue_shows_its_reason(live: Client, site: Callable[..., Site]) -> None:
    live.queues["mail"].put("app.Send")
    shown = site()

    with shown.page(java_script_enabled=False) as page:
        page.goto(f"{shown.url}/queues/mail")
        page.get_by_text("Pause…").click()
        page.get_by_label("Reason").fill("deploy <b>")
        page.get_by_role("button", name="Pause mail").click()
        expect(page.get_by_text("deploy <b>")).to_be_visible()
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text("Pause…")).to_be_visible()


def test_hostile_data_runs_nowhere(live: Client, site: Callable[..., Site]) -> None:
    hostile = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
    queue = live.queues["mail"]
    queue.put(f"app.{hostile}", {hostile: hostile}, jid="hostile", tags=["eu"])
    queue.put("app.Send", {}, jid="fails", priority=1)
    job = queue.pop()
    assert job is not None
    job.set_progress(hostile)
    job.fail(f"group {hostile}", f"message {hostile}")
    shown = site()

    with shown.page() as page:
        for path in ("/", "/jobs/hostile", "/jobs/fails", "/failures", "/jobs?q=app", "/tags/eu"):
            page.goto(shown.url + path)
            expect(page.get_by_role("button", name="Live")).to_be_visible()
            assert "qless_py" in page.title()


@contextlib.contextmanager
def _command(server: Server, port: int) -> Iterator[None]:
    """Serve the dashboard from the command line, and kill it at the end."""
    command = [sys.executable, "-m", "qless_py", "web", "--url", server.url]
    command += ["--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        output = ""
        while "Dashboard: http://" not in output:
            line = process.stderr.readline()
            assert line, output
            output += line
        yield
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_the_stream_reconnects_after_the_dashboard_was_killed(
    live: Client, server: Server, browser: Browser
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        with _command(server, port):
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.get_by_role("button", name="Live")).to_be_visible()
        expect(page.get_by_role("button", name="Disconnected")).to_be_visible()
        old = page.get_by_text(" s old: the dashboard does not respond.").first
        expect(old).to_be_visible()
        live.queues["mail"].put("app.Send")
        with _command(server, port):
            expect(page.get_by_role("button", name="Live")).to_be_visible()
            expect(page.locator('[data-total="waiting"]')).to_have_text("1")
            expect(page.locator(".stale")).to_be_hidden()


def _address_of_this_machine() -> str:
    """Return an address other than loopback, without sending a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.fail("this machine has no address beside loopback")
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("where", ["loopback", "network"])
def test_browsers_identify_changes_from_other_origins(
    live: Client, browser: Browser, where: str
) -> None:
    host = "127.0.0.1" if where == "loopback" else _address_of_this_machine()
    auth = [lambda _: Access("ann", Role.ADMIN)]
    config = DashboardConfig(secret="s" * 16, auth=auth, trusted_hosts=[host])
    answers: queue.Queue[str] = queue.Queue()
    app = _overheard(create_app(live, config), answers)
    with (
        served(app, host) as url,
        served(_evil(url), host) as sibling,
        served(_evil(url), "localhost") as foreign,
        contextlib.closing(browser.new_context()) as context,
    ):
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        live.queues["mail"].put("app.Send")
        page.goto(f"{url}/queues/mail")
        page.get_by_text("Pause…").click()
        page.get_by_role("button", name="Pause mail").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible()

        for evil in (sibling, foreign):
            for way in ("Form", "Sandbox", "Fetch"):
                page.goto(evil)
                inside = page.frame_locator("iframe") if way == "Sandbox" else page
                inside.get_by_role("button", name=way).click()
                assert answers.get(timeout=120) == "403 FORBIDDEN cross origin", (evil, way)
        assert live.queues["mail"].is_paused
        page.goto(f"{url}/queues/mail")
        page.get_by_role("button", name="Resume").click()
        assert answers.get(timeout=120).startswith("303")
    assert not live.queues["mail"].is_paused


def _overheard(app: Callable[..., Any], answers: queue.Queue[str]) -> Callable[..., Any]:
    """Record the responses to requests that resume a queue; browsers hide some from the page."""

    def overheard(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        statuses: list[str] = []

        def begin(status: str, *more: Any) -> Any:
            statuses.append(status)
            return start(status, *more)

        parts = app(environ, begin)
        if environ["PATH_INFO"].endswith("/live"):
            return cast("list[bytes]", parts)
        body = b"".join(parts)
        if environ["PATH_INFO"].endswith("/unpause"):
            answers.put(statuses[0] + (" cross origin" if b"403: cross origin" in body else ""))
        return [body]

    return overheard


def _evil(url: str) -> Callable[..., list[bytes]]:
    """Serve pages of another origin that try to resume the queue in three ways."""

    def app(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        act = f"{url}/queues/mail/unpause"
        form = f'<form method="post" action="{act}"><button>Form</button></form>'
        if environ["PATH_INFO"] == "/form":
            return [form.replace("Form", "Sandbox").encode()]
        fetch = f"fetch('{act}', {{method: 'POST', mode: 'no-cors', credentials: 'include'}})"
        frame = '<iframe sandbox="allow-forms" src="/form"></iframe>'
        return [f'{form}{frame}<button onclick="{fetch}">Fetch</button>'.encode()]

    return app


@pytest.mark.parametrize("how", ["gunicorn", "host"])
def test_everything_works_below_a_path(
    live: Client, server: Server, browser: Browser, how: str
) -> None:
    with contextlib.ExitStack() as stack:
        if how == "gunicorn":
            more = {"QLESS_PY_WEB_PREFIX": "/ops/qless", "QLESS_PY_WEB_STREAMS": "30"}
            started = gunicorn(server, "--threads", "40", **more)
            url = stack.enter_context(started)
        else:
            host = Flask("host")
            config = DashboardConfig(**SETTINGS)
            host.register_blueprint(create_blueprint(live, config), url_prefix="/ops/qless")
            url = stack.enter_context(served(host))
        site = Site(f"{url}/ops/qless", browser)
        page = stack.enter_context(site.page())
        live.queues["mail"].put("app.Send")
        page.goto(f"{site.url}/")
        expect(page.get_by_role("button", name="Live")).to_be_visible()
        page.evaluate(KEYS, "gq")
        page.wait_for_url("**/ops/qless/queues")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator(".note-done", has_text="Queue mail paused")).to_be_visible()
        assert page.url == f"{site.url}/queues"
        page.goto(f"{site.url}/workers")
        here = page.locator(".menu [aria-current=page]")
        expect(here).to_have_text("Workers")
        page.goto(f"{site.url}/queues/mail?tab=settings")
        page.get_by_role("button", name="Forget queue…").click()
        expect(page.locator("[data-confirm]")).to_be_visible()
        page.get_by_role("textbox", name="Type mail").fill("nail")
        page.get_by_role("button", name="Forget queue").click()
        expect(page.get_by_text("The text does not match mail.")).to_be_visible()
        page.get_by_role("link", name="Back").click()
        page.wait_for_url("**/ops/qless/queues/mail?tab=settings")
        page.goto(f"{site.url}/queues")
        live.queues["mail"].put("app.Send")
        waiting = page.locator('tr[data-queue="mail"] [data-count="waiting"]')
        expect(waiting).to_have_text("2")

        assert live.queues["mail"].is_paused
        assert site.complaints == []
