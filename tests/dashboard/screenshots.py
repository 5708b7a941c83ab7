"""Take the screenshots for the documents: an hour of a busy shop, in a real browser."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app
from tests import servers
from tests.conftest import Clock
from tests.dashboard.browser.conftest import ARGUMENTS, chromium, served

KINDS: Final = {
    "mail": ("shop.mail.Confirm", 0.3),
    "thumbnails": ("shop.images.Resize", 1.5),
    "invoices": ("shop.billing.Invoice", 0.8),
    "search-index": ("shop.search.Index", 0.1),
}
SCREENSHOTS: Final = (
    ("overview", "/", "light", (1280, 900)),
    ("queue", "/queues/thumbnails", "light", (1280, 900)),
    ("metrics", "/statistics?queue=thumbnails&range=1h", "light", (1280, 900)),
    ("job", "/jobs/order-4711-invoice", "light", (1280, 900)),
    ("failures", "/failures/group?group=shop.billing.Invoice:GatewayTimeout", "dark", (1280, 800)),
    ("search", "/jobs?q=state:waiting queue:mail data.country:DE", "dark", (1280, 800)),
    ("phone", "/", "dark", (390, 844)),
)


def simulate_an_hour(client: Client, clock: Clock) -> None:
    """Put, run and fail jobs over an hour."""
    dice = random.Random(7)
    for minute in range(60):
        if minute == 25:  # Shortly before more jobs come.
            client.deploys.mark("v2.4.0")
        for queue, (klass, seconds) in KINDS.items():
            queue_client = client.queues[queue]
            number = dice.randint(4, 12) + (10 if 30 < minute < 40 else 0)
            countries = dice.choices(["DE", "FR", "PL"], k=number)
            queue_client.put_many([{"klass": klass, "data": {"order": n, "country": one}}
                            for n, one in enumerate(countries)])  # fmt: skip
            clock.advance(dice.uniform(2, 9))
            for job in queue_client.pop(
                dice.randint(3, 14), worker=f"web{dice.randint(1, 2)}-41-0"
            ):
                clock.advance(dice.expovariate(1 / seconds) / 4)
                if dice.random() < 0.02:
                    job.fail(f"{klass}:GatewayTimeout", "Traceback\n  GatewayTimeout: 30 s passed")
                else:
                    job.complete()
        clock.advance(max(0, 60 - clock.now % 60))


def arrange(client: Client, clock: Clock) -> None:
    """Fill the store with what the screenshots show."""
    simulate_an_hour(client, clock)
    client.throttles["payment-gateway"].set(concurrency=2, rate=60, per=60)
    invoices = client.queues["invoices"]
    invoices.put("shop.billing.Invoice", {"order": 4711, "total": "129.90 EUR"}, priority=50,
                 jid="order-4711-invoice", tags=["vip"], throttles=["payment-gateway"],
                 user="shop-1")  # fmt: skip
    client.queues["newsletter"].put("shop.mail.Newsletter", {"list": "autumn"})
    client.queues["newsletter"].pause(reason="waiting for legal review")
    invoices.recur("shop.billing.Dunning", {}, cron="0 6 * * mon-fri", zone="Europe/Berlin",
                   jid="dunning")  # fmt: skip
    for worker in ("web1-41-0", "web1-41-1", "web2-41-0"):
        client.queues["mail"].pop(worker=worker)
    jobs = client.queues["invoices"].jobs.waiting(0, 3)
    client.track(jobs[0])


def shoot(browser: Browser, url: str, folder: Path) -> None:
    """Take all screenshots."""
    for name, path, scheme, (width, height) in SCREENSHOTS:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto(url + path)
        page.get_by_role("button", name="Live").wait_for()
        page.screenshot(path=folder / f"{name}.png")
        context.close()


def main(folder: Path) -> None:
    """Start a server, fill it, and take the screenshots."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    with servers.running("valkey") as server, Client(server.url, clock=clock) as client:
        arrange(client, clock)
        app = create_app(client, DashboardConfig(environment="production", secret="s" * 16))
        with served(app) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            shoot(browser, url, folder)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
