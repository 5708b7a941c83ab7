"""Requests with a token: scopes, queues, klasses, and what is hidden."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import qless_py
from qless_py import Client, Job
from qless_py.http import create_api
from tests import servers
from tests.http.conftest import Api

ROOT = Path(qless_py.__file__).parents[1]


class Bearer:
    """Sends requests with a token."""

    def __init__(self, api: Api, client: Client, **limits: Any) -> None:
        self.token = client.tokens.create("test", **limits)
        self._api = api

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token.text}"}
        answer = self._api(method, path, body, headers=headers)
        return answer.get_json(force=True, silent=True), answer.status_code

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        found, status = self(method, path, body)
        assert status < 300, found
        return found

    def code(self, method: str, path: str, body: Any = None) -> str:
        found, status = self(method, path, body)
        assert status >= 400, found
        return str(found["code"])


@pytest.fixture
def bearer(api: Api, client: Client) -> Callable[..., Bearer]:
    """Return a function that creates a token with these limits."""
    return lambda **limits: Bearer(api, client, **limits)


def test_a_wrong_token_is_refused_from_everywhere(bearer: Callable[..., Bearer], api: Api) -> None:
    sender = bearer(scopes=["read"])
    sender.ok("GET", "/queues")

    wrong = {"Authorization": f"Bearer {sender.token.text[:-1]}x"}
    answer = api("GET", "/queues", headers=wrong)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_token_is_refused_at_the_latest_after_5_seconds(
    bearer: Callable[..., Bearer], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = bearer(scopes=["read"])
    sender.ok("GET", "/queues")
    client.tokens.revoke(sender.token.token.id)

    monkeypatch.setattr("qless_py.client.tokens.monotonic", lambda: time.monotonic() + 5)

    assert sender.code("GET", "/queues") == "unauthenticated"


def test_secrets_are_hidden_without_the_scope_data(
    bearer: Callable[..., Bearer], client: Client
) -> None:
    queue = client.queues["q"]
    context = {"baggage": "session_id=hunter2", "tenant": "acme"}
    queue.put("K", {"to": "ann", "password": "hunter2"}, jid="a", tags=["t"], context=context)
    job = queue.pop(worker="w")
    assert job
    job.log("asked", {"token": "hunter2"})
    job.set_progress({"password": "hunter2"})
    job.fail("Refused", "wrong password=hunter2\n")
    queue.recur("K", {"api_key": "hunter2"}, 60, jid="often")
    queue.put("K", jid="b")
    done = queue.pop(worker="w")
    assert done
    done.complete(result={"secret": "hunter2", "ok": 1})
    reader, privileged = bearer(scopes=["read"]), bearer(scopes=["read", "data"])
    paths = (
        "/jobs/a", "/jobs/a/history", "/jobs/a/result", "/jobs/a/explain", "/jobs/b/result",
        "/jobs", "/jobs?view=full", "/failures/jobs?group=Refused", "/recurring/often",
        "/failures/group?group=Refused", "/recurring",
    )  # fmt: skip

    for one in paths:
        assert "hunter2" not in str(reader.ok("GET", one)), one
    assert reader.ok("GET", "/jobs/a")["data"]["to"] == "ann"
    assert reader.ok("GET", "/jobs/a")["context"]["tenant"] == "acme"
    assert reader.ok("GET", "/jobs/b/result")["result"]["ok"] == 1
    assert sum("hunter2" in str(privileged.ok("GET", one)) for one in paths) >= 8
    # They could be guessed letter by letter otherwise.
    for query in ("data.password:h*", "hunter", "error:hunter"):
        assert reader.code("GET", f"/jobs?q={query}") == "invalid"
        privileged.ok("GET", f"/jobs?q={query}")


class TestQueues:
    @pytest.fixture
    def mail(self, bearer: Callable[..., Bearer], client: Client) -> Bearer:
        """Return a sender that is limited to the queues mail*, beside jobs of others."""
        client.queues["mail-1"].put("K", jid="own")
        client.queues["secret"].put("K", jid="foreign", depends=["own"])
        client.queues["secret"].recur("K", None, 60, jid="often")
        sender = bearer(scopes=["put", "work", "read", "operate"], queues=["mail*"])
        sender.ok("GET", "/queues")  # Its use is noted now, and not within the next minute.
        return sender

    def test_lists_hold_their_own_only(self, mail: Bearer) -> None:
        assert [one["name"] for one in mail.ok("GET", "/queues")["queues"]] == ["mail-1"]
        assert [one["jid"] for one in mail.ok("GET", "/jobs")["jobs"]] == ["own"]
        assert mail.ok("GET", "/jobs?q=queue:secret")["jobs"] == []
        assert mail.ok("GET", "/recurring")["recurring"] == []
        assert mail.ok("GET", "/counts")["queues"] == 1
        assert [one["jid"] for one in mail.ok("GET", "/jobs/own/tree")["jobs"]] == ["own"]

    def test_a_unique_key_of_another_queue_is_no_way_to_its_job(
        self, mail: Bearer, client: Client
    ) -> None:
        client.queues["secret"].put("K", 1, jid="holder", unique_key="key")
        body = {"klass": "K", "data": 2, "unique_key": "key", "unique_conflict": "replace"}

        assert mail.code("POST", "/queues/mail-1/jobs", body) == "forbidden"
        assert client.job("holder").data == 1

    @pytest.mark.usefixtures("mail")
    def test_several_patterns_filter_a_search(
        self, bearer: Callable[..., Bearer], client: Client
    ) -> None:
        client.queues["b"].put("K", jid="b")
        both = bearer(scopes=["read", "operate"], queues=["mail*", "b"])

        assert {one["jid"] for one in both.ok("GET", "/jobs")["jobs"]} == {"own", "b"}
        assert both.code("POST", "/operations", {"action": "cancel", "q": ""}) == "forbidden"
        both.ok("POST", "/operations", {"action": "tag", "tags": ["t"], "q": "queue:b"})
        assert {one["jid"] for one in both.ok("GET", "/jobs?q=state:waiting")["jobs"]} == {
            "own",
            "b",
        }
        assert both.ok("GET", "/jobs?q=klass:K queue:b")["jobs"][0]["jid"] == "b"
        for search in ("klass:K", "queue:secret", "-queue:x data:hunter"):
            assert both.code("GET", f"/jobs?q={search}") in {"forbidden", "invalid"}

    def test_a_cursor_tells_nothing_of_jobs_that_are_not_shown(
        self, bearer: Callable[..., Bearer], client: Client
    ) -> None:
        for jid in "ab":
            client.queues["secret"].put("K", {"password": "hunter2"}, jid=jid)
        sender = bearer(scopes=["read", "data"], queues=["mail*"])

        for search in ("queue:secret data:hunter", "-queue:x data:hunter", "queue:secret"):
            found = sender.ok("GET", f"/jobs?limit=1&q={search}")
            assert (found["jobs"], found["cursor"]) == ([], None), search

    def test_a_preview_tells_nothing_of_jobs_of_other_queues(self, mail: Bearer) -> None:
        body = {"action": "priority", "priority": 5, "dry_run": True}
        for jids in (["own", "foreign"], ["own", "unknown"]):
            found = mail.ok("POST", "/operations", {**body, "jids": jids})
            assert (found["changed"], sum(found["refused"].values())) == (1, 1), jids
        assert mail.ok("POST", "/operations", {**body, "jids": ["foreign"]})["changed"] == 0

    def test_single_things_of_other_queues_are_not_found(
        self, mail: Bearer, client: Client
    ) -> None:
        requests: list[tuple[str, str, Any]] = [
            ("GET", "/jobs/foreign", None),
            ("GET", "/jobs/foreign/explain", None),
            ("GET", "/jobs/foreign/result", None),
            ("GET", "/jobs/foreign/tree", None),
            ("PATCH", "/jobs/foreign", {"priority": 1}),
            ("DELETE", "/jobs/foreign", None),
            ("POST", "/jobs/foreign/requeue", {}),
            ("POST", "/jobs/foreign/finish", {}),
            ("PUT", "/jobs/foreign/tags/x", None),
            ("POST", "/jobs/own/dependencies", {"jids": ["foreign"]}),
            ("GET", "/recurring/often", None),
            ("DELETE", "/recurring/often", None),
        ]
        before = client.redis.execute_command("DEBUG", "DIGEST")
        for method, path, body in requests:
            assert mail.code(method, path, body) in {"job-not-found", "recurring-not-found"}
            assert client.redis.execute_command("DEBUG", "DIGEST") == before, (method, path)

    def test_what_is_not_theirs_is_forbidden(self, mail: Bearer, client: Client) -> None:
        requests: list[tuple[str, str, Any]] = [
            ("GET", "/queues/secret", None),
            ("GET", "/queues/unknown", None),
            ("POST", "/queues/secret/pause", {}),
            ("POST", "/queues/secret/pause", {"new": True}),
            ("POST", "/queues/secret/jobs", {"klass": "K"}),
            ("POST", "/queues/mail/jobs/batch", {"jobs": [{"klass": "K", "queue": "secret"}]}),
            ("POST", "/queues/mail/jobs", {"klass": "K", "jid": "foreign"}),
            ("POST", "/queues/mail/jobs/batch", {"jobs": [{"klass": "K", "jid": "foreign"}]}),
            ("POST", "/jobs/own/requeue", {"queue": "secret"}),
            ("POST", "/pop", {"worker": "w", "queues": ["secret"]}),
            ("POST", "/pop", {"worker": "w", "queues": ["*"]}),
            ("POST", "/pop", {"worker": "w", "queues": ["m*"]}),
            ("PUT", "/recurring/own", {"queue": "secret", "klass": "K", "interval": 5}),
            ("PUT", "/recurring/often", {"queue": "mail", "klass": "K", "interval": 5}),
            ("POST", "/operations", {"action": "cancel", "q": "queue:secret"}),
            ("POST", "/operations", {"action": "move", "queue": "secret", "q": "queue:mail*"}),
            ("GET", "/workers", None),
            ("GET", "/failures", None),
            ("GET", "/failures/group?group=g", None),
            ("POST", "/deploys", {"name": "v1"}),
            ("DELETE", "/deploys/1", None),
            ("GET", "/throttles", None),
            ("GET", "/throttles/queue:secret", None),
            ("PUT", "/throttles/smtp", {"concurrency": 1}),
            ("GET", "/users", None),
            ("GET", "/config", None),
            ("PUT", "/config/heartbeat", {"value": 5}),
            ("GET", "/tags", None),
            ("GET", "/tracked", None),
            ("GET", "/operations", None),
            ("POST", "/commands", {"command": "stop"}),
        ]
        before = client.redis.execute_command("DEBUG", "DIGEST")
        for method, path, body in requests:
            assert mail.code(method, path, body) == "forbidden", (method, path)
            assert client.redis.execute_command("DEBUG", "DIGEST") == before, (method, path)

    @pytest.mark.parametrize(
        "follow_up",
        [
            {"jid": "foreign", "on_conflict": "replace"},
            {"unique_key": "key", "unique_conflict": "replace"},
        ],
    )
    def test_a_put_replaces_no_job_of_another_queue(
        self, mail: Bearer, client: Client, follow_up: dict[str, Any]
    ) -> None:
        client.queues["secret"].put("K", jid="keyed", unique_key="key")
        (job,) = mail.ok("POST", "/pop", {"worker": "w", "queues": ["mail-1"]})["jobs"]
        put = {"klass": "Other", "queue": "mail-1", **follow_up}
        requests: list[tuple[str, Any]] = [
            ("/queues/mail-1/jobs/batch", {"jobs": [put]}),
            ("/queues/mail-1/jobs", {name: put[name] for name in put if name != "queue"}),
            (f"/jobs/{job['jid']}/complete", {"lease": job["lease"], "jobs": [put]}),
        ]
        before = client.redis.execute_command("DEBUG", "DIGEST")
        for path, body in requests:
            assert mail.code("POST", path, body) == "forbidden", path
            assert client.redis.execute_command("DEBUG", "DIGEST") == before, path

    def test_jobs_depend_on_none_of_another_queue(self, mail: Bearer, client: Client) -> None:
        (job,) = mail.ok("POST", "/pop", {"worker": "w", "queues": ["mail-1"]})["jobs"]
        put = {"klass": "K", "depends": ["own", "foreign"]}
        complete = f"/jobs/{job['jid']}/complete"
        requests: list[tuple[str, Any]] = [
            ("/queues/mail-1/jobs", put),
            ("/queues/mail-1/jobs/batch", {"jobs": [put]}),
            (complete, {"lease": job["lease"], "jobs": [{**put, "queue": "mail-1"}]}),
            (complete, {"lease": job["lease"], "next_queue": "mail-2", "depends": ["foreign"]}),
        ]
        before = client.redis.execute_command("DEBUG", "DIGEST")
        for path, body in requests:
            assert mail.code("POST", path, body) == "job-not-found", path
            assert client.redis.execute_command("DEBUG", "DIGEST") == before, path
        own = {"klass": "K", "jid": "next", "depends": ["own"]}
        mail.ok("POST", "/queues/mail-1/jobs", own)
        assert client.job("next").dependencies == ["own"]

    def test_only_their_own_leases_are_renewed(self, mail: Bearer, client: Client) -> None:
        client.queues["secret"].put("K", jid="held")
        held = client.queues["secret"].pop()
        assert held is not None
        (own,) = mail.ok("POST", "/pop", {"worker": "w", "queues": ["mail-1"]})["jobs"]
        leases = [
            {"jid": "held", "lease": held.lease},
            {"jid": "own", "lease": own["lease"]},
            {"jid": "unknown", "lease": "1.w"},
        ]
        answers = mail.ok("POST", "/heartbeats", {"leases": leases})["leases"]

        assert [one["jid"] for one in answers] == ["held", "own", "unknown"]
        assert [one.get("code") for one in answers] == ["job-not-found", None, "job-not-found"]
        (foreign,) = mail.ok("POST", "/heartbeats", {"leases": leases[:1]})["leases"]
        assert foreign["code"] == "job-not-found"

    def test_their_own_can_be_used(self, mail: Bearer, client: Client) -> None:
        mail.ok("POST", "/queues/mail/jobs", {"klass": "K", "jid": "new"})
        mail.ok("POST", "/queues/mail/jobs", {"klass": "K", "jid": "new"})
        mail.ok("PUT", "/throttles/queue:mail", {"concurrency": 5})
        popped = mail.ok("POST", "/pop", {"worker": "w", "queues": ["mail*"], "count": 9})["jobs"]
        assert {job["jid"] for job in popped} == {"own", "new"}
        body = {"action": "cancel", "jids": ["new", "foreign"]}
        answer = mail.ok("POST", "/operations", body)
        assert (answer["done"], answer["missing"]) == (1, ["foreign"])
        started = mail.ok("POST", "/operations", {"action": "cancel", "q": ""})
        assert started["search"] == "queue:mail*"
        assert mail.ok("GET", f"/operations/{started['jid']}")["jid"] == started["jid"]
        other = client.operations.start("cancel", "queue:secret", by="ann")
        assert mail.code("GET", f"/operations/{other}") == "operation-not-found"


class TestKlasses:
    @pytest.mark.parametrize(
        ("klasses", "klass", "is_allowed"),
        [
            (["app.mail.*"], "app.mail.Send", True),
            (["app.mail.*"], "os.system", False),
            (None, "app.mail.Send", True),
            (None, "http", False),
            (["*"], "http", False),
            (["http"], "http", True),
        ],
    )
    def test_only_allowed_ones_are_put(
        self, bearer: Callable[..., Bearer], klasses: Any, klass: str, *, is_allowed: bool
    ) -> None:
        sender = bearer(scopes=["put", "operate"], klasses=klasses)
        body = {"klass": klass, "data": {"url": "http://localhost/"}}
        schedule = {**body, "queue": "q", "interval": 60}

        for method, path, sent in (
            ("POST", "/queues/q/jobs", body),
            ("POST", "/queues/q/jobs/batch", {"jobs": [body]}),
            ("PUT", "/recurring/often", schedule),
        ):
            found, status = sender(method, path, sent)
            assert (status < 300) is is_allowed, found
            assert is_allowed or found["code"] == "forbidden"

    def test_a_schedule_cannot_be_turned_to_another_klass(
        self, bearer: Callable[..., Bearer], client: Client
    ) -> None:
        client.queues["q"].recur("app.mail.Send", None, 60, jid="often")
        limited = bearer(scopes=["put", "operate"], klasses=["app.mail.*"])
        operator = bearer(scopes=["operate"])

        assert limited.code("PATCH", "/recurring/often", {"klass": "http"}) == "forbidden"
        for change in ({"klass": "app.mail.Other"}, {"data": 5}, {"queue": "q2"}):
            assert operator.code("PATCH", "/recurring/often", change) == "forbidden"
        operator.ok("PATCH", "/recurring/often", {"interval": 5})

    def test_follow_ups_need_the_right_to_put_them(
        self, bearer: Callable[..., Bearer], client: Client
    ) -> None:
        client.queues["q"].put("K", jid="a")
        worker = bearer(scopes=["work"])
        (job,) = worker.ok("POST", "/pop", {"worker": "w", "queues": ["q"]})["jobs"]
        body = {"lease": job["lease"], "jobs": [{"klass": "http", "queue": "q"}]}

        assert worker.code("POST", "/jobs/a/complete", body) == "forbidden"
        limited = bearer(scopes=["work", "put"])
        assert limited.code("POST", "/jobs/a/complete", body) == "forbidden"


def test_a_token_cannot_make_a_worker_run_what_the_worker_does_not_allow(
    live: Client, server: servers.Server, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text("import os\n\n\ndef send(job):\n    return 'sent'\n")
    wide = live.tokens.create("wide", scopes=["put"])
    narrow = live.tokens.create("narrow", scopes=["put"], klasses=["shop.*"])
    own = Api(create_api(live).test_client())

    def put(token: str, klass: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        body = {"klass": klass, "jid": klass, "data": ["touch", str(tmp_path / "touched")]}
        return own("POST", "/queues/q/jobs", body, headers=headers).status_code

    assert put(narrow.text, "shop.send") == 201
    assert put(narrow.text, "os.system") == 403
    foreign = ("os.system", "shop.os.system", "subprocess.run", "builtins.exec")
    for klass in foreign:
        assert put(wide.text, klass) == 201
    command = [sys.executable, "-m", "qless_py", "work", "--queue", "q", "--import", "shop"]
    command += ["--burst", "--children", "1"]
    subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "QLESS_PY_URL": str(server.url), "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        check=True,
        capture_output=True,
        timeout=60,
    )

    found = {job.jid: job for job in live.jobs.get("shop.send", *foreign) if isinstance(job, Job)}
    assert found["shop.send"].result == "sent"
    assert {found[klass].state for klass in foreign} == {"failed"}
    assert not (tmp_path / "touched").exists()
