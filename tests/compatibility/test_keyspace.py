"""A namespace written by an earlier version works with this one.

`keyspace-0.1.0.jsonl` was written by `write_keyspace.py` before the modules of the package were
moved. It must never be written again: a version that changes what is stored adds a file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import redis as redis_py

from qless_py import Client, Job, RecurringJob, fsck
from qless_py.handlers import resolve
from tests.compatibility import write_keyspace
from tests.conftest import Clock

FILES = sorted(Path(__file__).parent.glob("keyspace-*.jsonl"))


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def stored(
    request: pytest.FixtureRequest, redis: redis_py.Redis, client: Client, clock: Clock
) -> Client:
    """Return a client of a namespace with everything that an earlier version stored."""
    write_keyspace.load(redis, request.param.read_text().splitlines())
    clock.now = write_keyspace.START + 5
    return client


def work_off(client: Client, clock: Clock, queues: list[str]) -> list[str]:
    """Complete what becomes ready within ten minutes and return the jids in order."""
    done = []
    for _ in range(30):
        while jobs := client.pop(queues, 10):
            for job in jobs:
                job.complete(result={"by": "the new version"})
                done.append(job.jid)
        clock.advance(20)
    return done


def job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def test_it_is_sound_and_reads_as_it_was_written(stored: Client, redis: redis_py.Redis) -> None:
    assert fsck.check(redis, "ql") == []

    states = {
        "waiting": "waiting",
        "large": "waiting",
        "later": "scheduled",
        "child": "depends",
        "heir": "depends",
        "running": "running",
        "fails": "failed",
        "ends": "complete",
        "retried": "scheduled",
        "holder": "running",
        "parked": "throttled",
        "member-1": "complete",
        "paused": "waiting",
    }
    assert {jid: job(stored, jid).state for jid in states} == states
    assert job(stored, "waiting").tags == ["x", "y"]
    assert job(stored, "large").data == {"n": "d" * 3000}
    assert job(stored, "running").progress == {"percent": 40}
    assert job(stored, "running").worker_name == "old-worker"
    assert job(stored, "ends").result == {"sum": 42}
    assert job(stored, "fails").failure["message"] == "ValueError: nobody eats that"
    assert job(stored, "retried").retries_left == 2
    assert stored.config["heartbeat"] == 120
    assert {type(stored.jobs[jid]) for jid in ("cron", "interval")} == {RecurringJob}


def test_the_owner_of_a_lease_goes_on_with_it(stored: Client) -> None:
    running = job(stored, "running")

    running.heartbeat()
    running.complete(result="done")

    assert job(stored, "running").state == "complete"


def test_everything_in_it_still_runs(stored: Client, clock: Clock) -> None:
    for jid in ("running", "holder", "of-bob"):
        job(stored, jid).complete()

    done = work_off(stored, clock, ["work", "busy", "fair", "members", "calls", "flow"])

    waited = {"waiting", "large", "later", "child", "heir", "unique", "retried"}
    assert waited <= set(done)
    assert done.index("child") > max(done.index("waiting"), done.index("later"))
    assert {"parked", "parked-too", "member-2"} <= set(done)
    assert len([jid for jid in done if jid.startswith("interval-")]) == 10
    batch, flow = stored.batches["batch"].status, stored.workflows["flow"].status
    assert batch is not None
    assert batch["state"] == "finished"
    assert flow is not None
    assert flow["state"] == "complete"
    assert stored.queues["calls"].counts["waiting"] == 0


def test_a_stored_bulk_operation_is_carried_out(stored: Client) -> None:
    (operation,) = stored.queues[resolve.OPERATIONS_QUEUE].pop(1)
    assert operation.klass_name == "qless_py.operations.carry_out"

    operation.complete(result=resolve.load(operation.klass_name)(operation))

    assert {job(stored, f"failed-{n}").state for n in range(3)} == {"waiting"}


def test_what_was_paused_stays_paused_until_it_is_unpaused(stored: Client) -> None:
    stopped = stored.queues["stopped"]
    assert stopped.pop() is None

    stopped.unpause()

    taken = stopped.pop()
    assert taken is not None
    assert taken.jid == "paused"
