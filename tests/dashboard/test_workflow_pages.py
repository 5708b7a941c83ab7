"""The pages of workflows and batches."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.dashboard.page_timings import counting_trips
from qless_py import Client, Workflow, chain, group, step
from qless_py.dashboard import Access
from qless_py.protocol.options import PutSpec
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.dashboard.conftest import Visitor


def submit(client: Client, width: int, name: str = "images") -> None:
    """Submit a workflow: a step, many side by side, and one after all of them."""
    many = group(*(step(QUEUE, "app.Resize", {"n": n}, name=f"r{n}") for n in range(width)))
    report: PutSpec = {"queue": QUEUE, "klass": "app.Report", "jid": "report"}
    parts = chain(
        step(QUEUE, "app.Fetch", name="fetch"), many, step(QUEUE, "app.Pack", name="pack")
    )
    client.workflows.submit(Workflow(name, parts, on_success=report))


def text(page: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def test_the_list_shows_progress_and_finds_by_name_and_state(
    client: Client, visitor: Visitor
) -> None:
    submit(client, 3, "images-1")
    submit(client, 3, "images-2")
    client.batch("night")
    Crew(client, fails=lambda name: name == "fetch").once(1)

    page = text(visitor.get("/workflows").text)
    assert "images-2 running 0% 0 of 5 jobs complete" in page
    assert "images-1 failed 0% 0 of 5 jobs complete, 5 failed" in page
    assert "night" not in page
    failed = visitor.get("/workflows?state=failed&name=ima").text
    assert ("images-1" in failed, "images-2" in failed) == (True, False)
    nothing = visitor.get("/workflows?name=none").text
    assert "None of the 3 examined matches." in nothing
    assert 'href="/batches/night"' in visitor.get("/workflows?kind=batch").text
    first = visitor.get("/workflows?size=1").text
    following = re.search(r'href="([^"]*)" rel="next"', first)
    assert following is not None
    assert "images-2" not in visitor.get(html.unescape(following[1])).text
    assert visitor.get("/workflows?open=images-1").headers["Location"] == "/workflows/images-1"
    for wrong in ("state=dreaming", "kind=x", "cursor=x"):
        assert visitor.get(f"/workflows?{wrong}").status_code == 422


def test_an_empty_list_says_how_to_start(visitor: Visitor) -> None:
    assert "client.workflows.submit(" in text(visitor.get("/workflows").text)
    assert "client.batch(" in text(visitor.get("/workflows?kind=batch").text)


def test_a_workflow_has_a_graph_whose_groups_unfold(client: Client, visitor: Visitor) -> None:
    submit(client, 240)
    Crew(client, fails=lambda name: name in {"r1", "r2"}).run()

    page = visitor.get("/workflows/images").text
    assert "Resize \u00d7 240" in page
    assert "app.Resize \u00d7 240: 2 failed, 238 complete" in page
    assert page.count("<use ") == 3
    assert len(page.encode()) < 40_000
    assert "1 of 242 steps" not in page
    assert "239 of 242 steps complete" in text(page)
    unfolded = visitor.get("/workflows/images?unfold=r0&zoom=50").text
    assert unfolded.count("<use ") == 80
    assert 'href="/jobs/images:r7"' in unfolded
    assert "Nodes 1\u201380 of 242" in unfolded
    assert "Fold app." in text(unfolded)
    assert len(unfolded.encode()) < 40_000
    last = visitor.get("/workflows/images?unfold=r0&part=160").text
    assert "Nodes 161\u2013240 of 242" in last
    assert 'class="graph-frame graph-fit"' in visitor.get("/workflows/images?zoom=fit").text
    for wrong in ("zoom=7", "part=x", "offset=x"):
        assert visitor.get(f"/workflows/images?{wrong}").status_code == 422


def test_the_steps_of_a_workflow_have_results_errors_and_edges(
    client: Client, visitor: Visitor
) -> None:
    submit(client, 2)
    Crew(client, fails=lambda name: name == "r1").run()

    page = text(visitor.get("/workflows/images").text)
    assert 'fetch complete app. Fetch work "fetch"' in page
    assert "r1 failed app. Resize work fetch broke" in page
    assert "pack failed app. Pack work r0, r1 parent-failed" in page
    assert "on_success when all jobs have completed report not put yet" in page
    failed = text(visitor.get("/workflows/images?state=failed").text)
    assert "r1 failed" in failed
    assert "fetch complete app" not in failed


def test_a_workflow_is_retried_and_canceled(client: Client, visitor: Visitor) -> None:
    submit(client, 2)
    Crew(client, fails=lambda name: name == "r1").run()
    page = visitor.get("/workflows/images").text
    assert "Retry failed steps" in page
    assert "Cancel…" in page

    answer = visitor.post("/workflows/images/retry", back="/workflows/images")
    assert "Retried 2 steps of workflow images" in visitor.followed(answer)
    asked = visitor.post("/workflows/images/cancel", confirmed=False).text
    assert "qless-py workflows cancel images --yes" in asked
    answer = visitor.post("/workflows/images/cancel", back="/workflows/images")
    page = visitor.followed(answer)
    assert "Canceled 2 jobs of workflow images" in page
    assert "Cancel…" not in page
    assert "Retry failed steps" not in page
    answer = visitor.post("/workflows/images/retry", back="/workflows/images")
    assert "was canceled" in visitor.followed(answer)
    entries = client.audit.page().entries
    assert [(one.action, one.count, one.outcome) for one in entries] == [
        ("workflow retry", None, "refused"), ("workflow cancel", 2, "done"),
        ("workflow retry", 2, "done"),
    ]  # fmt: skip


def test_a_decider_is_shown_by_its_steps(client: Client, visitor: Visitor) -> None:
    client.queues[QUEUE].put(KLASS, jid="order:first", tags=["workflow:order"])

    page = text(visitor.get("/workflows/order").text)
    assert "begun by a decider" in page
    assert "first waiting" in page


def test_a_batch_shows_callbacks_jobs_and_batches_within(client: Client, visitor: Visitor) -> None:
    report = {"queue": QUEUE, "klass": "app.Report", "jid": "report"}
    options: dict[str, Any] = {"on_complete": report, "on_failure": {**report, "jid": "alarm"}}
    with client.batch("outer", **options) as outer:
        outer.put_many(QUEUE, [{"klass": KLASS, "jid": f"j{n}", "retries": 0} for n in range(30)])
        with client.batch("inner", within=outer) as inner:
            inner.put("other", KLASS)
    Crew(client, fails=lambda name: name == "j1").once(3)

    page = visitor.get("/batches/outer").text
    shown = text(page)
    assert "2 of 31 jobs complete, 1 failed" in shown
    assert "on_failure when the first job has failed alarm waiting" in shown
    assert "on_complete when all jobs have ended report not put yet" in shown
    assert "10 of 28 unfinished members." in shown
    assert 'href="/batches/inner"' in page
    assert 'href="/jobs/j1"' in page
    assert len(page.encode()) < 40_000
    assert 'href="/batches/outer"' in visitor.get("/batches/inner").text

    answer = visitor.post("/batches/outer/retry", back="/batches/outer")
    assert "Retried 1 job of batch outer" in visitor.followed(answer)
    assert "Closes the batch" in visitor.post("/batches/outer/cancel", confirmed=False).text
    answer = visitor.post("/batches/outer/cancel", back="/batches/outer")
    assert "Canceled 29 jobs of batch outer" in visitor.followed(answer)
    assert "report waiting" in text(visitor.get("/batches/outer").text)


def test_a_batch_of_a_workflow_is_shown_as_the_workflow(client: Client, visitor: Visitor) -> None:
    submit(client, 1)
    assert visitor.get("/batches/workflow:images").headers["Location"] == "/workflows/images"


@pytest.mark.parametrize("path", ["/workflows/none", "/batches/none", "/batches/workflow:none"])
def test_unknown_names_are_not_found(visitor: Visitor, path: str) -> None:
    answer = visitor.flask.get(path, follow_redirects=True)
    assert answer.status_code == 404
    assert "does not exist or has expired" in answer.text


def test_viewers_see_no_buttons_and_no_secrets(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    submit(client, 1)
    with client.batch("b") as batch:
        batch.put("later", KLASS, {"password": "hunter2"})
    job = client.queues[QUEUE].pop()
    assert job is not None
    job.complete(result={"password": "hunter2"})
    viewer = visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])

    for path in ("/workflows/images", "/batches/b"):
        page = viewer.get(path).text
        assert "hunter2" not in page
        assert "password" in page
        assert "Cancel…" not in page
    for path in ("/workflows/images/cancel", "/workflows/images/retry", "/batches/b/cancel"):
        assert viewer.post(path).status_code == 403


def test_pages_of_large_workflows_need_few_round_trips(client: Client, visitor: Visitor) -> None:
    parts = group(*(step(QUEUE, KLASS, name=f"s{n}") for n in range(2_102)))
    client.workflows.submit(Workflow("images", parts))
    with client.batch("b") as batch:
        batch.put_many(QUEUE, [{"klass": KLASS, "retries": 0} for _ in range(300)])
    Crew(client, fails=lambda _: True, size=50).once()

    for path in ("/workflows", "/workflows?name=none", "/workflows/images", "/batches/b"):
        with counting_trips() as trips:
            assert visitor.get(path).status_code == 200
        assert trips.number <= 12, path
    page = text(visitor.get("/workflows/images").text)
    assert "The graph and the list have the first 2,000 of 2,102 steps." in page
