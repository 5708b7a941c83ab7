"""Every worker carries out bulk operations, whatever its queues and handlers."""

from __future__ import annotations

from qless_py import Client, Job
from tests.worker.conftest import Start


def _fail_some(client: Client, number: int) -> None:
    queue = client.queues["elsewhere"]
    queue.put_many([{"klass": "nowhere.Handler"}] * number)
    for job in queue.pop(100):
        job.fail("nowhere.Handler:Error", "no")


def test_a_worker_of_other_queues_carries_a_bulk_action_out(live: Client, start: Start) -> None:
    _fail_some(live, 40)
    jid = live.operations.start("retry", "state:failed")

    worker = start()
    job = live.jobs[jid]
    assert isinstance(job, Job)
    job.wait(40)

    assert live.operations[jid].done == 40
    assert live.queues["elsewhere"].counts["waiting"] == 40
    worker.process.terminate()
    worker.wait()


def test_an_idle_worker_is_woken_by_a_bulk_action(live: Client, start: Start) -> None:
    worker = start()
    worker.wait_for_log("child started")
    _fail_some(live, 3)
    jid = live.operations.start("cancel", "state:failed")
    job = live.jobs[jid]
    assert isinstance(job, Job)

    assert job.wait(40) == {"done": 3, "refused": 0, "scanned": 3}
    worker.process.terminate()
    worker.wait()


def test_a_worker_for_a_program_carries_a_bulk_action_out_itself(
    live: Client, start: Start
) -> None:
    _fail_some(live, 3)
    jid = live.operations.start("tag", "state:failed", tags=["seen"])

    worker = start("--exec", "false", "--burst")
    assert worker.wait(20) == 0

    assert live.operations[jid].done == 3
    assert live.jobs.tagged("seen")["total"] == 3


def test_no_other_handler_runs_out_of_the_reserved_queue(live: Client, start: Start) -> None:
    jid = live.queues["qless-operations"].put("os.system", {"command": "true"})

    worker = start("--burst")
    assert worker.wait(20) == 0

    job = live.jobs[jid]
    assert isinstance(job, Job)
    assert (job.state, job.failure["group"]) == ("failed", "os.system:HandlerNotAllowedError")
