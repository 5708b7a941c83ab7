"""The pages of failures: what is new, what is alike, and acting on just that."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from qless_py import Client
from qless_py.dashboard import Access, Role
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor

MOST_BYTES = 40 * 1024


def fail(client: Client, group: str, message: str = "no", queue: str = "mail") -> str:
    """Put a job and fail it."""
    jid = client.queues[queue].put("app.Send")
    job = client.queues[queue].pop(worker="w")
    assert job is not None
    job.fail(group, message)
    return jid


def groups(answer: TestResponse) -> list[str]:
    """Return the groups of a page in their order."""
    return re.findall(r'<th scope="row"><a href="/failures/group\?group=([^"]+)"', answer.text)


def searches(answer: TestResponse, action: str) -> list[str]:
    """Return the searches that the buttons of rows act on."""
    found = re.findall(rf'form="{action}-search" name="q" value="([^"]*)"', answer.text)
    return [html.unescape(one) for one in found]


def test_groups_are_chosen_by_range_text_and_novelty(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    fail(client, "Old")
    clock.advance(7200)
    client.deploys.mark("v1.2", by="ann")
    clock.advance(60)
    fail(client, "Fresh", queue="other")
    fail(client, "Fresh", queue="other")
    gone = fail(client, "Gone")
    client.cancel(gone)

    everything = visitor.get("/failures")
    assert groups(everything) == ["Fresh", "Old"]
    assert "New since v1.2" in everything.text
    assert everything.text.count("badge-new") == 1
    assert groups(visitor.get("/failures?range=1h")) == ["Fresh"]
    assert groups(visitor.get("/failures?q=OTHER")) == ["Fresh"]
    assert groups(visitor.get("/failures?tab=new")) == ["Fresh"]
    assert groups(visitor.get("/failures?tab=seen&sort=first"))[-1] == "Old"
    assert "Gone" in groups(visitor.get("/failures?tab=seen"))
    assert "No failures match" in visitor.get("/failures?q=zzz").text
    client.deploys.mark("v1.3")
    assert "Nothing new failed since v1.3" in visitor.get("/failures?tab=new").text


def test_without_a_marker_the_page_says_how_to_set_one(client: Client, visitor: Visitor) -> None:
    fail(client, "G")

    assert "qless-py deploy v1.2" in visitor.get("/failures?tab=new").text


def test_a_row_acts_on_the_jobs_of_its_range(client: Client, visitor: Visitor) -> None:
    fail(client, "G")
    (search,) = searches(visitor.get("/failures?range=1h"), "retry")

    assert search == 'state:failed group:"G" failed:<1h'
    asked = visitor.post("/operations", confirmed=False, action="retry", q=search)
    assert "Retry 1 job" in asked.text


def test_messages_that_are_alike_are_one_row(client: Client, visitor: Visitor) -> None:
    alike = [fail(client, "G", f"order {number} not found") for number in (1, 2)]
    fail(client, "G", "KeyError: 'token'")
    page = visitor.get("/failures/group?group=G")

    assert "order … not found" in page.text
    first, second = searches(page, "cancel")
    assert {job.jid for job in client.jobs.search(first).jobs} == set(alike)
    assert len(client.jobs.search(second).jobs) == 1
    client.cancel(*alike, *(job.jid for job in client.jobs.search(second).jobs))
    assert visitor.get("/failures/group?group=G").status_code == 200, "seen before"
    assert visitor.get("/failures/group?group=nobody").status_code == 404


def test_viewers_see_no_secrets_and_no_buttons(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    fail(client, "G", "login failed: password=hunter2")
    viewer = visit(auth=[lambda _: Access("v", Role.VIEWER, shows_data=False)])

    for path in ("/failures", "/failures/group?group=G"):
        page = viewer.get(path)
        assert "hunter2" not in page.text
        assert "login failed" in page.text
        assert searches(page, "retry") == []
        assert "error%3A" not in page.text


@pytest.mark.parametrize(
    "path", ["/failures", "/failures/group?group=app.shop.Kind00:TimeoutError"]
)
def test_a_page_is_bounded(client: Client, visitor: Visitor, path: str) -> None:
    client.deploys.mark("v1")
    for number in range(30):
        fail(client, f"app.shop.Kind{number:02}:TimeoutError", f"{'what ' * 30} {number}")
    for number in range(30):
        fail(client, "app.shop.Kind00:TimeoutError", f"{chr(97 + number % 26)} went wrong")
    visitor.get(path)
    client.redis.config_resetstat()

    size = len(visitor.get(path).data)

    assert size <= MOST_BYTES
    stats = client.redis.info("commandstats")["cmdstat_fcall_ro"]
    assert stats["calls"] <= 40, "most of them travel together"
