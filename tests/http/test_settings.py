"""Schedules, limits, options, operations and counts over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from qless_py import Client
from qless_py.http import create_api
from tests.conftest import Clock
from tests.http.conftest import Api
from tests.http.test_queues import carry_out

HOURLY = {"queue": "reports", "klass": "app.Report", "interval": 3600, "data": {"of": "sales"}}


class Refused:
    """`refused(method, path, body, code)`: a request that must be refused and change nothing."""

    def __init__(self, api: Api, client: Client) -> None:
        self._api, self._client = api, client

    def __call__(self, method: str, path: str, body: Any, code: str) -> None:
        before = self._client.redis.execute_command("DEBUG", "DIGEST")
        assert self._api.problem(method, path, body)["code"] == code, body
        assert self._client.redis.execute_command("DEBUG", "DIGEST") == before


@pytest.fixture
def refused(api: Api, client: Client) -> Refused:
    return Refused(api, client)


class TestRecurring:
    def test_a_schedule_is_created_and_replaced(self, api: Api) -> None:
        assert api("PUT", "/recurring/hourly", HOURLY).status_code == 201
        answer = api("PUT", "/recurring/hourly", {**HOURLY, "interval": 60, "tags": ["t"]})

        assert answer.status_code == 200
        found = api.ok("GET", "/recurring/hourly")
        assert found == answer.get_json()
        assert (found["interval"], found["tags"], found["data"]) == (60, ["t"], {"of": "sales"})

    def test_a_cron_expression(self, api: Api) -> None:
        body = {"queue": "q", "klass": "K", "cron": "0 3 * * *", "zone": "Europe/Berlin"}
        api.ok("PUT", "/recurring/nightly", body)

        times = api.ok("GET", "/recurring/nightly/next?count=3")["next"]

        assert [two - one for one, two in itertools.pairwise(times)] == [86400.0] * 2

    def test_schedules_are_listed_page_by_page(self, api: Api, client: Client) -> None:
        for number in range(3):
            for queue in ("a", "b"):
                client.queues[queue].recur("K", None, 60, jid=f"{queue}{number}")
        client.queues["empty"].put("K")
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            answer = api.ok("GET", "/recurring", query_string=query)
            found += [one["jid"] for one in answer["recurring"]]
            cursor = answer["cursor"]

        assert sorted(found) == ["a0", "a1", "a2", "b0", "b1", "b2"]
        assert len(api.ok("GET", "/recurring?queue=b")["recurring"]) == 3
        assert api.problem("GET", "/recurring?cursor=x")["code"] == "bad-cursor"

    def test_it_is_changed_paused_run_and_removed(self, api: Api) -> None:
        api.ok("PUT", "/recurring/hourly", {**HOURLY, "limit": 9})

        body = {"interval": 60, "limit": None, "data": None, "queue": "slow"}
        changed = api.ok("PATCH", "/recurring/hourly", body)
        assert (changed["interval"], changed["limit"], changed["data"]) == (60, None, None)
        assert changed["queue"] == "slow"
        assert api.ok("POST", "/recurring/hourly/pause")["paused"]
        assert not api.ok("POST", "/recurring/hourly/resume")["paused"]
        child = api.ok("POST", "/recurring/hourly/run")["jid"]
        assert api.ok("GET", f"/jobs/{child}")["spawned_from"] == "hourly"
        assert api("DELETE", "/recurring/hourly").status_code == 204
        assert api.problem("GET", "/recurring/hourly")["code"] == "recurring-not-found"

    @pytest.mark.parametrize(
        "change",
        [
            {"interval": 0}, {"interval": "1h"}, {"cron": "0 3 * * *"}, {"klass": ""},
            {"klass": "a\nb"}, {"queue": "a b"}, {"zone": "Mars"}, {"every": 60},
            {"limit": 0}, {"start": 9, "end": 5}, {"retry": {}}, {"retry": {"atempts": 1}},
            {"retry": {"attempts": 2}, "attempts": 2}, {"tags": ["a b"]}, {"misfire": "some"},
        ],
    )  # fmt: skip
    def test_a_wrong_schedule_is_refused(self, refused: Refused, change: dict[str, Any]) -> None:
        refused("PUT", "/recurring/hourly", {**HOURLY, **change}, "invalid")

    def test_a_cron_expression_that_never_fires(self, refused: Refused) -> None:
        body = {"queue": "q", "klass": "K"}
        for wrong in ({}, {"cron": "0 0 30 2 *"}, {"cron": "nonsense"}, {"zone": "UTC"}):
            refused("PUT", "/recurring/never", {**body, **wrong}, "invalid")

    def test_an_unknown_one_is_not_found(self, refused: Refused, client: Client) -> None:
        client.queues["q"].put("K", jid="job")
        for jid in ("nobody", "job"):
            for method, part, body in (
                ("GET", "", None), ("GET", "/next", None), ("DELETE", "", None),
                ("PATCH", "", {"interval": 5}), ("POST", "/run", None),
                ("POST", "/pause", None), ("POST", "/resume", None),
            ):  # fmt: skip
                path = f"/recurring/{jid}{part}"
                refused(method, path, body, "recurring-not-found")


class TestLimits:
    def test_a_throttle_is_set_read_and_deleted(self, api: Api, client: Client) -> None:
        answer = api.ok("PUT", "/throttles/smtp", {"concurrency": 1, "rate": 5, "per": 60})
        api.ok("PUT", "/throttles/queue:mail", {"concurrency": 0})
        for jid in ("one", "two"):
            client.queues["q"].put("K", jid=jid, throttles=["smtp"])
        client.queues["q"].pop(2)

        assert (answer["concurrency"], answer["rate"], answer["per"]) == (1, 5, 60)
        listed = api.ok("GET", "/throttles")["throttles"]
        assert {one["id"] for one in listed} == {"smtp", "queue:mail"}
        assert api.ok("GET", "/throttles/smtp")["holding"] == 1
        assert api.ok("GET", "/throttles/smtp/holders")["jids"] == ["one"]
        assert api.ok("GET", "/throttles/smtp/waiting")["jids"] == ["two"]
        assert api.ok("POST", "/throttles/smtp/release", {"jids": ["one"]}) == {"released": 1}
        assert api.ok("POST", "/throttles/smtp/block", {"seconds": 60})["blocked_until"]
        assert not api.ok("POST", "/throttles/smtp/block", {"seconds": 0})["blocked_until"]
        assert api("DELETE", "/throttles/smtp").status_code == 204
        assert api.problem("DELETE", "/throttles/smtp")["code"] == "throttle-not-found"

    @pytest.mark.parametrize(
        "body",
        [{}, {"concurrency": -1}, {"concurrency": 1.5}, {"rate": 0}, {"per": 5}, {"burst": 5},
         {"concurency": 1}, {"rate": "5"}],
    )  # fmt: skip
    def test_wrong_limits_are_refused(self, refused: Refused, body: Any) -> None:
        refused("PUT", "/throttles/smtp", body, "invalid")

    @pytest.mark.parametrize("throttle", ["a%20b", "queue:", "queue:a%0a", "-x", "x" * 140])
    def test_a_wrong_id_is_refused(self, refused: Refused, throttle: str) -> None:
        refused("GET", f"/throttles/{throttle}", None, "invalid")

    def test_a_user_is_changed_and_reset(self, api: Api, refused: Refused) -> None:
        answer = api.ok("PATCH", "/users/ann", {"weight": 3, "max_running": 2})
        assert (answer["weight"], answer["max_running"]) == (3, 2)
        assert api.ok("PATCH", "/users/ann", {"max_running": None})["max_running"] is None
        assert [one["name"] for one in api.ok("GET", "/users")["users"]] == ["ann"]
        assert api("DELETE", "/users/ann").status_code == 204
        assert api.ok("GET", "/users/ann")["weight"] == 1
        assert api.problem("DELETE", "/users/ann")["code"] == "user-not-found"
        for body in ({}, {"weight": 0}, {"weight": "3"}, {"max_running": -1}, {"age": 3}):
            refused("PATCH", "/users/ann", body, "invalid")


class TestDeploys:
    def test_a_deploy_is_marked_listed_and_removed(self, api: Api, refused: Refused) -> None:
        answer = api("POST", "/deploys", {"name": "v1.2", "once": True})
        assert answer.status_code == 201
        marker = answer.get_json()
        assert (marker["name"], marker["by"]) == ("v1.2", "local")
        again = api("POST", "/deploys", {"name": "v1.2", "once": True})
        assert (again.status_code, again.get_json()) == (200, marker)
        assert api.ok("GET", "/deploys") == {"deploys": [marker]}
        for body in ({}, {"name": ""}, {"name": "  "}, {"name": "x" * 129}, {"name": "\u202e"}):
            refused("POST", "/deploys", body, "invalid")
        assert api.problem("DELETE", "/deploys/nobody")["code"] == "deploy-not-found"
        assert api("DELETE", f"/deploys/{marker['id']}").status_code == 204
        assert api.ok("GET", "/deploys") == {"deploys": []}


class TestOperations:
    def test_jobs_are_changed_at_once_by_their_jids(self, api: Api, client: Client) -> None:
        for jid in ("a", "b"):
            client.queues["q"].put("K", jid=jid)
        client.queues["q"].pop(worker="w")
        body = {"action": "move", "queue": "slow", "jids": ["a", "b", "nobody"]}

        preview = api.ok("POST", "/operations", {**body, "dry_run": True})
        answer = api("POST", "/operations", body)

        assert preview["changed"] == 1
        assert answer.status_code == 200
        assert (answer.get_json()["done"], answer.get_json()["missing"]) == (1, ["nobody"])
        (one,) = answer.get_json()["refused"]
        assert (one["jid"], one["code"]) == ("a", "wrong-state")
        assert api.ok("GET", "/jobs/b")["queue"] == "slow"

    def test_an_operation_is_followed_and_aborted(
        self, api: Api, client: Client, clock: Clock
    ) -> None:
        for number in range(3):
            client.queues["q"].put("K", jid=f"j{number}")
        body = {"action": "tag", "tags": ["seen"], "q": "queue:q"}
        assert api.ok("POST", "/operations", {**body, "dry_run": True}) == {
            "changed": 3, "refused": {}, "complete": True, "states": {"waiting": 3},
            "queues": {"q": 3}, "samples": ["j0", "j1", "j2"],
        }  # fmt: skip

        started = api("POST", "/operations", body)
        place = started.headers["Location"].removeprefix("/api/v1")
        assert (started.status_code, api.ok("GET", place)["over"]) == (202, False)
        carry_out(client, started.get_json()["jid"])

        done = api.ok("GET", place)
        assert (done["state"], done["done"], done["over"]) == ("complete", 3, True)
        clock.advance(1)
        second = api.ok("POST", "/operations", body)
        aborted = api.ok("DELETE", f"/operations/{second['jid']}")
        assert (aborted["aborted"], aborted["over"]) == (True, True)
        listed = api.ok("GET", "/operations")["operations"]
        assert [one["jid"] for one in listed] == [second["jid"], done["jid"]]

    @pytest.mark.parametrize(
        "body",
        [
            {"action": "cancel"},
            {"action": "cancel", "q": "", "jids": ["a"]},
            {"action": "destroy", "q": ""},
            {"action": "move", "q": ""},
            {"action": "cancel", "q": "", "queue": "x"},
            {"action": "priority", "q": "", "priority": "5"},
            {"action": "tag", "q": "", "tags": []},
            {"action": "cancel", "q": "stat:failed"},
            {"action": "cancel", "jids": []},
            {"action": "cancel", "jids": ["a b"]},
            {"action": "cancel", "q": "", "force": True},
        ],
    )
    def test_a_wrong_one_is_refused(self, refused: Refused, body: Any) -> None:
        refused("POST", "/operations", body, "invalid")

    def test_an_unknown_one_is_not_found(self, refused: Refused, client: Client) -> None:
        client.queues["q"].put("K", jid="job")
        for jid in ("nobody", "job"):
            for method in ("GET", "DELETE"):
                path = f"/operations/{jid}"
                refused(method, path, None, "operation-not-found")


class TestOverview:
    def test_jobs_are_counted(self, api: Api, client: Client) -> None:
        client.queues["a"].put("K")
        client.queues["b"].put("K", delay=60)
        client.queues["b"].pause()
        job = client.queues["a"].pop(worker="w")
        assert job
        job.complete()

        counts = api.ok("GET", "/counts")

        assert (counts["queues"], counts["paused"], counts["whole"]) == (2, ["b"], True)
        assert (counts["states"]["scheduled"], counts["states"]["waiting"]) == (1, 0)
        assert (counts["complete"], counts["failed"], counts["workers"]) == (1, 0, 1)

    def test_workers_are_counted_that_the_queues_need(self, live: Client) -> None:
        api = Api(create_api(live).test_client())
        for number in range(200):
            live.queues["mail" if number % 2 else "slow"].put("K")

        every = api.ok("GET", "/autoscale?max=3&max_wait=1")
        one = api.ok("GET", "/autoscale?queue=ma*&queue=!mail-x&min=1")

        assert (every["desired"], every["backlog"]) == (3, 200)
        assert (one["backlog"], one["desired"] >= 1) == (100, True)
        assert "100 waiting" in one["reason"]
        for query in ("max=0", "min=5&max=4", "queue=a%20b", "utilization=2", "slots=x"):
            assert api.problem("GET", f"/autoscale?{query}")["code"] == "invalid", query

    def test_tags_and_tracked_jobs_are_listed(self, api: Api, client: Client) -> None:
        client.queues["q"].put("K", jid="a", tags=["x", "y"])
        client.queues["q"].put("K", jid="b", tags=["x"])
        client.track("a")

        tags = api.ok("GET", "/tags?limit=1")
        assert (tags["tags"], tags["cursor"]) == ([{"tag": "x", "number": 2}], "1")
        tracked = api.ok("GET", "/tracked")
        assert ([job["jid"] for job in tracked["jobs"]], tracked["cursor"]) == (["a"], None)

    def test_options_are_read_set_and_reset(self, api: Api, refused: Refused) -> None:
        assert api.ok("GET", "/config")["options"]["heartbeat"] == 60
        assert api.ok("PUT", "/config/heartbeat", {"value": 90})["value"] == 90
        assert api.ok("PUT", "/config/q-heartbeat", {"value": 5})["value"] == 5
        assert api.ok("DELETE", "/config/heartbeat")["value"] == 60
        refused("PUT", "/config/hartbeat", {"value": 5}, "bad-config")
        refused("PUT", "/config/heartbeat", {"value": "soon"}, "bad-config")
        refused("PUT", "/config/heartbeat", {"value": None}, "invalid")
        refused("PUT", "/config/heartbeat", {"value": True}, "invalid")
