"""The metrics pages: the table of queues and classes, the charts of one, and the files."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.overview import comparison
from qless_py.overview.comparison import Comparison
from qless_py.overview.series import RANGES
from qless_py.overview.statistics import Span, read
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

MINUTE, HOUR, DAY = 60, 3600, 86400


def run(client: Client, queue: str, klass: str, number: int = 1, *, fails: int = 0) -> None:
    """Put jobs, and complete or fail all of them."""
    for index in range(number):
        client.queues[queue].put(klass)
        job = client.queues[queue].pop()
        assert isinstance(job, Job)
        if index < fails:
            job.fail("group", "message")
        else:
            job.complete()


@pytest.fixture
def shop(client: Client, clock: Clock) -> Client:
    """Run jobs of two queues and two classes, most of them just now."""
    run(client, "mail", "app.Send", 3)
    clock.advance(DAY)
    run(client, "mail", "app.Send", 4, fails=1)
    run(client, "images", "app.Resize", 12)
    clock.advance(2)
    return client


def names(page: str) -> list[str]:
    return [
        re.sub("<wbr>", "", one) for one in re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', page)
    ]


def rows(answer: Any) -> list[dict[str, str]]:
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.usefixtures("shop")
def test_the_table_compares_queues_and_classes(visitor: Visitor) -> None:
    queues = visitor.get("/statistics").text
    by_failures = visitor.get("/statistics?by=klass&sort=failure_rate").text

    assert names(queues) == ["images", "mail"]
    assert names(by_failures) == ["app.Send", "app.Resize"]
    assert re.search(r'data-label="Failure rate" data-late>25%<', by_failures)
    assert by_failures.count('<svg class="sparkline') == 2
    assert names(visitor.get("/statistics?by=klass&q=resi&range=14d").text) == ["app.Resize"]
    assert names(visitor.get("/statistics?sort=name&order=x&by=dream").text) == ["images", "mail"]
    for sort in ("put", "failed", "wait-50", "run-99", "dreams"):
        assert len(names(visitor.get(f"/statistics?sort={sort}").text)) == 2
    assert "has “nope” in its name" in visitor.get("/statistics?q=nope").text


@pytest.mark.usefixtures("shop")
def test_one_queue_or_class_has_its_charts(visitor: Visitor, client: Client) -> None:
    client.deploys.mark("v1.2")
    queue = visitor.get("/statistics?queue=mail&range=24h&compare=day").text
    klass = visitor.get("/statistics?klass=app.Send").text

    titles = ["Jobs per second", "Failure rate", "Wait time", "Run time"]
    found = r'<strong class="title">([^<]*)<'
    assert re.findall(found, klass) == titles
    assert re.findall(found, queue) == [*titles, "Waiting", "Oldest waiting"]
    assert "yesterday <strong>" in queue
    assert ' ghost"' in queue
    assert "v1.2" in klass
    assert (
        "There is nothing to compare"
        in visitor.get("/statistics?queue=mail&range=14d&compare=week").text
    )


def test_a_time_of_ones_own_is_shown(shop: Client, clock: Clock, visitor: Visitor) -> None:
    del shop
    old = f"from=2023-11-14T22:00Z&to=2023-11-14T23:00Z"  # noqa: F541 - as typed by hand
    assert clock.now - DAY < 1_700_006_400
    table = visitor.get(f"/statistics?queue=mail&view=table&{old}").text
    chart = visitor.get(f"/statistics?klass=app.Send&{old}").text

    assert '<td class="number">3</td>' in table
    assert "/statistics?from=" not in chart
    assert 'value="2023-11-14T23:00"' in chart
    for wrong in ("from=yesterday", "from=2023-11-15T09:00&to=2023-11-15T08:00", "to=9999-99-99"):
        answer = visitor.get(f"/statistics?queue=mail&{wrong}")
        assert (answer.status_code, 'id="error-from"' in answer.text) == (422, True), wrong
    for path, status in (
        ("?queue=nobody", 404), ("?klass=nobody", 404), (".csv?queue=nobody", 404),
        (".csv?queue=mail&from=yesterday", 422),
    ):  # fmt: skip
        assert visitor.get(f"/statistics{path}").status_code == status, path


def test_numbers_are_downloaded(shop: Client, visitor: Visitor) -> None:
    run(shop, "mail", "=HYPERLINK(1)")

    by_klass = rows(visitor.get("/statistics.csv?by=klass"))
    of_queue = rows(visitor.get("/statistics.csv?queue=images&range=1h"))

    assert [one["klass"] for one in by_klass] == ["app.Resize", "app.Send", "'=HYPERLINK(1)"]
    assert by_klass[1]["failure_rate"] == "0.25"
    assert sum(int(one["completed"]) for one in of_queue) == 12
    assert of_queue[0]["start"].endswith("Z")


def test_a_class_without_statistics_says_how_to_have_them(client: Client, visitor: Visitor) -> None:
    client.config["klass-stats"] = 0
    run(client, "mail", "app.Send")

    assert "klass-stats" in visitor.get("/statistics?by=klass").text


def test_the_comparison_equals_what_is_read_anew(client: Client, clock: Clock) -> None:
    kept = Comparison(client, "klass")
    for step in range(12):
        run(client, "q", "ab"[step % 2], step + 1, fails=step % 3)
        clock.advance(130)
        for span in (RANGES[0], RANGES[1], RANGES[3]):
            now = client.settings.clock()
            fresh = Comparison(client, "klass").read(["a", "b"], span, now)
            assert kept.read(["a", "b"], span, now) == fresh

    (a, b) = kept.read(["a", "b"], RANGES[3], client.settings.clock())
    whole = read(client, "klass", ["a", "b"], Span.of(clock.now - DAY, clock.now, clock.now))
    assert [one.row.completed for one in (a, b)] == [one.row.completed for one in whole]
    assert a.row.failed + b.row.failed == sum(min(step % 3, step + 1) for step in range(12))


def test_more_names_are_read_with_every_request(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"queue-{number}" for number in range(5)]
    for name in names:
        run(client, name, "K")
    monkeypatch.setattr(comparison, "_MOST_ROWS", 2100)
    kept, now = Comparison(client, "queue"), client.settings.clock()

    counts = [len(kept.read(names, RANGES[5], now)) for _ in range(4)]

    assert counts == [2, 4, 5, 5]
