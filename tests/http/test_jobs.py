"""Jobs searched, read, explained and waited for over HTTP."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from qless_py import Client
from tests.http.conftest import Api


def put(client: Client, *jids: str, queue: str = "mail", **options: Any) -> None:
    for jid in jids:
        client.queues[queue].put("app.Send", {"to": jid}, jid=jid, **options)


class TestSearch:
    def test_jobs_are_found_page_by_page(self, api: Api, client: Client) -> None:
        put(client, *(f"j{number}" for number in range(5)), tags=["eu"])
        put(client, "other", queue="slow")
        found: list[str] = []
        path = "/jobs?q=queue:mail&limit=2"
        while path:
            answer = api("GET", path)
            assert answer.status_code == 200
            found += [job["jid"] for job in answer.get_json()["jobs"]]
            link = answer.headers.get("Link", "")
            assert (link == "") == (answer.get_json()["cursor"] is None)
            path = link.partition(">")[0].removeprefix("</api/v1") if link else ""

        assert found == [f"j{number}" for number in range(5)]

    def test_a_list_has_no_data_unless_wanted(self, api: Api, client: Client) -> None:
        put(client, "a")
        client.queues["mail"].put("app.Send", {"to": "x" * 70_000}, jid="long")

        (basic, _) = api.ok("GET", "/jobs?q=queue:mail")["jobs"]
        (short, long) = api.ok("GET", "/jobs?q=queue:mail&view=full")["jobs"]

        assert "data" not in basic
        assert (basic["klass"], basic["queue"], basic["state"]) == ("app.Send", "mail", "waiting")
        assert short["data"] == {"to": "a"}
        assert "data" not in long

    def test_the_number_of_scanned_jobs_is_bounded(self, api: Api, client: Client) -> None:
        put(client, *(f"j{number}" for number in range(9)))

        answer = api.ok("GET", "/jobs?q=priority:>5&budget=4")

        assert (answer["jobs"], answer["scanned"], answer["total"]) == ([], 4, 9)
        assert answer["cursor"]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("q=stat:failed", "invalid"),
            ("q=%22open", "invalid"),
            ("q=" + "x" * 501, "invalid"),
            ("limit=0", "invalid"),
            ("limit=101", "invalid"),
            ("limit=two", "invalid"),
            ("budget=0", "invalid"),
            ("view=all", "invalid"),
            ("color=red", "invalid"),
            ("cursor=x", "bad-cursor"),
            ("cursor=%00", "bad-cursor"),
            ("limit=1&limit=2", "invalid"),
        ],
    )
    def test_a_wrong_query_is_a_problem(self, api: Api, query: str, code: str) -> None:
        assert api.problem("GET", f"/jobs?{query}")["code"] == code


class TestOneJob:
    def test_it_is_read_with_its_history(self, api: Api, client: Client) -> None:
        put(client, "a", priority=3)

        job = api.ok("GET", "/jobs/a")

        assert (job["jid"], job["data"], job["priority"]) == ("a", {"to": "a"}, 3)
        assert [entry["what"] for entry in job["history"]] == ["put"]

    def test_data_of_any_codec_becomes_json(self, api: Api, client: Client) -> None:
        other = Client(redis=client.redis, clock=client.runner.clock, codec="msgpack")
        other.queues["mail"].put("K", {"raw": b"\xff", 5: float("inf"), "n": [1.5]}, jid="a")

        assert api.ok("GET", "/jobs/a")["data"] == {"raw": "b'\\xff'", "5": None, "n": [1.5]}

    def test_why_it_does_not_run_is_explained(self, api: Api, client: Client) -> None:
        put(client, "a")
        client.queues["mail"].pause("maintenance")

        answer = api.ok("GET", "/jobs/a/explain")

        assert (answer["state"], answer["queue"], answer["ready"]) == ("waiting", "mail", False)
        assert answer["reasons"][0]["kind"] == "Paused"
        assert "maintenance" in answer["reasons"][0]["words"]

    def test_its_history_holds_its_log(self, api: Api, client: Client) -> None:
        put(client, "a")
        job = client.jobs.get("a")
        assert job
        job.log("checked", {"by": "ann"})

        entries = api.ok("GET", "/jobs/a/history")["history"]

        assert [entry["what"] for entry in entries] == ["put", "checked"]
        assert entries[1]["by"] == "ann"
        assert len(api.ok("GET", "/jobs/a/history?limit=1")["history"]) == 1

    @pytest.mark.parametrize("part", ["", "/explain", "/result", "/history", "/tree"])
    def test_an_unknown_one_is_not_found(self, api: Api, client: Client, part: str) -> None:
        client.queues["mail"].recur("K", None, 60, jid="often")

        for jid in ("nobody", "often"):
            problem = api.problem("GET", f"/jobs/{jid}{part}")
            assert (problem["status"], problem["code"]) == (404, "job-not-found")


class TestResult:
    def test_it_is_read_once_the_job_has_ended(self, api: Api, client: Client) -> None:
        put(client, "a", "b")
        assert api.ok("GET", "/jobs/a/result") == {
            "jid": "a", "state": "waiting", "ended": False, "result": None, "failure": None,
        }  # fmt: skip
        first, second = client.queues["mail"].pop(2)
        first.complete(result={"sent": 1})
        second.fail("Refused", "no such person")

        assert api.ok("GET", "/jobs/a/result")["result"] == {"sent": 1}
        failed = api.ok("GET", "/jobs/b/result?wait=20")
        assert (failed["state"], failed["ended"]) == ("failed", True)
        assert failed["failure"]["message"] == "no such person"

    @pytest.mark.parametrize("kept", [True, False])
    def test_it_is_waited_for(self, api: Api, client: Client, *, kept: bool) -> None:
        put(client, "a")
        if not kept:
            client.config["jobs-history-count"] = 0
        job = client.queues["mail"].pop()
        assert job
        ending = threading.Timer(0.05, lambda: job.complete(result="sent"))
        ending.start()

        answer = api.ok("GET", "/jobs/a/result?wait=20")

        ending.join()
        assert (answer["state"], answer["ended"]) == ("complete", True)
        assert answer["result"] == ("sent" if kept else None)

    def test_the_wait_is_over_in_time(self, api: Api, client: Client) -> None:
        put(client, "a")

        assert not api.ok("GET", "/jobs/a/result?wait=0.01")["ended"]
        assert api.problem("GET", "/jobs/a/result?wait=-1")["code"] == "invalid"

    def test_a_job_that_is_canceled_meanwhile_says_so(self, api: Api, client: Client) -> None:
        put(client, "a")
        canceling = threading.Timer(0.05, lambda: client.cancel("a", by="ann", reason="r"))
        canceling.start()

        problem = api.problem("GET", "/jobs/a/result?wait=20")
        assert [problem[name] for name in ("code", "by", "reason")] == ["job-canceled", "ann", "r"]
        canceling.join()


class TestTree:
    def test_it_shows_parents_and_dependents(self, api: Api, client: Client) -> None:
        put(client, "one")
        put(client, "two", depends=["one"])
        put(client, "three", depends=["two"])
        put(client, "four", depends=["three"])

        answer = api.ok("GET", "/jobs/two/tree?depth=1")
        whole = api.ok("GET", "/jobs/two/tree")

        assert {node["jid"] for node in answer["jobs"]} == {"one", "two", "three"}
        assert sorted(answer["edges"]) == [["one", "two"], ["two", "three"]]
        assert not answer["complete"]
        assert {node["jid"] for node in whole["jobs"]} == {"one", "two", "three", "four"}
        assert whole["complete"]
        assert api.problem("GET", "/jobs/two/tree?depth=6")["code"] == "invalid"

    def test_it_is_bounded(self, api: Api, client: Client) -> None:
        put(client, "root")
        client.queues["mail"].put_many([{"klass": "K", "depends": ["root"]} for _ in range(300)])

        answer = api.ok("GET", "/jobs/root/tree")

        assert len(answer["jobs"]) <= 200
        assert not answer["complete"]

    def test_parents_that_are_gone_have_no_state(self, api: Api, client: Client) -> None:
        put(client, "one")
        put(client, "two", depends=["one"], on_parent_failed="run")
        client.cancel("one")

        answer = api.ok("GET", "/jobs/two/tree")

        assert {"jid": "one", "klass": None, "queue": None, "state": None} in answer["jobs"]
