"""How a worker stops: TERM, INT and QUIT."""

import os
import signal

import pytest

from qless_py import Client, Job
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_term_lets_a_running_job_finish_within_the_grace_period(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = start("--grace", "20")
    data = {"pipe": str(reports.path), "go": str(go.path)}
    jid = live.queues["work"].put(handlers.waits, data)
    reports.line()
    behind = live.queues["work"].put(handlers.nothing)

    worker.signal(signal.SIGTERM)
    worker.wait_for_log("fetching no more jobs")
    go.send("on")

    assert worker.wait() == 0
    assert read(live, jid).result == "on"
    assert read(live, behind).state == "waiting"
    assert live.workers.counts == []


def test_after_the_grace_period_the_job_is_released_without_losing_a_retry(
    live: Client, start: Start, reports: LinePipe
) -> None:
    worker = start("--grace", "0")
    jid = live.queues["work"].put(handlers.stoppable, {"pipe": str(reports.path)})
    reports.line()

    worker.signal(signal.SIGTERM)

    assert reports.line() == "stopped"
    assert worker.wait() == 0
    job = read(live, jid)
    assert (job.state, job.retries_left, job.crashes) == ("waiting", 5, 0)
    assert [entry["what"] for entry in job.history] == ["put", "popped", "released"]


def test_a_second_term_ends_the_grace_period(live: Client, start: Start, reports: LinePipe) -> None:
    worker = start("--grace", "1000")
    jid = live.queues["work"].put(handlers.stoppable, {"pipe": str(reports.path)})
    reports.line()

    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGINT)

    assert worker.wait() == 0
    assert read(live, jid).state == "waiting"


def test_a_handler_that_does_not_stop_is_killed_and_its_job_released(
    live: Client, start: Start, reports: LinePipe
) -> None:
    worker = start("--grace", "0")
    jid = live.queues["work"].put(handlers.stubborn, {"pipe": str(reports.path)})
    reports.line()

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    job = read(live, jid)
    assert (job.state, job.retries_left, job.crashes) == ("waiting", 5, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_to_the_whole_group_does_not_hit_the_running_job(
    live: Client, start: Start, reports: LinePipe, go: LinePipe, number: signal.Signals
) -> None:
    worker = start("--grace", "20", children=2)
    data = {"pipe": str(reports.path), "go": str(go.path)}
    jid = live.queues["work"].put(handlers.waits, data)
    reports.line()

    os.killpg(worker.process.pid, number)
    go.send("on")

    assert worker.wait() == 0
    assert read(live, jid).result == "on"


def test_quit_waits_for_the_running_job_without_a_limit(
    live: Client, start: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = start("--grace", "0")
    data = {"pipe": str(reports.path), "go": str(go.path)}
    jid = live.queues["work"].put(handlers.waits, data)
    reports.line()

    worker.signal(signal.SIGQUIT)
    go.send("on")

    assert worker.wait() == 0
    assert read(live, jid).result == "on"


def test_an_idle_worker_exits_at_once(live: Client, start: Start) -> None:
    worker = start("--grace", "1000", children=2)
    read(live, live.queues["work"].put(handlers.nothing)).wait(40)

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
