"""`qless-py canceled`, the reason of `job cancel`, and `operations undo`."""

from __future__ import annotations

from qless_py import Client
from qless_py.client import operations
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from tests.cli.conftest import Program


def test_canceled_jobs_are_listed_shown_restored_and_deleted(
    program: Program, live: Client
) -> None:
    for jid in ("a", "b", "c"):
        live.queues["mail"].put("app.Send", {"to": jid}, jid=jid, tags=["eu"])
    program("job", "cancel", "--tag", "eu", "--reason", "wrong customer", "--yes")

    listed = program.json("canceled", "list", "--reason", "wrong*", "--count", "2")
    assert len(listed["jobs"]) == 2
    assert listed["total"] == 3
    assert listed["jobs"][0]["canceled_by"]
    assert "next page: --cursor" in program("canceled", "list", "--count", "2").output
    shown = program("canceled", "show", "a").stdout
    assert "wrong customer" in shown
    assert "canceled with" not in shown

    assert program("canceled", "restore", "a").stdout == "Restored 1 job\n"
    assert "exists again" not in program("canceled", "restore", "a", code=1).stdout
    assert "Confirm with --yes" in program("canceled", "restore", "--tag", "eu", code=2).output
    assert program("canceled", "restore", "--tag", "eu", "--yes").stdout == "Restored 2 jobs\n"
    assert [live.job(jid).state for jid in "abc"] == ["waiting"] * 3

    program("job", "cancel", "a")
    assert program("canceled", "delete", "a", "--yes").stdout == "Deleted 1 canceled job\n"
    assert program("canceled", "show", "a", code=3).stderr.strip().endswith("has the jid a")
    assert "choose jobs to delete" in program("canceled", "delete", code=2).output
    both = program("canceled", "delete", "a", "--everything", code=2)
    assert "only one of them" in both.output


def test_an_operation_is_undone(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="a", priority=1)
    words = ("job", "priority", "--to", "9", "--search", "queue:mail", "--in-background", "--yes")
    operation = program(*words).stdout.strip()
    carry_out(live)
    assert live.job("a").priority == 9
    assert "progress   100 %" in program("operations", "show", operation).stdout

    undo = program("operations", "undo", operation).stdout.strip()
    carry_out(live)

    assert live.job("a").priority == 1
    assert program.json("operations", "show", undo)["done"] == 1
    assert (
        "no changes that can be undone" in program("operations", "undo", operation, code=1).output
    )


def carry_out(client: Client) -> None:
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    job.complete(result=operations.carry_out(job))
