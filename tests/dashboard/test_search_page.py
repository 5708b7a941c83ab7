"""The search page: what it finds, how much it has searched, and errors in a search."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest

from qless_py import Client
from qless_py.dashboard.pages import jobs
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor


def _searched(page: str) -> str:
    found = re.search(r"searched ([\d,]+ of [\d,]+ jobs?)", page)
    assert found is not None, page
    return found[1]


def _next_page(page: str) -> str | None:
    found = re.search(r'<a href="([^"]+)" rel="next">Continue', page)
    return html.unescape(found[1]) if found else None


def test_each_page_of_a_search_shows_how_much_was_searched(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    for name in ("a", "b"):
        client.queues[name].put_many([{"klass": "app.Run"}] * 24)
    visitor = visit()

    seen, url = [], "/jobs"
    while url:
        page = visitor.get(url).text
        seen.append(_searched(page))
        url = _next_page(page) or ""

    assert seen == ["25 of 48 jobs", "48 of 48 jobs"]


def test_a_search_that_continues_counts_the_jobs_of_all_its_pages(
    client: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_BUDGET", 20)
    client.queues["a"].put_many([{"klass": "app.Run"}] * 48)

    first = visitor.get("/jobs?q=nothing-like-it").text
    second = visitor.get(_next_page(first) or "").text
    third = visitor.get(_next_page(second) or "").text

    assert [_searched(page) for page in (first, second, third)] == [
        "20 of 48 jobs", "40 of 48 jobs", "48 of 48 jobs",
    ]  # fmt: skip
    assert _next_page(third) is None


def test_failures_of_the_last_hour_are_one_click_away(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    for jid in ("old", "new"):
        client.queues["mail"].put("app.Run", jid=jid)
        client.queues["mail"].pop(1)[0].fail("app.Run:Error", "no")
        clock.advance(3000)
    link = re.search(r'href="([^"]+)">Failures of the last hour', visitor.get("/failures").text)
    assert link is not None
    page = visitor.get(html.unescape(link[1])).text

    assert 'data-jid="new"' in page
    assert 'data-jid="old"' not in page
    assert _searched(page) == "1 of 1 job"


@pytest.mark.parametrize(
    ("search", "suggestion"),
    [("failed_at:<1h", "did you mean failed?"), ("finshed:<1h", "did you mean finished?")],
)
def test_an_unknown_field_is_an_error_with_a_suggestion(
    visitor: Visitor, search: str, suggestion: str
) -> None:
    answer = visitor.get("/jobs", query_string={"q": search})

    assert answer.status_code == 422
    assert suggestion in answer.text
    assert 'aria-describedby="query-error"' in answer.text


def test_an_invalid_number_of_searched_jobs_is_rejected(visitor: Visitor, client: Client) -> None:
    client.queues["a"].put_many([{"klass": "app.Run"}] * 30)
    url = _next_page(visitor.get("/jobs").text) or ""

    assert visitor.get(re.sub(r"searched=\d+", "searched=x", url)).status_code == 422
