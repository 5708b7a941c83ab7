"""Hard time limits, frozen children, and children replaced by age, memory or job count."""

import contextlib
import signal

import psutil
import pytest

from qless_py import Client, JobFailedError
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start, assert_ended
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_a_job_over_its_hard_limit_is_interrupted(
    live: Client, work: Start, isolation: str
) -> None:
    jid = put(live, handlers.sleeps)
    work(isolation=isolation, hard_limit=0.5, kill_interval=5)

    with pytest.raises(JobFailedError, match="up to its hard limit"):
        result(live, jid)


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_a_job_that_ignores_its_hard_limit_is_killed_and_loses_a_retry(
    live: Client, work: Start, reports: LinePipe, isolation: str
) -> None:
    live.config["max-crashes"] = 1
    jid = put(live, handlers.stubborn, {"pipe": str(reports.path)})
    # Its handler is there, so that it is deaf by then.
    work(isolation=isolation, hard_limit=1.5, kill_interval=0.1, preload=True)

    with pytest.raises(JobFailedError, match="hard limit"):
        result(live, jid)

    assert read(live, jid).failure["group"] == "poison-pill"


def test_the_hard_limit_of_a_job_overrides_that_of_the_worker(live: Client, work: Start) -> None:
    short = put(live, handlers.sleeps, hard_limit=0.3)
    work(hard_limit=1000)

    with pytest.raises(JobFailedError, match="up to its hard limit"):
        result(live, short)


def test_other_jobs_of_a_killed_process_lose_no_retry(
    live: Client, work: Start, reports: LinePipe
) -> None:
    stuck = put(live, handlers.stubborn, {"pipe": str(reports.path)}, hard_limit=1.5)
    other = put(live, handlers.loops, {"pipe": str(reports.path)})
    live.config["max-crashes"] = 1
    work(concurrency=2, kill_interval=0.1, grace=0.5, preload=True)
    reports.line()
    reports.line()

    with pytest.raises(JobFailedError):
        result(live, stuck)

    reports.line()
    assert read(live, other).crashes == 0
    assert read(live, other).retries_left == 5


def test_a_frozen_child_is_killed_and_its_job_runs_again(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    work(frozen_limit=0.5, kill_interval=0.1)
    child = psutil.Process(int(reports.line()))

    child.send_signal(signal.SIGSTOP)

    assert int(reports.line()) != child.pid
    go.send("on")
    assert result(live, jid) == "on"
    assert read(live, jid).history[2]["cause"] == "frozen"


def test_a_waiting_or_computing_child_does_not_count_as_frozen(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    spinning = put(live, handlers.spins, {"seconds": 3, "pipe": str(reports.path)})
    waiting = put(live, handlers.waits, pipes(reports, go))
    work(children=2, frozen_limit=0.2, kill_interval=2)

    assert result(live, spinning) == "done"
    go.send("on")

    assert result(live, waiting) == "on"
    assert steps(live, waiting) == steps(live, spinning) == ["put", "popped", "done"]


def test_a_child_is_replaced_after_so_many_jobs(live: Client, work: Start) -> None:
    jids = [put(live, handlers.pid) for _ in range(9)]
    work(max_jobs=3)

    pids = [result(live, jid) for jid in jids]

    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


def test_a_child_that_takes_too_much_memory_is_replaced(live: Client, work: Start) -> None:
    first, second = put(live, handlers.grows), put(live, handlers.grows)
    work(max_memory=80_000_000)

    assert result(live, first) != result(live, second)


def test_a_child_that_is_too_old_is_replaced(live: Client, work: Start) -> None:
    worker = work(max_age=0.3)
    first = result(live, put(live, handlers.pid))

    with contextlib.suppress(psutil.NoSuchProcess):
        assert_ended([psutil.Process(first)])

    assert result(live, put(live, handlers.pid)) != first
    assert worker.process.poll() is None
