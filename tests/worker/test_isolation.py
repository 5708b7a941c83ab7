"""One process per job, and a single process for everything."""

import os
import signal

import psutil
import pytest

from qless_py import Client, JobFailedError
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start, assert_ended
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def test_each_job_has_a_process_of_its_own(live: Client, work: Start) -> None:
    jids = [put(live, handlers.pid) for _ in range(5)]
    worker = work(isolation="job")

    pids = {result(live, jid) for jid in jids}

    assert len(pids) == 5
    (child,) = psutil.Process(worker.process.pid).children()
    assert not pids & {worker.process.pid, child.pid}


def test_data_and_result_of_a_job_process_are_stored(live: Client, work: Start) -> None:
    counted = put(live, handlers.counts, {"number": 1})
    refused = put(live, handlers.unwritable)
    own = put(live, handlers.completes)
    parent = put(live, handlers.follows_up)
    work(isolation="job")

    assert result(live, own) == "mine"
    assert result(live, counted) is None
    assert read(live, counted).data == {"number": 2}
    with pytest.raises(JobFailedError):
        result(live, refused)
    assert read(live, refused).failure["group"].endswith("unwritable:BadArgumentError")
    assert result(live, parent) is None
    assert result(live, "follow-up") == 8


def test_results_larger_than_a_pipe_arrive_whole(live: Client, work: Start) -> None:
    jid = put(live, handlers.big, {"size": 500_000})
    work(isolation="job")

    assert result(live, jid) == "x" * 500_000


def test_a_failure_in_a_job_process_is_reported(live: Client, work: Start) -> None:
    jid = put(live, handlers.raises)
    work(isolation="job")

    with pytest.raises(JobFailedError, match="this went wrong"):
        result(live, jid)


def test_a_dead_process_costs_its_own_job_a_crash_and_no_other(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jids = [put(live, handlers.waits, pipes(reports, go)) for _ in range(2)]
    work(isolation="job", concurrency=2)
    pids = [int(reports.line()) for _ in jids]

    os.kill(pids[0], signal.SIGKILL)
    again = int(reports.line())
    go.send("on")
    go.send("on")

    assert again not in pids
    assert sorted([result(live, jid) for jid in jids]) == ["on", "on"]
    assert sorted([steps(live, jid).count("crashed") for jid in jids]) == [0, 1]


def test_a_job_that_kills_its_process_each_time_is_a_poison_pill(live: Client, work: Start) -> None:
    jid = put(live, handlers.dies)
    work(isolation="job")

    with pytest.raises(JobFailedError, match="exit 7"):
        result(live, jid)
    assert read(live, jid).failure["group"] == "poison-pill"
    assert steps(live, jid).count("crashed") == 3


def test_a_canceled_job_is_stopped_in_its_process(
    live: Client, work: Start, reports: LinePipe
) -> None:
    work(isolation="job")
    jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    reports.line()

    live.cancel(jid)

    assert reports.line() == "lost"


def test_a_job_process_that_ignores_a_cancel_is_killed(
    live: Client, work: Start, reports: LinePipe
) -> None:
    work(isolation="job", kill_interval=0.2)
    jid = put(live, handlers.stubborn, {"pipe": str(reports.path)})
    process = psutil.Process(int(reports.line()))

    live.cancel(jid)

    assert_ended([process])
    assert result(live, put(live, handlers.double, {"number": 3})) == 6


def test_jobs_in_processes_are_handed_back_after_the_grace(
    live: Client, work: Start, reports: LinePipe
) -> None:
    jids = [put(live, handlers.stoppable, {"pipe": str(reports.path)}) for _ in range(2)]
    worker = work(isolation="job", concurrency=2, grace=0)
    reports.line()
    reports.line()

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert [steps(live, jid) for jid in jids] == [["put", "popped", "released"]] * 2


def test_job_processes_die_with_the_supervisor(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = work(isolation="job", concurrency=2)
    for _ in range(2):
        put(live, handlers.waits, pipes(reports, go))
    processes = [psutil.Process(int(reports.line())) for _ in range(2)]

    worker.signal(signal.SIGKILL)

    assert_ended(processes)


def test_a_single_process_runs_jobs_and_renews_their_leases(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    live.config["heartbeat"] = 2
    live.config["grace-period"] = 0
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation="none")

    assert int(reports.line()) == worker.process.pid
    expires = read(live, jid).expires_at

    def is_renewed() -> bool:
        assert live.queues["work"].pop(worker="rival") is None
        return read(live, jid).expires_at != expires

    eventually(is_renewed)
    go.send("on")

    assert result(live, jid) == "on"
    assert worker.descendants() == []


def test_a_single_process_releases_its_job_after_the_grace_period(
    live: Client, work: Start, reports: LinePipe
) -> None:
    jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    worker = work(isolation="none", grace=0)
    reports.line()

    worker.signal(signal.SIGTERM)

    assert reports.line() == "stopped"
    assert worker.wait() == 0
    assert steps(live, jid) == ["put", "popped", "released"]
    assert live.workers.counts == []


def test_a_single_process_exits_at_the_end_of_a_burst(live: Client, work: Start) -> None:
    jids = [put(live, handlers.pid) for _ in range(30)]
    worker = work(isolation="none", burst=True, max_jobs=7)

    assert worker.wait() == 0
    assert {result(live, jid) for jid in jids} == {worker.process.pid}


def test_a_module_that_replaces_selectors_harms_no_job(live: Client, work: Start) -> None:
    jid = put(live, "tests.worker.patching_handlers.runs")
    work(isolation="job", imports=["tests.worker.patching_handlers"])

    assert result(live, jid) == "run"
    assert read(live, jid).crashes == 0
