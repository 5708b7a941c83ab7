"""Workers whose processes die, and leases that are lost."""

import os
import signal

import psutil
import pytest

from qless_py import Client, Job
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start, assert_ended

pytestmark = pytest.mark.fork


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def steps(client: Client, jid: str) -> list[str]:
    return [entry["what"] for entry in read(client, jid).history]


def test_a_killed_child_costs_its_job_one_crash_and_the_job_runs_again_at_once(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    start()
    data = {"pipe": str(reports.path), "go": str(go.path)}
    jid = live.queues["work"].put(handlers.waits, data)
    first = int(reports.line())

    os.kill(first, signal.SIGKILL)
    second = int(reports.line())
    go.send("on")

    assert read(live, jid).wait(40) == "on"
    assert second != first
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]
    assert read(live, jid).history[2]["cause"] == "signal 9"


def test_a_child_that_exits_is_reported_with_its_exit_code(live: Client, start: Start) -> None:
    jid = live.queues["work"].put(handlers.dies_once)
    start()

    assert read(live, jid).wait(40) == "alive"
    assert [e["cause"] for e in read(live, jid).history if e["what"] == "crashed"] == ["exit 7"]


def test_jobs_that_kill_their_child_delay_no_other_job(live: Client, start: Start) -> None:
    jids = [live.queues["work"].put(handlers.dies_once) for _ in range(12)]
    start("--preload")

    # Were each of these ends held against its child, the next ones would be a minute late.
    assert read(live, jids[-1]).wait(25) == "alive"
    assert [read(live, jid).wait(40) for jid in jids] == ["alive"] * 12


def test_prefetched_jobs_of_a_dead_child_keep_their_retries(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    start()
    queue, data = live.queues["work"], {"pipe": str(reports.path), "go": str(go.path)}
    behind: list[str] = []
    held: set[str] = set()
    # A slow machine may have short jobs seem long, or have those behind given back already.
    while not held:
        queue.pause()
        quick = [queue.put(handlers.nothing) for _ in range(40)]
        blocking = queue.put(handlers.waits, data)
        behind += [queue.put(handlers.nothing) for _ in range(40)]
        queue.unpause()
        pid = int(reports.line())
        name = read(live, blocking).worker_name
        held = set(live.workers[name]["jobs"]) - {blocking}

        os.kill(pid, signal.SIGKILL)
        reports.line()
        go.send("on")
        for jid in [*quick, blocking, *behind]:
            read(live, jid).wait(40)

    assert held <= set(behind)
    assert all("crashed" not in steps(live, jid) for jid in behind)
    assert all(read(live, jid).retries_left == 5 for jid in behind)


def test_the_children_of_a_killed_supervisor_die_with_it(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = start(children=2)
    data = {"pipe": str(reports.path), "go": str(go.path)}
    for _ in range(2):
        live.queues["work"].put(handlers.waits, data)
    children = [psutil.Process(int(reports.line())) for _ in range(2)]

    worker.signal(signal.SIGKILL)
    assert_ended(children)


def test_a_handler_that_holds_the_interpreter_keeps_its_lease(
    live: Client, start: Start, reports: LinePipe
) -> None:
    live.config["heartbeat"] = 1.5
    live.config["grace-period"] = 0
    jid = live.queues["work"].put(handlers.spins, {"seconds": 4.6, "pipe": str(reports.path)})
    start()
    reports.line()

    def is_complete() -> bool:
        assert live.queues["work"].pop(worker="rival") is None
        assert read(live, jid).state != "failed"
        return read(live, jid).state == "complete"

    eventually(is_complete)
    assert read(live, jid).result == "done"
    assert steps(live, jid) == ["put", "popped", "done"]


def test_a_handler_whose_job_was_canceled_is_interrupted(
    live: Client, start: Start, reports: LinePipe
) -> None:
    live.config["heartbeat"] = 1
    start()
    jid = live.queues["work"].put(handlers.stoppable, {"pipe": str(reports.path)})
    reports.line()

    live.cancel(jid)

    assert reports.line() == "lost"
    after = live.queues["work"].put(handlers.double, {"number": 2})
    assert read(live, after).wait(40) == 4


def test_a_handler_that_ignores_the_loss_of_its_job_is_killed(
    live: Client, start: Start, reports: LinePipe
) -> None:
    live.config["heartbeat"] = 1
    start()
    jid = live.queues["work"].put(handlers.stubborn, {"pipe": str(reports.path)})
    child = psutil.Process(int(reports.line()))

    live.cancel(jid)
    assert_ended([child])
    after = live.queues["work"].put(handlers.double, {"number": 2})
    assert read(live, after).wait(40) == 4


def test_a_job_that_always_kills_its_child_ends_as_a_failure(live: Client, start: Start) -> None:
    jid = live.queues["work"].put("tests.worker.handlers.os._exit", {"code": 1})
    start()
    after = live.queues["work"].put(handlers.nothing)

    read(live, after).wait(40)

    assert read(live, jid).state == "failed"


def test_a_job_whose_child_dies_before_it_reports_the_end_loses_a_retry(
    live: Client, start: Start
) -> None:
    jid = live.queues["work"].put(handlers.closes_everything, retries=0)
    start()
    after = live.queues["work"].put(handlers.nothing)

    read(live, after).wait(40)

    assert read(live, jid).state == "failed"
