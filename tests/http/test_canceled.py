"""Canceled jobs over HTTP, and operations that are undone."""

from __future__ import annotations

import pytest

from qless_py import Client
from qless_py.client import operations
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from tests.http.conftest import Api


@pytest.fixture
def canceled(api: Api, client: Client) -> Client:
    """Cancel three jobs over HTTP: two of the queue mail, of which one waits for the other."""
    client.queues["mail"].put("app.Send", {"to": 1, "password": "hunter2"}, jid="a", tags=["eu"])
    client.queues["mail"].put("app.Send", jid="b", depends=["a"])
    client.queues["other"].put("app.Other", jid="c")
    for jid in ("b", "a", "c"):
        api.ok("DELETE", f"/jobs/{jid}?reason=wrong+customer")
    return client


def test_canceled_jobs_are_listed_and_read(api: Api, canceled: Client) -> None:
    del canceled
    found = api.ok("GET", "/canceled?queue=mail&reason=wrong*")
    assert (sorted(job["jid"] for job in found["jobs"]), found["total"]) == (["a", "b"], 3)

    copy = api.ok("GET", "/canceled/a")
    assert (copy["reason"], copy["tags"], copy["state"]) == ("wrong customer", ["eu"], "waiting")
    assert copy["data"]["to"] == 1
    assert api.problem("GET", "/canceled/nobody")["code"] == "job-not-found"
    assert api.problem("GET", "/canceled?cursor=x")["code"] == "bad-cursor"

    first = api.ok("GET", "/canceled?limit=2")
    rest = api.ok("GET", f"/canceled?limit=2&cursor={first['cursor']}")
    assert len(first["jobs"]) + len(rest["jobs"]) == 3


def test_they_are_restored_each_by_itself_and_deleted(api: Api, canceled: Client) -> None:
    answer = api.ok("POST", "/restore", {"jids": ["b"]})
    assert answer["restored"] == []
    assert [one["code"] for one in answer["refused"]] == ["wrong-state"]

    answer = api.ok("POST", "/restore", {"jids": ["b", "a", "nobody"]})
    assert answer["restored"] == ["b", "a"]
    assert [one["code"] for one in answer["refused"]] == ["job-not-found"]
    assert canceled.job("b").state == "depends"

    api.ok("DELETE", "/canceled/c")
    assert api.problem("DELETE", "/canceled/c")["code"] == "job-not-found"


def test_an_operation_is_previewed_and_undone(api: Api, client: Client) -> None:
    for jid in ("a", "b"):
        client.queues["mail"].put("app.Send", jid=jid)
    body = {"action": "cancel", "q": "queue:mail", "reason": "r"}
    preview = api.ok("POST", "/operations", {**body, "dry_run": True})
    assert preview == {
        "changed": 2, "refused": {}, "complete": True, "states": {"waiting": 2},
        "queues": {"mail": 2}, "samples": ["a", "b"],
    }  # fmt: skip

    started = api.ok("POST", "/operations", body)
    assert api.problem("POST", f"/operations/{started['jid']}/undo", {})["code"] == "wrong-state"
    carry_out(client)
    assert client.jobs["a"] is None
    undo = api.ok("POST", f"/operations/{started['jid']}/undo", {})
    carry_out(client)

    done = api.ok("GET", f"/operations/{undo['jid']}")
    assert (done["action"], done["done"], done["percent"]) == ("undo", 2, 100)
    assert client.job("a").state == "waiting"
    again = api.problem("POST", f"/operations/{started['jid']}/undo", {})
    assert "no changes that can be undone" in again["detail"]


def carry_out(client: Client) -> None:
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    job.complete(result=operations.carry_out(job))
