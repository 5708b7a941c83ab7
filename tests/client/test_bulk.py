"""Bulk operations: one action on all matches of a search, carried out by workers."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py import Client, Job, JobNotFoundError, LostLeaseError
from qless_py.client import bulk, operations
from qless_py.client.search import SearchError
from qless_py.errors import BadArgumentError
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.resolve import OPERATIONS_QUEUE
from tests.conftest import Clock


def _fail(client: Client, number: int, queue: str = "mail") -> list[str]:
    lines = client.queues[queue]
    jids = [lines.put("app.Send", {"n": n}, jid=f"{queue}{n:03}") for n in range(number)]
    while jobs := lines.pop(100):
        for job in jobs:
            job.fail("app.Send:Timeout", "no answer")
    return jids


def _work(client: Client) -> Job:
    """Carry out what waits in the reserved queue, as a worker does."""
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    result = operations.carry_out(job)
    job.complete(result=result)
    return job


def _states(client: Client, jids: list[str]) -> set[str]:
    return {job.state for job in client.jobs.get(jids)}


def test_all_matches_are_changed_and_nothing_else(client: Client) -> None:
    failed = _fail(client, 250)
    others = _fail(client, 3, queue="slow")

    jid = client.operations.start("retry", "state:failed queue:mail", by="ann")
    _work(client)

    done = client.operations[jid]
    assert (done.done, done.refused, done.is_over, done.by) == (250, 0, True, "ann")
    assert _states(client, failed) == {"waiting"}
    assert _states(client, others) == {"failed"}


def test_an_operation_that_an_older_version_started_is_carried_out(client: Client) -> None:
    failed = _fail(client, 3)
    data = {"action": "retry", "search": "state:failed", "states": ["failed"], "params": {}}
    old = {**data, "by": "ann"}
    client.queues["qless-operations"].put(
        "qless_py.operations.carry_out", old, jid="old", tags=["qless-operation"]
    )
    job = client.queues["qless-operations"].pop()
    assert job is not None

    # A worker runs it whatever modules it was allowed to import from.
    job.complete(result=Executor(HandlerOptions(imports=["app"])).run(job))

    assert _states(client, failed) == {"waiting"}
    done = client.operations["old"]
    assert (done.done, done.refused, done.is_over, done.by) == (3, 0, True, "ann")


def test_a_job_that_left_its_state_is_rejected_and_listed(client: Client) -> None:
    _fail(client, 3)
    client.operations.start("cancel", "state:failed")
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    found = client.jobs.search("state:failed").jobs

    client.unfail("app.Send:Timeout", "mail", 1)
    action = bulk.store_action("cancel", ["failed"])
    outcome = bulk.apply(client, action, [one.jid for one in found])

    assert (outcome.done, outcome.missing) == (2, [])
    assert outcome.refused == {"mail000": "Job mail000 is waiting"}
    job.complete()


def test_another_worker_continues_where_one_died(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    jids = _fail(client, 250)
    jid = client.operations.start("retry", "state:failed")
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None
    beats = 0

    def beat(data: object) -> float:
        nonlocal beats
        beats += 1
        if beats == 2:
            raise SystemExit
        return Job.heartbeat(job, data)

    monkeypatch.setattr(job, "heartbeat", beat)
    with pytest.raises(SystemExit):
        operations.carry_out(job)
    assert client.operations[jid].done == 100
    job.timeout()
    _work(client)

    assert _states(client, jids) == {"waiting"}
    assert client.operations[jid].done == 150  # The second hundred was done and never reported.


def test_an_aborted_operation_does_no_more_than_its_slice(client: Client) -> None:
    _fail(client, 150)
    jid = client.operations.start("retry", "state:failed")
    job = client.queues[OPERATIONS_QUEUE].pop()
    assert job is not None

    stopped = client.operations.abort(jid)
    with pytest.raises(LostLeaseError):
        operations.carry_out(job)

    assert stopped.is_aborted
    assert stopped.is_over
    assert client.jobs.failed() == {"app.Send:Timeout": 50}


@pytest.mark.parametrize(
    ("action", "params", "check"),
    [
        ("move", {"queue": "other"}, "queue:other"),
        ("priority", {"priority": 7}, "prio:7"),
        ("tag", {"tags": ["seen"]}, "tag:seen"),
        ("cancel", {}, None),
    ],
)
def test_each_action_reaches_all(
    client: Client, action: str, params: dict[str, Any], check: str | None
) -> None:
    queue = client.queues["mail"]
    queue.put_many([{"klass": "app.Send"}] * 100)
    queue.put_many([{"klass": "app.Send"}] * 30)

    client.operations.start(action, "state:waiting klass:app.Send", **params)
    _work(client)

    left = bulk.count(client, "klass:app.Send")
    changed = bulk.count(client, check) if check else (0, True)
    assert (left, changed) == (((0, True), (0, True)) if check is None else ((130, True),) * 2)


def test_bulk_operations_never_match_bulk_operations(client: Client, clock: Clock) -> None:
    first = client.operations.start("cancel", "")
    clock.advance(1)
    second = client.operations.start("cancel", "")
    _work(client)
    _work(client)

    assert [one.jid for one in client.operations.recent()] == [second, first]
    assert all(one.state == "complete" for one in client.operations.recent())


def test_counting_says_whether_it_saw_all(client: Client) -> None:
    client.queues["mail"].put_many([{"klass": "app.Send"}] * 100)

    assert bulk.count(client, "state:waiting") == (100, True)
    assert bulk.count(client, "state:waiting", budget=60) == (60, False)


def test_jobs_and_those_that_depend_on_them_are_canceled_in_any_order(client: Client) -> None:
    queue = client.queues["mail"]
    jids = [queue.put("app.Send", jid="j0")]
    for number in range(1, 130):
        jids.append(queue.put("app.Send", jid=f"j{number}", depends=[jids[-1]]))
    steps: list[int] = []

    outcome = bulk.apply(client, bulk.store_action("cancel"), jids, advance=steps.append)

    assert (outcome.done, outcome.errors, sum(steps)) == (130, {}, 130)


def test_an_invalid_operation_starts_nothing(client: Client) -> None:
    with pytest.raises(BadArgumentError, match="action"):
        client.operations.start("explode", "")
    with pytest.raises(BadArgumentError, match="takes queue="):
        client.operations.start("move", "")
    with pytest.raises(BadArgumentError, match="nothing more"):
        client.operations.start("cancel", "", queue="other")
    with pytest.raises(SearchError):
        client.operations.start("cancel", "state:gone")
    with pytest.raises(JobNotFoundError):
        client.operations["nobody"]

    assert client.operations.recent() == []
