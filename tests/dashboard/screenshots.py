"""Take the screenshots for the documents: an hour of a busy shop, in a real browser."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from qless_py import Client, Workflow, chain, group, step
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
ERRORS: Final = ("GatewayTimeout", "ConnectionError", "ValidationError")
GROUP: Final = "shop.billing.Invoice:GatewayTimeout"
DESKTOP: Final = (1280, 780)
SCREENSHOTS: Final = (
    ("overview", "/", "light", DESKTOP),
    ("overview-dark", "/", "dark", DESKTOP),
    ("queue", "/queues/thumbnails", "light", DESKTOP),
    ("metrics", "/statistics?queue=thumbnails&range=1h", "light", DESKTOP),
    ("job", "/jobs/order-4711-invoice", "light", DESKTOP),
    ("failures", "/failures", "light", (1280, 800)),
    ("failure", f"/failures/group?group={GROUP}", "dark", (1280, 800)),
    ("search", "/jobs?q=state:waiting queue:mail data.country:DE", "light", (1280, 640)),
    ("workflow", "/workflows/catalog-2023-11", "light", DESKTOP),
    ("schedules", "/recurring", "light", (1280, 560)),
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
                    name = dice.choices(ERRORS, [5, 3, 2])[0]
                    job.fail(f"{klass}:{name}", f"{name}: order {job.data['order']}")
                else:
                    job.complete()
        clock.advance(max(0, 60 - clock.now % 60))


def arrange(client: Client, clock: Clock) -> None:
    """Fill the store with what the screenshots show."""
    for queue, klass, seconds in (("mail", "Digest", 600), ("search-index", "Refresh", 900)):
        client.queues[queue].recur(f"shop.{queue}.{klass}", {"order": 0}, interval=seconds,
                                   jid=klass.lower())  # fmt: skip
    simulate_an_hour(client, clock)
    submit_a_workflow(client)
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


def submit_a_workflow(client: Client) -> None:
    """Submit a workflow of which some steps are complete, one runs and one failed."""
    exports = group(*(step("exports", "shop.catalog.Export", {"country": one}, name=f"export-{one}")
                      for one in ("de", "fr", "pl", "es")))  # fmt: skip
    flow = chain(
        step("exports", "shop.catalog.Collect", name="collect"), exports,
        step("exports", "shop.catalog.Publish", name="publish"),
        step("exports", "shop.mail.Report", name="report"),
    )  # fmt: skip
    client.workflows.submit(Workflow("catalog-2023-11", flow))
    queue = client.queues["exports"]
    queue.pop(1, worker="web1-41-0")[0].complete(result={"products": 1204})
    first, second, _ = queue.pop(3, worker="web2-41-0")
    first.complete(result={"rows": 1204})
    second.fail("shop.catalog.Export:ConnectionError", "ConnectionError: reset by peer")


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
        if name == "search":
            page.get_by_label("All matches").check()
            page.get_by_role("button", name="Cancel…", exact=True).click()
            page.locator("[data-confirm]").wait_for()
            page.screenshot(path=folder / "bulk.png")
        context.close()


def main(folder: Path) -> None:
    """Start a server, fill it, and take the screenshots."""
    folder.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    with (
        servers.running("valkey") as server,
        Client(server.url, clock=clock, worker_name="ann") as client,
    ):
        arrange(client, clock)
        app = create_app(client, DashboardConfig(environment="production", secret="s" * 16))
        with served(app) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
            shoot(browser, url, folder)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
