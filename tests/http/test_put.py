"""Jobs put over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client
from qless_py.client.job import Job
from tests.http.conftest import Api


def found(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_is_put_with_all_its_options(api: Api, client: Client) -> None:
    body = {
        "klass": "app.Mail",
        "data": {"to": ["ann", None, 1.5, 2**60]},
        "jid": "mail-1",
        "priority": 5,
        "tags": ["eu", "slow"],
        "attempts": 4,
        "retries": 2,
        "user": "ann",
        "throttles": {"smtp": 2},
        "keep": 60,
        "soft_limit": 10,
        "hard_limit": 20,
    }

    answer = api("POST", "/queues/mail/jobs", body)

    assert answer.status_code == 201
    assert answer.get_json() == {"jid": "mail-1", "created": True}
    assert answer.headers["Location"] == "/api/v1/jobs/mail-1"
    job = found(client, "mail-1")
    assert (job.klass_name, job.data) == ("app.Mail", body["data"])
    assert (job.queue_name, job.priority, job.tags) == ("mail", 5, ["eu", "slow"])
    assert (job.attempts, job.original_retries, job.user) == (4, 2, "ann")
    assert (job.throttles, job.costs) == (["smtp"], {"smtp": 2})
    assert (job.soft_limit, job.hard_limit) == (10, 20)


def test_a_delay_and_a_time(api: Api, client: Client) -> None:
    now = client.settings.clock()
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "later", "delay": 60})
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "then", "at": now + 90})

    assert [found(client, jid).state for jid in ("later", "then")] == ["scheduled"] * 2
    assert found(client, "then").due_at == pytest.approx(now + 90, abs=0.001)


def test_an_existing_job_is_answered_with_200(api: Api) -> None:
    body = {"klass": "K", "jid": "a", "on_conflict": "ignore"}
    api.ok("POST", "/queues/q/jobs", body)

    answer = api("POST", "/queues/q/jobs", body)

    assert (answer.status_code, answer.get_json()) == (200, {"jid": "a", "created": False})


def test_a_conflict_is_a_problem(api: Api) -> None:
    body = {"klass": "K", "jid": "a", "on_conflict": "raise"}
    api.ok("POST", "/queues/q/jobs", body)

    assert api.problem("POST", "/queues/q/jobs", body)["code"] == "already-exists"


def test_data_is_json_whatever_the_codec_of_the_client(api: Api, client: Client) -> None:
    other = Client(redis=client.redis, clock=client.runner.clock, codec="msgpack")
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "a", "data": {"n": 1}})

    job = found(other, "a")
    assert (job.codec_name, job.data) == ("json", {"n": 1})


def test_a_retry_policy(api: Api, client: Client) -> None:
    policy = {"backoff": 5, "retries": 3}
    api.ok("POST", "/queues/q/jobs", {"klass": "K", "jid": "a", "retry": policy})

    assert found(client, "a").attempts == 4


def test_many_jobs_in_order(api: Api, client: Client) -> None:
    jobs = [{"klass": "K", "jid": f"j{n}", "data": n} for n in range(250)]
    jobs[7]["queue"] = "other"

    answer = api.ok("POST", "/queues/q/jobs/batch", {"jobs": jobs})

    assert answer["jobs"] == [{"jid": f"j{n}", "created": True} for n in range(250)]
    assert (len(client.queues["q"]), len(client.queues["other"])) == (249, 1)


def test_one_bad_job_puts_none(api: Api, client: Client) -> None:
    jobs: list[dict[str, Any]] = [{"klass": "K"} for _ in range(150)]
    jobs[149]["tags"] = ["no spaces"]

    problem = api.problem("POST", "/queues/q/jobs/batch", {"jobs": jobs})

    assert problem["errors"][0]["pointer"] == "/jobs/149/tags/0"
    assert len(client.queues["q"]) == 0


def test_a_refused_hundred_leaves_those_before_and_says_how_many(api: Api, client: Client) -> None:
    client.queues["q"].put("K", jid="taken")
    jobs = [{"klass": "K", "jid": f"j{n}"} for n in range(150)]
    jobs[120] = {"klass": "K", "jid": "taken", "on_conflict": "raise"}

    problem = api.problem("POST", "/queues/q/jobs/batch", {"jobs": jobs})

    assert (problem["code"], problem["put"]) == ("already-exists", 100)
    assert len(client.queues["q"]) == 101


KEY = {"Idempotency-Key": "order 17"}


class TestIdempotencyKey:
    def test_the_same_request_again_gets_the_same_answer(self, api: Api, client: Client) -> None:
        body = {"klass": "K", "data": 1}
        first = api("POST", "/queues/q/jobs", body, headers=KEY)
        again = api("POST", "/queues/q/jobs", body, headers=KEY)

        assert (again.status_code, again.get_json()) == (201, first.get_json())
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(client.queues["q"]) == 1

    def test_another_request_is_refused(self, api: Api, client: Client) -> None:
        api.ok("POST", "/queues/q/jobs", {"klass": "K"}, headers=KEY)

        other = api.problem("POST", "/queues/q/jobs", {"klass": "L"}, headers=KEY)

        assert (other["status"], other["code"]) == (422, "key-reused")
        assert len(client.queues["q"]) == 1

    def test_a_refused_request_does_not_use_the_key(self, api: Api) -> None:
        api.problem("POST", "/queues/q/jobs", {"klass": ""}, headers=KEY)
        api.ok("POST", "/queues/q/jobs", {"klass": "K"}, headers=KEY)

    def test_many_jobs_that_were_put_in_part_are_put_in_full(
        self, api: Api, client: Client
    ) -> None:
        client.queues["q"].put("K", jid="taken")
        jobs: list[dict[str, Any]] = [{"klass": "K"} for _ in range(150)]
        jobs[120] = {"klass": "K", "jid": "taken", "on_conflict": "raise"}
        body = {"jobs": jobs}
        api.problem("POST", "/queues/q/jobs/batch", body, headers=KEY)
        client.jobs["taken"].cancel()  # type: ignore[union-attr]

        answer = api.ok("POST", "/queues/q/jobs/batch", body, headers=KEY)

        assert len(answer["jobs"]) == 150 == len(client.queues["q"])

    def test_a_key_that_is_too_long(self, api: Api) -> None:
        headers = {"Idempotency-Key": "x" * 256}
        assert (
            api.problem("POST", "/queues/q/jobs", {"klass": "K"}, headers=headers)["status"] == 422
        )
