"""`qless-py batches` and `qless-py workflows`."""

from __future__ import annotations

from qless_py import Client, Workflow, chain, step
from qless_py.protocol.options import PutSpec
from tests.cli.conftest import Program


def test_batches_are_listed_shown_retried_and_canceled(program: Program, live: Client) -> None:
    report: PutSpec = {"queue": "mail", "klass": "app.Report", "jid": "report"}
    with live.batch("night-1", on_success=report) as batch:
        batch.put_many("mail", [{"klass": "app.Send", "retries": 0} for _ in range(3)])
    live.batch("day")
    live.workflows.submit(Workflow("flow", step("mail", "app.Send")))
    job = live.queues["mail"].pop(worker="me")
    assert job is not None
    job.fail("broke", "it broke")

    (row,) = program.json("batches", "list", "--name", "night*", "--phase", "running")["batches"]
    assert (row["name"], row["total"], row["pending"], row["failed"]) == ("night-1", 3, 2, 1)
    first = program.json("batches", "list", "--count", "1")
    rest = program.json("batches", "list", "--cursor", first["cursor"])
    assert [one["name"] for one in (*first["batches"], *rest["batches"])] == ["day", "night-1"]
    assert f"--cursor {first['cursor']}" in program("batches", "list", "--count", "1").stderr
    program("batches", "list", "--cursor", "x", code=2)
    program("batches", "list", "--phase", "dreaming", code=2)

    shown = program.json("batches", "show", "night-1")
    assert (shown["phase"], shown["callbacks"]) == ("running", {"on_success": "report"})
    assert "on_success  report" in program("batches", "show", "night-1").stdout
    assert program.json("batches", "retry", "night-1") == {"batch": "night-1", "retried": [job.jid]}

    program("batches", "cancel", "night-1", code=2)
    assert program("batches", "cancel", "night-1", "--yes").stdout == "Canceled 3 jobs\n"
    assert "was canceled" in program("batches", "retry", "night-1", code=1).stderr
    for action in ("show", "cancel", "retry"):
        assert "does not exist" in program("batches", action, "none", code=3).stderr


def test_workflows_are_listed_shown_retried_and_canceled(program: Program, live: Client) -> None:
    parts = chain(step("mail", "app.Send", name="first"), step("mail", "app.Send", name="second"))
    live.workflows.submit(Workflow("flow", parts))
    live.batch("batch")
    job = live.queues["mail"].pop(worker="me")
    assert job is not None
    job.fail("broke", "it broke")

    assert "flow      failed" in program("workflows", "list").stdout
    (row,) = program.json("workflows", "list", "--name", "f*", "--phase", "failed")["batches"]
    assert (row["name"], row["failed"]) == ("workflow:flow", 2)
    shown = program("workflows", "show", "flow").stdout
    assert "second  failed  parent-failed  flow:second" in shown
    retried = program.json("workflows", "retry", "flow")
    assert retried == {"workflow": "flow", "retried": ["first", "second"]}

    program("workflows", "cancel", "flow", code=2)
    answer = program.json("workflows", "cancel", "flow", "--yes")
    assert answer == {"workflow": "flow", "canceled": 2}
    assert program.json("workflows", "show", "flow")["state"] == "canceled"
    for action in ("show", "cancel"):
        assert "does not exist" in program("workflows", action, "none", "--json", code=3).stderr
    assert "no workflow none" in program("workflows", "retry", "none", code=3).stderr
    program("workflows", "show", "a:b", code=2)
