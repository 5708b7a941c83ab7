"""Processes that are stopped for longer than their lease and then continue."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil
import pytest

from qless_py import Client, Job
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.fixture(autouse=True)
def short_leases(live: Client) -> None:
    live.config["heartbeat"] = 1
    live.config["grace-period"] = 0


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def wait_until_stopped(pid: int) -> None:
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, every=0.005)


def taken_over(client: Client) -> Job:
    """Wait until the lease has expired, and pop the job as another worker."""
    job = eventually(lambda: client.queues["work"].pop(worker="rival"), "the lease never lapsed")
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("isolation", "who"),
    [("child", "all"), ("job", "parent"), ("none", "all")],
)
def test_a_job_that_lost_its_lease_while_frozen_does_not_complete(  # noqa: PLR0913, PLR0917
    live: Client, work: Start, reports: LinePipe, go: LinePipe, isolation: str, who: str
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation=isolation)
    reports.line()
    frozen = [worker.process.pid, *(one.pid for one in worker.descendants() if who == "all")]
    send(frozen, signal.SIGSTOP)
    wait_until_stopped(worker.process.pid)
    live.config["heartbeat"] = 60  # The rival has time.

    rival = taken_over(live)
    go.send("on")
    if who == "parent":
        # What the child sends now is refused.
        worker.wait_for_log("came too late or twice")
    send(frozen, signal.SIGCONT)
    after = put(live, handlers.double, {"number": 3})

    assert result(live, after) == 6
    assert rival.state == "running"
    rival.complete(result="of the rival")
    assert result(live, jid) == "of the rival"
    assert steps(live, jid) == ["put", "popped", "timed-out", "popped", "done"]
    assert worker.process.poll() is None


def test_a_frozen_job_process_keeps_its_lease_and_continues(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    live.config["heartbeat"] = 2  # The parent has time, too.
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation="job")
    reports.line()
    frozen = [one.pid for one in worker.descendants()]
    send(frozen, signal.SIGSTOP)

    expires, renewals = read(live, jid).expires_at, 0
    while renewals < 2:
        assert live.queues["work"].pop(worker="rival") is None
        renewals += read(live, jid).expires_at != expires
        expires = read(live, jid).expires_at
    send(frozen, signal.SIGCONT)
    go.send("on")

    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "done"]


def test_a_frozen_child_is_killed_with_its_processes(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation="job", frozen_limit=0.5, kill_interval=0.1)
    process = psutil.Process(int(reports.line()))
    (child,) = psutil.Process(worker.process.pid).children()

    child.send_signal(signal.SIGSTOP)

    assert int(reports.line()) != process.pid
    with contextlib.suppress(psutil.NoSuchProcess):
        assert process.status() == psutil.STATUS_ZOMBIE
    go.send("on")
    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]


def test_a_call_in_c_that_waits_for_longer_than_the_frozen_limit_is_not_cut_short(
    live: Client, work: Start, reports: LinePipe
) -> None:
    live.config["heartbeat"] = 60
    jid = put(live, handlers.sleeps_in_c, {"seconds": 2, "pipe": str(reports.path)})
    work(frozen_limit=0.2, kill_interval=0.1)
    reports.line()

    assert result(live, jid) == 0  # Seconds that sleep() had left.
    assert steps(live, jid) == ["put", "popped", "done"]


def test_a_stopped_child_that_runs_its_job_itself_is_killed(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    work(frozen_limit=0.5, kill_interval=0.1)
    child = int(reports.line())

    os.kill(child, signal.SIGSTOP)

    assert int(reports.line()) != child
    go.send("on")
    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]
