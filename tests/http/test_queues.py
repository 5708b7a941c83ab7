"""Queues, failures and workers over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qless_py import Client
from qless_py.client import operations
from qless_py.protocol import workers
from tests.conftest import Clock
from tests.http.conftest import Api


@pytest.fixture
def busy(client: Client, clock: Clock) -> Client:
    """Put jobs into queues: waiting, scheduled, running and failed ones."""
    for jid in ("a", "b", "fails"):
        client.queues["mail"].put("K", {"n": jid}, jid=jid, priority=int(jid == "fails"))
    failing = client.queues["mail"].pop(worker="w")
    assert failing
    failing.fail("Refused/now: 1", "no\nreally")
    clock.advance(1)
    client.queues["mail"].put("K", jid="later", delay=600)
    client.queues["slow"].put("K", jid="s", user="ann")
    return client


def carry_out(client: Client, jid: str) -> None:
    """Do what a worker does with an operation."""
    job = client.queues["qless-operations"].pop() or client.jobs.get(jid)
    assert job
    job.complete(result=operations.carry_out(job))


class TestQueues:
    @pytest.mark.usefixtures("busy")
    def test_they_are_listed_with_their_counts(self, api: Api) -> None:
        first = api("GET", "/queues?limit=1")
        second = api.ok("GET", first.headers["Link"].partition(">")[0].removeprefix("</api/v1"))

        (mail,) = first.get_json()["queues"]
        assert (mail["name"], mail["waiting"], mail["scheduled"]) == ("mail", 2, 1)
        assert [one["name"] for one in second["queues"]] == ["slow"]
        assert second["cursor"] is None
        assert api.problem("GET", "/queues?cursor=x")["code"] == "bad-cursor"

    def test_one_is_read_with_its_options(self, api: Api, busy: Client) -> None:
        busy.queues["mail"].heartbeat = 90
        busy.queues["mail"].throttle.set(concurrency=3)

        queue = api.ok("GET", "/queues/mail")

        assert (queue["waiting"], queue["paused"]) == (2, False)
        assert queue["options"]["heartbeat"] == 90
        assert queue["throttle"]["concurrency"] == 3

    def test_an_unknown_one_is_not_found(self, api: Api, busy: Client) -> None:
        requests: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("GET", "/stats", None),
            ("GET", "/series?start=0&end=60", None),
            ("GET", "/peek", None),
            ("GET", "/jobs?state=waiting", None),
            ("GET", "/users", None),
            ("POST", "/pause", {}),
            ("POST", "/resume", None),
            ("PATCH", "", {"heartbeat": 5}),
            ("DELETE", "", None),
            ("POST", "/purge", {}),
        ]
        before = busy.redis.execute_command("DEBUG", "DIGEST")
        for method, path, body in requests:
            problem = api.problem(method, f"/queues/mial{path}", body)
            assert (problem["status"], problem["code"]) == (404, "queue-not-found"), (method, path)
        assert busy.redis.execute_command("DEBUG", "DIGEST") == before

    def test_statistics_are_read(self, api: Api, busy: Client) -> None:
        now = busy.settings.clock()

        day = api.ok("GET", "/queues/mail/stats")
        series = api.ok("GET", f"/queues/mail/series?start={now - 60}&end={now + 60}")

        assert (day["failures"], day["failed"]) == (1, 1)
        assert sum(one["put"] for one in series["samples"]) == 4
        assert api.ok("GET", "/queues/mail/stats?day=2001-01-01")["failures"] == 0
        for query in ("stats?day=today", "series?start=9&end=1", "series?start=0&end=999999",
                      "series?start=x&end=1", "series?start=1"):  # fmt: skip
            assert api.problem("GET", f"/queues/mail/{query}")["code"] == "invalid"

    def test_statistics_of_queues_and_klasses_are_compared(self, api: Api, busy: Client) -> None:
        now = busy.settings.clock()

        queues = api.ok("GET", "/statistics?last=600")
        (klass,) = api.ok("GET", "/statistics?by=klass&name=K")["statistics"]
        first = api.ok("GET", "/statistics?limit=1")
        series = api.ok("GET", f"/statistics/series?klass=K&start={now - 60}&end={now + 60}")

        (mail,) = [one for one in queues["statistics"] if one["name"] == "mail"]
        assert (mail["put"], mail["failed"], mail["failure_rate"]) == (4, 1, 1.0)
        assert mail["put_rate"] == pytest.approx(4 / (queues["end"] - queues["start"]))
        assert klass["put"] >= 4
        assert set(klass["wait"]) == {"p50", "p95", "p99"}
        assert len(first["statistics"]) == 1
        assert sum(one["put"] for one in series["samples"]) == klass["put"]
        for query in (
            "?last=0", "?last=9999999", f"?start={now}&end={now - 9}", "?by=user",
            "?start=1&end=9e6", "/series?start=0&end=1",
            f"/series?klass=K&start={now - 20_000}&end={now}",
        ):  # fmt: skip
            assert api.problem("GET", f"/statistics{query}")["code"] == "invalid", query

    @pytest.mark.usefixtures("busy")
    def test_jobs_are_peeked_at_and_listed_by_state(self, api: Api) -> None:
        assert [job["jid"] for job in api.ok("GET", "/queues/mail/peek")["jobs"]] == ["a", "b"]
        first = api.ok("GET", "/queues/mail/jobs?state=waiting&limit=1")
        rest = api.ok("GET", f"/queues/mail/jobs?state=waiting&limit=1&cursor={first['cursor']}")
        assert [job["jid"] for job in (*first["jobs"], *rest["jobs"])] == ["a", "b"]
        (later,) = api.ok("GET", "/queues/mail/jobs?state=scheduled")["jobs"]
        assert (later["jid"], "data" in later) == ("later", False)
        assert api.problem("GET", "/queues/mail/jobs?state=dreaming")["code"] == "invalid"
        assert api.problem("GET", "/queues/mail/jobs")["code"] == "invalid"

    @pytest.mark.usefixtures("busy")
    def test_its_users_have_shares(self, api: Api) -> None:
        (ann,) = api.ok("GET", "/queues/slow/users")["users"]
        assert (ann["name"], ann["share"], ann["waiting"]) == ("ann", 1.0, 1)

    def test_it_is_paused_and_resumed(self, api: Api, busy: Client) -> None:
        answer = api.ok("POST", "/queues/mail/pause", {"reason": "maintenance", "for": 60})

        assert answer["paused"]
        assert (answer["pause"]["reason"], answer["pause"]["by"]) == ("maintenance", "local")
        assert answer["pause"]["until"] == pytest.approx(busy.settings.clock() + 60)
        assert not api.ok("POST", "/queues/mail/resume")["paused"]
        assert api.ok("POST", "/queues/fresh/pause", {"new": True})["paused"]
        for body in ({"reason": "a\nb"}, {"until": -1}, {"until": 5, "for": 5}, {"span": 5}):
            assert api.problem("POST", "/queues/mail/pause", body)["code"] == "invalid"

    @pytest.mark.usefixtures("busy")
    def test_its_options_are_changed(self, api: Api) -> None:
        answer = api.ok(
            "PATCH", "/queues/mail", {"heartbeat": 300, "retry_policy": {"backoff": {"first": 5}}}
        )
        assert answer["options"]["heartbeat"] == 300
        assert "retry-policy" in answer["options"]
        answer = api.ok("PATCH", "/queues/mail", {"heartbeat": None, "retry_policy": None})
        assert answer["options"] == {"heartbeat": 60}
        for body in ({}, {"heartbeat": 0}, {"heartbeat": "5"}, {"retry_policy": {"atempts": 3}}):
            assert api.problem("PATCH", "/queues/mail", body)["code"] == "invalid", body

    def test_it_is_forgotten(self, api: Api, busy: Client) -> None:
        assert api.problem("DELETE", "/queues/mail")["code"] == "queue-not-empty"
        assert api.ok("DELETE", "/queues/mail?force=true") == {"forgotten": "mail"}
        assert "mail" not in busy.queues

    def test_its_jobs_are_canceled_by_the_workers(self, api: Api, busy: Client) -> None:
        answer = api("POST", "/queues/mail/purge", {})

        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/api/v1/operations/{answer.get_json()['jid']}"
        carry_out(busy, answer.get_json()["jid"])
        assert len(busy.queues["mail"]) == 0
        assert api.problem("POST", "/queues/mail/purge", {"states": ["x"]})["code"] == "invalid"


class TestFailures:
    def test_groups_and_their_jobs_are_listed(self, api: Api, busy: Client) -> None:
        (group,) = api.ok("GET", "/failures")["groups"]
        found = api.ok("GET", "/failures/jobs", query_string={"group": group["group"]})

        assert (group["group"], group["number"]) == ("Refused/now: 1", 1)
        assert group["last_failed_at"] == busy.settings.clock() - 1
        (job,) = found["jobs"]
        assert (found["total"], job["jid"], job["failure"]["message"]) == (1, "fails", "no")

    def test_groups_are_filtered_and_their_messages_clustered(self, api: Api, busy: Client) -> None:
        (one,) = api.ok("GET", "/failures?within=60&sort=count&text=refused&seen=true")["groups"]
        assert (one["failures"], one["hours"][-1], one["new"]) == (1, 1, False)
        assert api.ok("GET", "/failures?new=true") == {"groups": [], "total": 0, "cursor": None}
        found = api.ok("GET", "/failures/group", query_string={"group": one["group"]})
        (cluster,) = found["clusters"]
        assert (cluster["pattern"], cluster["count"], cluster["jids"]) == ("no", 1, ["fails"])
        assert found["queues"] == [{"name": "mail", "number": 1}]
        busy.cancel("fails")
        assert api.ok("GET", "/failures")["total"] == 0
        assert api.ok("GET", "/failures?seen=true")["total"] == 1
        for query in ("sort=size", "within=-1", "new=2", "seen=perhaps"):
            assert api.problem("GET", f"/failures?{query}")["code"] == "invalid"

    @pytest.mark.usefixtures("busy")
    def test_an_unknown_group_has_no_jobs(self, api: Api) -> None:
        assert api.ok("GET", "/failures/jobs?group=x") == {"jobs": [], "total": 0, "cursor": None}
        for query in ("", "?group=", "?group=a%0ab", "?group=" + "x" * 256):
            assert api.problem("GET", f"/failures/jobs{query}")["code"] == "invalid"

    @pytest.mark.parametrize("queue", [None, "slow"])
    def test_the_jobs_of_a_group_run_again(self, api: Api, busy: Client, queue: str | None) -> None:
        body = {"group": "Refused/now: 1", **({"queue": queue} if queue else {})}
        answer = api("POST", "/failures/retry", body)

        assert answer.status_code == 202
        carry_out(busy, answer.get_json()["jid"])
        job = api.ok("GET", "/jobs/fails")
        assert (job["state"], job["queue"]) == ("waiting", queue or "mail")

    def test_the_jobs_of_a_group_are_deleted(self, api: Api, busy: Client) -> None:
        answer = api.ok("POST", "/failures/cancel", {"group": "Refused/now: 1"})
        carry_out(busy, answer["jid"])
        assert api.problem("GET", "/jobs/fails")["code"] == "job-not-found"
        assert api.problem("POST", "/failures/cancel", {})["code"] == "invalid"

    @pytest.mark.usefixtures("busy")
    def test_the_oldest_of_a_group_are_moved(self, api: Api) -> None:
        body = {"group": "Refused/now: 1", "count": 5}
        assert api.ok("POST", "/queues/slow/unfail", body) == {"moved": 1}
        assert api.ok("POST", "/queues/slow/unfail", body) == {"moved": 0}
        assert api.problem("POST", "/queues/slow/unfail", {**body, "count": 0})["code"] == "invalid"


class TestWorkers:
    def test_they_are_listed_with_what_they_report(self, api: Api, busy: Client) -> None:
        busy.run(workers.beat("box-1", json.dumps({"host": "box", "slots": 2}).encode()))
        job = busy.queues["mail"].pop(worker="box-1")
        assert job

        row, _ = api.ok("GET", "/workers")["workers"]
        one = api.ok("GET", "/workers/box-1")

        assert (row["name"], row["jobs"], row["info"]["slots"]) == ("box-1", 1, 2)
        assert (one["jobs"], one["seen_at"]) == ([job.jid], busy.settings.clock())
        (held,) = api.ok("GET", "/workers/box-1/jobs")["jobs"]
        assert held["worker"] == "box-1"

    def test_they_receive_commands(self, api: Api, busy: Client) -> None:
        for name in ("box-1-0", "box-1-1", "other"):
            busy.run(workers.beat(name, b"{}"))

        answer = api.ok("POST", "/workers/box-1/command", {"command": "quiet"})
        assert set(answer["workers"]) == {"box-1-0", "box-1-1"}
        assert busy.run(workers.beat("box-1-1")) == "quiet"
        everybody = api.ok("POST", "/commands", {"command": "stop"})
        assert {"box-1-0", "box-1-1", "other"} <= set(everybody["workers"])
        assert busy.run(workers.beat("other")) == "stop"

    @pytest.mark.usefixtures("busy")
    def test_an_unknown_one_is_not_found(self, api: Api) -> None:
        body = {"command": "quiet"}
        assert api.problem("GET", "/workers/nobody")["code"] == "worker-not-found"
        assert api.problem("GET", "/workers/nobody/jobs")["code"] == "worker-not-found"
        assert api.problem("POST", "/workers/w2/command", body)["code"] == "worker-not-found"
        assert api.problem("POST", "/workers/w/command", {"command": "x"})["code"] == "invalid"
