"""Batches and workflows over HTTP."""

from __future__ import annotations

from qless_py import Client, Workflow, chain, step
from tests.http.conftest import Api


def fail_one(client: Client) -> str:
    job = client.queues["mail"].pop(worker="me")
    assert job is not None
    job.fail("broke", "it broke")
    return job.jid


def test_batches_are_listed_read_retried_and_canceled(api: Api, client: Client) -> None:
    for name in ("night-1", "night-2", "day"):
        with client.batch(name) as batch:
            batch.put("mail", "app.Send", retries=0, jid=f"{name}-job")
    client.workflows.submit(Workflow("flow", step("other", "app.Send")))
    jid = fail_one(client)

    listed = api.ok("GET", "/batches?kind=batch&name=night*&phase=failed&phase=running")
    assert {one["name"]: one["phase"] for one in listed["batches"]} == {
        "night-1": "failed",
        "night-2": "running",
    }
    flows = api.ok("GET", "/batches?kind=workflow")["batches"]
    assert [one["name"] for one in flows] == ["workflow:flow"]
    first = api("GET", "/batches?limit=2")
    assert 'rel="next"' in first.headers["Link"]
    rest = api.ok("GET", f"/batches?cursor={first.get_json()['cursor']}")
    assert (len(rest["batches"]), rest["total"], rest["cursor"]) == (2, 4, None)
    assert api.problem("GET", "/batches?phase=dreaming")["code"] == "invalid"

    assert api.ok("GET", "/batches/night-1")["failed"] == 1
    assert api.ok("POST", "/batches/night-1/retry") == {"retried": [jid], "more": False}
    assert api.ok("POST", "/batches/night-1/cancel") == {"canceled": 1, "more": False}
    assert api.problem("POST", "/batches/night-1/retry")["code"] == "wrong-state"
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        assert api.problem(method, f"/batches/none{path}")["code"] == "batch-not-found"
    client.queues["mail"].put("app.Send", jid="outside", depends=["day-job"])
    assert api.problem("POST", "/batches/day/cancel")["code"] == "has-dependents"


def test_workflows_are_read_retried_and_canceled(api: Api, client: Client) -> None:
    parts = chain(step("mail", "app.Send", name="first"), step("mail", "app.Send", name="second"))
    client.workflows.submit(Workflow("flow", parts))
    fail_one(client)

    read = api.ok("GET", "/workflows/flow")
    assert (read["state"], read["counts"]) == ("failed", {"failed": 2})
    assert read["steps"]["second"]["group"] == "parent-failed"
    assert api.ok("POST", "/workflows/flow/retry") == {"retried": ["first", "second"]}
    assert api.ok("POST", "/workflows/flow/cancel") == {"canceled": 2}
    assert api.ok("POST", "/workflows/flow/cancel") == {"canceled": 0}
    assert api.problem("POST", "/workflows/flow/retry")["code"] == "wrong-state"
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        assert api.problem(method, f"/workflows/none{path}")["code"] == "batch-not-found"
    assert api.problem("GET", "/workflows/a:b")["code"] == "invalid"


def test_a_token_for_some_queues_sees_no_batches(api: Api, client: Client) -> None:
    client.batch("b")
    text = client.tokens.create("t", scopes=["read", "operate"], queues=["mail"]).text
    headers = {"Authorization": f"Bearer {text}"}
    for method, path in (("GET", "/batches"), ("GET", "/batches/b"), ("POST", "/batches/b/cancel")):
        assert api.problem(method, path, headers=headers)["code"] == "forbidden"
