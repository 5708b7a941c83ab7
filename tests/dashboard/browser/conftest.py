"""A real browser, and a dashboard on a real HTTP server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

import qless_py
from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app
from tests.servers import Server

ROOT = Path(qless_py.__file__).parents[1]
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-sync", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
)  # fmt: skip
# Milliseconds a page may take to show what is looked for in it: it is waited for, and no
# test is slower by it, on a machine that has much else to do.
PATIENCE = 90_000
expect.set_options(timeout=PATIENCE)
# A test leaves pages faster than a server notices, so there are seats for more streams.
SETTINGS: Mapping[str, Any] = {"secret": "s" * 16, "streams": 10_000}
# Two keys, the second right after the first however busy the machine is.
KEYS = """keys => keys.split("").forEach(
    (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})))"""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        pass


@dataclass(slots=True)
class Site:
    """A served dashboard, and the errors of its pages."""

    url: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def page(self, **settings: Any) -> Iterator[Page]:
        """Open a page in a browser of its own; `settings` are those of a browser context."""
        with contextlib.closing(self.browser.new_context(**settings)) as context:
            yield self.watched(context)

    def watched(self, context: BrowserContext) -> Page:
        """Return a new page; its errors and its requests to other hosts are recorded."""
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error {error}"))
        page.on("request", lambda request: self._request(request.url))
        return page

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(f"{kind} {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"foreign request {url}")


def chromium() -> str:
    """Return Debian's Chromium, preferably without its windows; without any, raise an error."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise RuntimeError("no Chromium is on PATH (apt install chromium-headless-shell)")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium for a module of tests; its absence is an error, never a skip.

    While it runs there is an event loop in this thread, so no other test could start one.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium(), args=list(ARGUMENTS), timeout=2 * PATIENCE
        )
        yield running
        running.close()


@contextlib.contextmanager
def served(app: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application with threads, and yield its URL."""
    server = make_server(host, port, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{host}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def working(server: Server, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker from the command line, and stop it at the end."""
    command = [sys.executable, "-m", "qless_py", "work", "--url", server.url, "-n", "1"]
    command += ["--import", "tests.worker.handlers", "--quiet", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.fixture
def site(browser: Browser, live: Client) -> Iterator[Callable[..., Site]]:
    """Return a function that serves a dashboard of the live namespace.

    At the end no page may have complained, or asked anybody else for anything.
    """
    with contextlib.ExitStack() as stack:
        made: list[Site] = []

        def make(**settings: Any) -> Site:
            config = DashboardConfig(**{**SETTINGS, "refresh": 0.1, **settings})
            url = stack.enter_context(served(create_app(live, config)))
            made.append(Site(url, browser))
            return made[-1]

        yield make
        complaints = [text for one in made for text in one.complaints]
        assert complaints == []
