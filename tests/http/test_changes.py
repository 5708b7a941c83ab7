"""Jobs changed over HTTP by those who do not hold them."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client
from qless_py.client.job import Job
from tests.http.conftest import Api


def found(client: Client, jid: str) -> Job:
    job = client.jobs.get(jid)
    assert job
    return job


@pytest.fixture
def jobs(client: Client) -> Client:
    """Put jobs in several states: waits, runs, fails, done, later, parent and child."""
    queue = client.queues["mail"]
    for jid in ("runs", "fails", "done"):
        queue.put("K", jid=jid)
    _, failing, ending = queue.pop(3, worker="w")
    failing.fail("Refused", "no")
    ending.complete()
    queue.put("K", jid="waits", tags=["a", "b"])
    queue.put("K", jid="later", delay=600)
    queue.put("K", jid="parent")
    queue.put("K", jid="child", depends=["parent"])
    return client


def test_priority_and_tags_are_changed(api: Api, jobs: Client) -> None:
    answer = api.ok("PATCH", "/jobs/waits", {"priority": 5, "tags": ["b", "c"]})

    assert (answer["priority"], set(answer["tags"])) == (5, {"b", "c"})
    assert api.ok("PATCH", "/jobs/waits", {"tags": []})["priority"] == 5
    assert found(jobs, "waits").tags == []


def test_data_priority_and_tags_are_changed_in_one_step_or_not_at_all(
    api: Api, jobs: Client
) -> None:
    read = api.ok("GET", "/jobs/waits")["data_digest"]
    change = {"data": {"n": 2**70}, "data_digest": read, "priority": 3}

    answer = api.ok("PATCH", "/jobs/waits", change)

    assert (answer["data"], answer["priority"], answer["tags"]) == ({"n": 2**70}, 3, ["a", "b"])
    assert answer["data_digest"] != read
    problem = api.problem("PATCH", "/jobs/waits", {**change, "tags": ["z"]})
    assert (problem["status"], problem["code"]) == (409, "data-changed")
    assert found(jobs, "waits").tags == ["a", "b"]
    assert api.ok("PATCH", "/jobs/fails", {"data": None})["data"] is None
    for jid in ("runs", "done"):
        problem = api.problem("PATCH", f"/jobs/{jid}", {"data": 1, "priority": 9})
        assert problem["code"] == "wrong-state"
        assert found(jobs, jid).priority == 0
    assert api.problem("PATCH", "/jobs/waits", {"data_digest": read})["code"] == "invalid"
    assert api.problem("PATCH", "/jobs/waits", {"data": "x" * 2**20})["code"] == "data-too-large"


def test_data_is_changed_only_by_those_who_may_put_and_may_see_it(api: Api, jobs: Client) -> None:
    token = jobs.tokens.create("operator", scopes=["read", "operate"]).text
    headers = {"Authorization": f"Bearer {token}"}
    assert api.ok("GET", "/jobs/waits", headers=headers)["data_digest"] is None
    assert api.ok("PATCH", "/jobs/waits", {"priority": 1}, headers=headers)["priority"] == 1
    problem = api.problem("PATCH", "/jobs/waits", {"data": 1}, headers=headers)
    assert (problem["code"], problem["scope"]) == ("forbidden", "put")
    token = jobs.tokens.create("other", scopes=["operate", "put"], klasses=["app.*"]).text
    headers = {"Authorization": f"Bearer {token}"}
    assert api.problem("PATCH", "/jobs/waits", {"data": 1}, headers=headers)["code"] == "forbidden"


def test_a_job_is_canceled(api: Api, jobs: Client) -> None:
    assert api("DELETE", "/jobs/waits").status_code == 204
    assert jobs.jobs["waits"] is None


def test_a_job_is_put_again(api: Api, jobs: Client) -> None:
    assert api.ok("POST", "/jobs/done/requeue", {}) == {
        "jid": "done", "state": "waiting", "queue": "mail",
    }  # fmt: skip
    answer = api.ok("POST", "/jobs/fails/requeue", {"queue": "slow", "delay": 60, "priority": 2})
    assert (answer["state"], answer["queue"]) == ("scheduled", "slow")
    assert found(jobs, "fails").priority == 2


@pytest.mark.usefixtures("jobs")
def test_a_lease_is_taken_away(api: Api) -> None:
    assert api.ok("POST", "/jobs/runs/timeout")["state"] == "stalled"


@pytest.mark.usefixtures("jobs")
def test_a_scheduled_job_runs_now(api: Api) -> None:
    assert api.ok("POST", "/jobs/later/promote")["state"] == "waiting"


@pytest.mark.usefixtures("jobs")
def test_a_failed_job_runs_again(api: Api) -> None:
    assert api.ok("POST", "/jobs/fails/unfail")["state"] == "waiting"


def test_a_job_is_finished(api: Api, jobs: Client) -> None:
    assert api.ok("POST", "/jobs/runs/finish", {"result": [1]})["state"] == "complete"
    assert found(jobs, "runs").result == [1]


def test_a_job_is_tracked(api: Api, jobs: Client) -> None:
    assert api("PUT", "/jobs/waits/track").status_code == 204
    assert found(jobs, "waits").is_tracked
    assert api("DELETE", "/jobs/waits/track").status_code == 204
    assert not found(jobs, "waits").is_tracked


@pytest.mark.usefixtures("jobs")
def test_a_job_gets_and_loses_a_tag(api: Api) -> None:
    assert api.ok("PUT", "/jobs/waits/tags/c")["tags"] == ["a", "b", "c"]
    assert api.ok("DELETE", "/jobs/waits/tags/a")["tags"] == ["b", "c"]


@pytest.mark.usefixtures("jobs")
def test_dependencies_are_added_and_removed(api: Api) -> None:
    body = {"jids": ["waits", "later"], "on_parent_failed": "cancel"}
    answer = api.ok("POST", "/jobs/child/dependencies", body)
    assert set(answer["depends"]) == {"parent", "waits", "later"}
    answer = api.ok("DELETE", "/jobs/child/dependencies/parent")
    assert set(answer["depends"]) == {"waits", "later"}
    answer = api.ok("DELETE", "/jobs/child/dependencies")
    assert (answer["state"], answer["depends"]) == ("waiting", [])


REFUSED: list[tuple[str, Any, str]] = [
    ("DELETE /jobs/done", None, "wrong-state"),
    ("DELETE /jobs/parent", None, "has-dependents"),
    ("POST /jobs/waits/timeout", None, "wrong-state"),
    ("POST /jobs/waits/promote", None, "wrong-state"),
    ("POST /jobs/fails/promote", None, "wrong-state"),
    ("POST /jobs/later/unfail", None, "wrong-state"),
    ("POST /jobs/waits/dependencies", {"jids": ["later"]}, "wrong-state"),
    ("POST /jobs/child/dependencies", {"jids": ["child"]}, "cycle"),
    ("POST /jobs/child/dependencies", {"jids": ["nobody"]}, "job-not-found"),
    ("PATCH /jobs/waits", {}, "invalid"),
    ("PATCH /jobs/waits", {"priority": "high"}, "invalid"),
    ("PATCH /jobs/waits", {"tags": ["a b"]}, "invalid"),
    ("PATCH /jobs/runs", {"data": {}}, "wrong-state"),
    ("POST /jobs/waits/requeue", {"queue": "a b"}, "invalid"),
    ("POST /jobs/waits/requeue", {"klass": "os.system"}, "invalid"),
    ("POST /jobs/waits/requeue", {"delay": -1}, "invalid"),
]


def test_a_refusal_changes_nothing(api: Api, jobs: Client) -> None:
    jobs.config.set("audit-log", 0)
    before = jobs.redis.execute_command("DEBUG", "DIGEST")

    for request_line, body, code in REFUSED:
        method, path = request_line.split()
        assert api.problem(method, path, body)["code"] == code, (request_line, body)
        assert jobs.redis.execute_command("DEBUG", "DIGEST") == before, (request_line, body)


@pytest.mark.usefixtures("jobs")
def test_changes_are_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "qless_py.dashboard.audit"):
        api.ok("PATCH", "/jobs/waits", {"priority": 5})

    (record,) = caplog.records
    assert record.getMessage() == (
        "change_job {'jid': 'waits'}: user=local address=127.0.0.1 status=200"
    )
