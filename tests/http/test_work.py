"""A worker over HTTP: from the pop to the end of the job."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest

from qless_py import Backoff, Client, RetryPolicy
from qless_py.client.job import Job
from qless_py.http import HttpConfig, create_api
from tests.conftest import Clock
from tests.http.conftest import Api


def found(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def put(client: Client, jid: str = "a", **options: Any) -> None:
    client.queues["q"].put("K", {"n": 1}, jid=jid, **options)


def pop(api: Api, **more: Any) -> dict[str, Any]:
    (job,) = api.ok("POST", "/pop", {"worker": "w", "queues": ["q"], **more})["jobs"]
    assert isinstance(job, dict)
    return job


def lease(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"lease": job["lease"], **more}


def test_a_job_is_popped_with_its_lease(api: Api, client: Client) -> None:
    put(client, tags=["t"])

    job = pop(api)

    assert (job["jid"], job["klass"], job["data"], job["tags"]) == ("a", "K", {"n": 1}, ["t"])
    assert (job["state"], job["worker"]) == ("running", "w")
    assert job["lease"] == found(client, "a").lease
    assert job["expires_at"] == pytest.approx(client.settings.clock() + 60, abs=0.01)


def test_an_empty_queue_gives_an_empty_list(api: Api) -> None:
    assert api.ok("POST", "/pop", {"worker": "w", "queues": ["q"]}) == {"jobs": []}


def test_several_queues_in_an_order(api: Api, client: Client) -> None:
    for queue in ("low", "high", "left-out"):
        client.queues[queue].put("K", jid=queue)

    body = {"worker": "w", "queues": ["high", "*", "!left-out"], "count": 10}

    assert [one["jid"] for one in api.ok("POST", "/pop", body)["jobs"]] == ["high", "low"]


@pytest.mark.parametrize("order", ["ordered", "round-robin", "shuffled", "weighted"])
def test_every_order_pops(api: Api, client: Client, order: str) -> None:
    put(client)
    assert pop(api, order=order)["jid"] == "a"


def test_a_result_completes_the_job(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)

    answer = api.ok("POST", "/jobs/a/complete", lease(job, result={"sent": True}))

    assert answer == {"jid": "a", "state": "complete", "jobs": []}
    assert found(client, "a").result == {"sent": True}


def test_a_second_report_says_that_the_job_has_ended(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)
    api.ok("POST", "/jobs/a/complete", lease(job, result=1))

    problem = api.problem("POST", "/jobs/a/complete", lease(job, result=2))

    assert (problem["status"], problem["code"]) == (409, "already-finished")
    assert api.ok("GET", problem["type"].removeprefix("/api/v1"))["code"] == "already-finished"
    assert found(client, "a").result == 1


def test_follow_ups_are_put_with_the_completion(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)
    more = [{"queue": "next", "klass": "L", "data": n, "priority": n} for n in (1, 2)]

    answer = api.ok("POST", "/jobs/a/complete", lease(job, jobs=more))

    assert [found(client, jid).data for jid in answer["jobs"]] == [1, 2]
    assert [found(client, jid).priority for jid in answer["jobs"]] == [1, 2]


def test_follow_ups_of_a_lost_lease_are_not_put(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)
    found(client, "a").timeout()

    problem = api.problem(
        "POST", "/jobs/a/complete", lease(job, jobs=[{"queue": "next", "klass": "L"}])
    )

    assert (problem["code"], len(client.queues["next"])) == ("lease-lost", 0)


def test_a_job_moves_to_the_next_queue(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)

    answer = api.ok(
        "POST", "/jobs/a/complete", lease(job, next_queue="next", delay=5, data={"n": 2})
    )

    moved = found(client, "a")
    assert (answer["state"], moved.queue_name, moved.data) == ("scheduled", "next", {"n": 2})


def test_the_codec_of_the_job_writes_its_result(api: Api, client: Client) -> None:
    put(client, codec="msgpack")
    job = pop(api)
    assert job["codec"] == "msgpack"

    api.ok("POST", "/jobs/a/complete", lease(job, result=[1]))

    assert found(client, "a").result == [1]


def test_a_failure(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)

    answer = api.ok(
        "POST", "/jobs/a/fail", lease(job, message="no such host", error="ResolveError")
    )

    assert answer == {"jid": "a", "state": "failed"}
    failure = found(client, "a").failure
    assert (failure["group"], failure["message"]) == ("K:ResolveError", "no such host")


def test_a_failure_runs_again_as_the_policy_says(api: Api, client: Client, clock: Clock) -> None:
    put(client, attempts=2)

    first = api.ok("POST", "/jobs/a/fail", lease(pop(api), message="down\nat line 5"))
    assert first["state"] == "scheduled"
    assert found(client, "a").history[-1]["error"] == "Error: down"
    clock.advance(3600)
    second = api.ok("POST", "/jobs/a/fail", lease(pop(api), message="down"))

    assert second["state"] == "failed"


def test_a_final_failure_is_not_repeated(api: Api, client: Client) -> None:
    put(client, attempts=5)
    answer = api.ok("POST", "/jobs/a/fail", lease(pop(api), message="gone", final=True))
    assert answer["state"] == "failed"


def test_a_policy_that_names_an_error(api: Api) -> None:
    policy = {"on": {"ConnectionError": {"then": "retry", "backoff": 5, "retries": 3}}}
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "a", "retry": policy})
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "b", "retry": policy})

    refused = lease(pop(api), message="m", error="ConnectionRefusedError")
    other = lease(pop(api), message="m", error="app.BadInput")

    assert api.ok("POST", "/jobs/a/fail", refused)["state"] == "scheduled"
    assert api.ok("POST", "/jobs/b/fail", other)["state"] == "failed"


def test_a_policy_runs_no_code_in_the_server(api: Api, client: Client) -> None:
    put(client, retry=RetryPolicy(Backoff.custom("antigravity.fly"), retries=3))
    sys.modules.pop("antigravity", None)

    answer = api.ok("POST", "/jobs/a/fail", lease(pop(api), message="m"))

    assert answer["state"] == "scheduled"
    assert "antigravity" not in sys.modules


def test_a_retry(api: Api, client: Client) -> None:
    put(client, retries=3)
    answer = api.ok("POST", "/jobs/a/retry", lease(pop(api), delay=5))
    assert answer == {"jid": "a", "state": "scheduled", "retries_left": 2}


def test_a_release_costs_nothing(api: Api, client: Client) -> None:
    put(client)
    assert api.ok("POST", "/jobs/a/release", lease(pop(api)))["state"] == "waiting"
    assert found(client, "a").retries_left == 5


def test_a_snooze(api: Api, client: Client) -> None:
    put(client)
    answer = api.ok("POST", "/jobs/a/snooze", lease(pop(api), delay=5))
    assert (answer["state"], found(client, "a").state) == ("scheduled", "scheduled")
    assert answer["due_at"] == pytest.approx(client.settings.clock() + 5, abs=0.01)


def test_a_back_off_blocks_the_queue(api: Api, client: Client) -> None:
    put(client)
    answer = api.ok("POST", "/jobs/a/back-off", lease(pop(api), seconds=30))
    assert answer["throttles"] == ["queue:q"]
    # Whoever may work could block for decades what others share.
    assert api.problem("POST", "/jobs/a/back-off", {"lease": "1.w", "seconds": 86401})["errors"]
    assert api.ok("POST", "/pop", {"worker": "w", "queues": ["q"]}) == {"jobs": []}


def test_heartbeats_renew_leases_one_by_one(api: Api, client: Client, clock: Clock) -> None:
    put(client, "a")
    put(client, "b")
    a, b = pop(api), pop(api)
    found(client, "b").timeout()
    clock.advance(30)

    alone = api.ok("POST", "/jobs/a/heartbeat", lease(a))
    leases = [{"jid": one["jid"], "lease": one["lease"]} for one in (a, b)]
    together = api.ok("POST", "/heartbeats", {"leases": leases})["leases"]

    assert alone["expires_at"] == pytest.approx(client.settings.clock() + 60, abs=0.01)
    assert (together[0]["jid"], together[1]["code"]) == ("a", "lease-lost")


def test_a_log_line_and_progress(api: Api, client: Client) -> None:
    put(client)
    job = pop(api)

    assert api("POST", "/jobs/a/log", lease(job, message="half way")).status_code == 204
    assert api("POST", "/jobs/a/progress", lease(job, progress=[5, 10])).status_code == 204

    assert found(client, "a").progress == [5, 10]
    assert found(client, "a").history[-1]["what"] == "half way"


REPORTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("heartbeat", {}),
    ("complete", {}),
    ("complete", {"result": 1}),
    ("fail", {"message": "m"}),
    ("retry", {}),
    ("release", {}),
    ("snooze", {"delay": 1}),
    ("back-off", {"seconds": 1}),
    ("log", {"message": "m"}),
    ("progress", {"progress": 1}),
)


@pytest.mark.parametrize(("report", "more"), REPORTS)
def test_every_report_needs_the_lease(
    api: Api, client: Client, report: str, more: dict[str, Any]
) -> None:
    put(client)
    pop(api)
    before = client.redis.execute_command("DEBUG", "DIGEST")

    lost = api.problem("POST", f"/jobs/a/{report}", {"lease": "5.other", **more})
    none = api.problem("POST", f"/jobs/a/{report}", more)
    gone = api.problem("POST", f"/jobs/nobody/{report}", {"lease": "5.other", **more})

    assert (lost["code"], none["code"], gone["code"]) == ("lease-lost", "invalid", "job-not-found")
    assert client.redis.execute_command("DEBUG", "DIGEST") == before


class TestBeat:
    def test_a_worker_is_listed_with_its_facts(self, api: Api, client: Client) -> None:
        facts = {"host": "box", "pid": 7, "slots": 4, "info": {"language": "bash"}}

        answer = api.ok("POST", "/workers/w/beat", facts)

        assert answer == {"command": None, "next_beat_in": 15.0}
        (row,) = client.workers.counts
        assert row["name"] == "w"
        assert row["info"] == {"host": "box", "pid": 7, "slots": 4, "language": "bash"}

    def test_the_answer_is_the_command_that_waits(self, api: Api, client: Client) -> None:
        api.ok("POST", "/workers/w/beat", {})
        client.workers.quiet("w")

        assert api.ok("POST", "/workers/w/beat", {})["command"] == "quiet"
        assert api.ok("POST", "/workers/w/beat", {})["command"] is None

    def test_a_worker_that_ends_is_no_longer_listed(self, api: Api, client: Client) -> None:
        api.ok("POST", "/workers/w/beat", {})
        assert api("DELETE", "/workers/w").status_code == 204
        assert list(client.workers) == []


@pytest.mark.timeout(30)
class TestLongPoll:
    """These wait in real time, in a namespace with the clock of the server."""

    @pytest.fixture
    def real(self, client: Client) -> Client:
        return Client(redis=client.redis, namespace="real")

    def test_a_job_ends_the_wait(self, real: Client) -> None:
        api = Api(create_api(real).test_client())
        timer = threading.Timer(0.2, real.queues["q"].put, ("K",), {"jid": "a"})
        timer.start()
        begun = time.monotonic()

        job = pop(api, wait=15)

        assert job["jid"] == "a"
        assert 0.1 < time.monotonic() - begun < 10
        timer.join()

    def test_without_a_job_the_wait_ends(self, real: Client) -> None:
        api = Api(create_api(real, HttpConfig(longest_wait=0.2)).test_client())
        assert api.ok("POST", "/pop", {"worker": "w", "queues": ["q"], "wait": 99}) == {"jobs": []}

    def test_over_the_limit_nobody_waits(self, real: Client) -> None:
        api = Api(create_api(real, HttpConfig(long_polls=0)).test_client())
        assert api.ok("POST", "/pop", {"worker": "w", "queues": ["q"], "wait": 99}) == {"jobs": []}
