"""The page of a job: its attempts, its family, its data as stored, and the form to edit it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.auth.identity import Access, Role
from qless_py.dashboard import job_parts
from tests.conftest import Clock
from tests.dashboard.conftest import Visitor


def job(client: Client, jid: str = "j") -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def pop(client: Client, worker: str = "w1") -> Job:
    (found,) = client.queues["q"].pop(1, worker=worker)
    return found


def text(page: str) -> str:
    """Return the words of a page without its markup."""
    inline = re.sub(r"</?(time|bdi|span|a|strong|wbr)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", inline)).split())


def test_attempts_show_worker_time_outcome_and_error_and_the_newest_is_open(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    client.queues["q"].put("k", jid="j")
    clock.advance(3)
    pop(client, "w1").retry(10, "k:ValueError", "Traceback …\nValueError: first")
    clock.advance(12)
    running = pop(client, "w2")
    clock.advance(5)
    running.log("half way", {"page": 7})
    running.fail("k:KeyError", "Traceback …\nKeyError: second")

    page = visitor.get("/jobs/j").text

    words = text(page)
    assert "#2 failed on w2 5 s ago, 5 s k:KeyError Traceback … KeyError: second" in words
    assert "#1 retried on w1 17 s ago, 0 s k:ValueError Traceback … ValueError: first" in words
    assert page.count('<details class="attempt" open data-open>') == 1
    assert page.index("KeyError: second") < page.index("ValueError: first")
    label = "Timeline: waited 3 s, ran (retried) 0 s, delayed 10 s, waited 2 s, ran (failed) 5 s"
    assert f'aria-label="{label}"' in page
    assert "waited 5 s · delayed 10 s · ran 5 s" in words
    assert "half way page 7" in words


def test_progress_that_says_how_much_is_done_has_a_bar(client: Client, visitor: Visitor) -> None:
    client.queues["q"].put("k", jid="j")
    pop(client).set_progress({"done": 1, "total": 4})
    assert 'aria-label="Progress"' in visitor.get("/jobs/j").text


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        (0.5, 0.5), (0, 0), (1, 1), (42, 0.42), (100, 1), (101, None), (-1, None), (True, None),
        ({"done": 3, "total": 4}, 0.75), ({"current": 5, "total": 0}, None), ("half", None),
        ({"done": "3", "total": 4}, None), ({"step": 2}, None), ([1], None), (float("nan"), None),
    ],
)  # fmt: skip
def test_the_share_that_is_done(progress: object, share: float | None) -> None:
    assert job_parts.share(progress) == share


def test_jobs_around_a_job_are_drawn_and_listed(client: Client, visitor: Visitor) -> None:
    queue = client.queues["q"]
    queue.put("app.First", jid="first")
    queue.put("app.Second", jid="second", depends=["first"])
    pop(client).complete(result=1)
    for number in range(40):
        queue.put("app.Leaf", jid=f"leaf-{number}", depends=["second"])
    queue.put("app.Last", jid="last", depends=["leaf-0"])

    page = visitor.get("/jobs/second").text

    svg = page[page.index('<svg class="graph"') : page.index("</svg>", page.index("graph-scroll"))]
    assert svg.count("<a ") == 13  # Itself, its parent, ten dependents, and one behind those.
    assert 'class="complete"' in svg
    assert 'class="waiting current"' in svg
    assert "30 more jobs" in svg
    assert "Dependents (40)" in page
    assert "Completed dependencies (1)" in page
    assert len(page.encode()) < 40_000


def test_the_page_makes_few_calls_whatever_a_job_has(client: Client, visitor: Visitor) -> None:
    queue = client.queues["q"]
    with client.batch("b", on_complete={"queue": "q", "klass": "k"}) as batch:
        parents = [queue.put("k") for _ in range(120)]
        batch.put("q", "k", jid="j", depends=parents[:100])
    job(client).depend(*parents[100:])
    for number in range(120):
        queue.put("k", jid=f"after-{number}", depends=["j"])
    visitor.get("/jobs/j")
    before = client.redis.info("commandstats")
    visitor.get("/jobs/j")
    after = client.redis.info("commandstats")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    calls = {
        name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"]
        for name in ("cmdstat_fcall", "cmdstat_fcall_ro")
        if name in after
    }
    assert sum(calls.values()) <= 12, calls


def test_the_form_shows_what_the_job_has_and_changes_it(client: Client, visitor: Visitor) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j", tags=["a"], priority=2)
    page = html.unescape(visitor.get("/jobs/j/edit").text)
    assert '{\n  "n": 1\n}</textarea>' in page
    assert 'href="/jobs/j/edit"' in visitor.get("/jobs/j").text

    fields: dict[str, Any] = {"digest": job(client).data_digest, "priority": "3", "tags": "b c"}
    answer = visitor.post("/jobs/j/edit", data='{"n":\r\n 2}', **fields)

    assert "Job j changed" in visitor.followed(answer)
    assert (job(client).data, job(client).priority, job(client).tags) == ({"n": 2}, 3, ["b", "c"])
    assert job(client).history[-1]["what"] == "edited"


def test_data_that_was_not_changed_is_not_written_again(client: Client, visitor: Visitor) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    fields: dict[str, Any] = {"digest": job(client).data_digest, "priority": "3", "tags": ""}
    visitor.post("/jobs/j/edit", data='{\r\n  "n": 1\r\n}', **fields)
    assert (job(client).raw, job(client).priority) == (b'{"n":1}', 3)
    assert [one["what"] for one in job(client).history] == ["put"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": "[1.50, NaN]", "priority": "1"}, "data holds NaN, which is not JSON"),
        ({"data": "{", "priority": "1"}, "must be JSON: Expecting property name"),
        ({"data": "", "priority": "1"}, "required"),
        ({"data": "1", "priority": "high"}, "must be a number, not 'high'"),
        ({"data": "1", "priority": "1", "tags": "a/b"}, "'a/b' is not a name"),
        ({"data": f'"{"x" * 2**20}"', "priority": "1"}, "the limit is 1048576"),
    ],
)
def test_an_invalid_field_has_its_message_and_nothing_changes(
    client: Client, visitor: Visitor, fields: dict[str, Any], message: str
) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    answer = visitor.post("/jobs/j/edit", digest=job(client).data_digest, **fields)
    assert answer.status_code == 422
    page = html.unescape(answer.text)
    assert message in page
    assert 'aria-invalid="true"' in page
    assert (job(client).data, job(client).priority) == ({"n": 1}, 0)


def test_a_change_by_somebody_else_is_shown_and_not_overwritten(
    client: Client, visitor: Visitor
) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    seen = job(client).data_digest
    job(client).edit({"n": 2})

    answer = visitor.post("/jobs/j/edit", digest=seen, data='{"n": 3}', priority="5", tags="")

    page = html.unescape(answer.text)
    assert answer.status_code == 409
    assert "was changed by somebody else" in page
    assert '"n": 2' in page
    assert '{"n": 3}</textarea>' in page
    assert (job(client).data, job(client).priority) == ({"n": 2}, 0)
    # The form has the new digest: saving it again is a decision.
    digest = job(client).data_digest
    assert f'name="digest" value="{digest}"' in page
    visitor.post("/jobs/j/edit", digest=digest, data='{"n": 3}', priority="5", tags="")
    assert job(client).data == {"n": 3}


def test_data_of_a_running_job_is_left_out_of_the_form(client: Client, visitor: Visitor) -> None:
    client.queues["q"].put("k", {"n": 1}, jid="j")
    digest = job(client).data_digest
    pop(client)
    page = visitor.get("/jobs/j/edit").text
    assert "The data of a job that is running cannot be changed." in page
    assert "<textarea" not in page
    assert "/jobs/j/edit" not in visitor.get("/jobs/j").text
    assert visitor.post("/jobs/j/edit", priority="5", tags="x").status_code == 303
    assert (job(client).priority, job(client).tags) == (5, ["x"])
    answer = visitor.post("/jobs/j/edit", digest=digest, data="2", priority="6", tags="")
    assert answer.status_code == 422
    assert "is running" in answer.text
    assert job(client).priority == 5


def test_numbers_stay_as_they_are_stored_and_typed(client: Client, visitor: Visitor) -> None:
    stored = b'{"big": 12345678901234567890123, "price": 1.50, "huge": 1e400}'
    client.queues["q"].put("k", stored, jid="j")
    assert stored.decode() in html.unescape(visitor.get("/jobs/j").text)
    assert stored.decode() in html.unescape(visitor.get("/jobs/j/edit").text)
    fields: dict[str, Any] = {"digest": job(client).data_digest, "priority": "0", "tags": ""}
    visitor.post("/jobs/j/edit", data=stored.decode().replace("1.50", "2.50"), **fields)
    assert job(client).raw == stored.replace(b"1.50", b"2.50")


def test_data_is_served_exactly_as_stored(client: Client, visitor: Visitor) -> None:
    client.queues["q"].put("k", b'{"a":  1.50, "b": "\xc3\xa9"}', jid="j")
    client.queues["q"].put("k", {"a": 1}, jid="packed", codec="msgpack")

    answer = visitor.get("/jobs/j/data")
    assert (answer.data, answer.mimetype) == (job(client).raw, "text/plain")
    packed = visitor.get("/jobs/packed/data")
    assert packed.data == job(client, "packed").raw
    assert 'href="/jobs/packed/data"' in visitor.get("/jobs/packed").text


def test_viewers_see_no_stored_data_and_no_form(
    client: Client, visit: Callable[..., Visitor]
) -> None:
    access = Access("eve", Role.VIEWER, shows_data=False)
    viewer = visit(auth=[lambda _: access])
    client.queues["q"].put("k", {"password": "hunter2"}, jid="j")
    page = viewer.get("/jobs/j").text
    assert "hunter2" not in page
    assert "As stored" not in page
    assert "/jobs/j/edit" not in page
    for path in ("/jobs/j/data", "/jobs/j/edit"):
        answer = viewer.get(path)
        assert answer.status_code == 403
        assert "hunter2" not in answer.text


def test_the_commands_put_a_job_like_this_one(client: Client, visitor: Visitor) -> None:
    data = {"quote": 'it\'s "here"', "big": 2**70}
    client.queues["q"].put("app.Send", data, jid="j", tags=["eu"], priority=3, user="ann")
    page = html.unescape(visitor.get("/jobs/j").text)
    assert 'qless-py put q app.Send \'{"quote":' in page
    assert "--priority 3 --retries 5 --tag eu --user ann" in page
    body = re.search(r"curl --json '(.*?)' http://127.0.0.1:5697/api/v1/queues/q/jobs", page)
    assert body is not None
    sent = json.loads(body[1].replace("'\"'\"'", "'"))
    assert (sent["data"], sent["klass"], sent["tags"]) == (data, "app.Send", ["eu"])


def test_a_job_that_is_gone_has_a_page_that_says_what_is_known(
    client: Client, clock: Clock, visitor: Visitor
) -> None:
    client.config["event-stream"] = 100
    client.queues["q"].put("k", jid="j")
    client.queues["q"].put("k", jid="other")
    job(client).cancel(by="ann", reason="wrong customer")
    job(client, "other").tag("later")
    clock.advance(5)

    answer = visitor.get("/jobs/j")
    assert answer.status_code == 404
    words = "Job j does not exist: it was canceled by ann (wrong customer), 5 s ago."
    assert words in text(answer.text)
    assert "qless-py canceled restore j" in answer.text
    client.canceled.delete("j")
    answer = visitor.get("/jobs/j")
    assert "Job j does not exist: it was canceled, 5 s ago." in text(answer.text)
    assert "complete jobs are kept for 30 d" in text(answer.text)
    assert "Job never-was does not exist." in text(visitor.get("/jobs/never-was").text)
    problem = visitor.get("/jobs/j", headers={"Accept": "application/json"})
    assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
    client.config["event-stream"] = 0
    assert visitor.get("/jobs/j").status_code == 404
