"""Several jobs at once in one child: in threads and in an event loop."""

import os
import signal
from typing import Any

import pytest

from qless_py import Client
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.mark.parametrize("klass", [handlers.waits, handlers.waits_async])
def test_as_many_jobs_run_at_once_as_there_are_slots(
    live: Client, work: Start, reports: LinePipe, go: LinePipe, klass: Any
) -> None:
    jids = [put(live, klass, pipes(reports, go)) for _ in range(4)]
    work(concurrency=3)

    pids = {reports.line() for _ in range(3)}
    running = [jid for jid in jids if read(live, jid).state == "running"]
    for _ in range(3):
        go.send("on")
    reports.line()
    go.send("on")

    assert len(pids) == 1
    assert len(running) == 3
    assert [result(live, jid) for jid in jids] == ["on"] * 4


def test_functions_and_coroutines_share_the_slots(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jids = [
        put(live, klass, pipes(reports, go)) for klass in (handlers.waits, handlers.waits_async)
    ]
    work(concurrency=2)

    reports.line()
    reports.line()
    go.send("on")
    go.send("on")

    assert [result(live, jid) for jid in jids] == ["on", "on"]


def test_many_short_jobs_all_complete_once(live: Client, work: Start) -> None:
    jids = [put(live, handlers.double, {"number": number}) for number in range(300)]
    worker = work(concurrency=8, burst=True)

    assert worker.wait() == 0
    assert [result(live, jid) for jid in jids] == [2 * number for number in range(300)]
    assert all(steps(live, jid).count("done") == 1 for jid in jids)


def test_one_of_several_jobs_is_canceled_and_the_others_go_on(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    waiting = put(live, handlers.waits, pipes(reports, go))
    work(concurrency=2)
    reports.line()
    canceled = put(live, handlers.loops, {"pipe": str(reports.path)})
    reports.line()

    live.cancel(canceled)

    assert reports.line() == "lost"
    go.send("on")
    assert result(live, waiting) == "on"


def test_a_coroutine_whose_job_is_canceled_is_canceled(
    live: Client, work: Start, reports: LinePipe
) -> None:
    work(concurrency=2)
    jid = put(live, handlers.stoppable_async, {"pipe": str(reports.path)})
    reports.line()

    live.cancel(jid)

    assert reports.line() == "canceled"
    assert result(live, put(live, handlers.double, {"number": 4})) == 8


def test_jobs_in_threads_are_handed_back_after_the_grace(
    live: Client, work: Start, reports: LinePipe
) -> None:
    jids = [put(live, handlers.loops, {"pipe": str(reports.path)}) for _ in range(2)]
    jids.append(put(live, handlers.stoppable_async, {"pipe": str(reports.path)}))
    worker = work(concurrency=3, grace=0)
    for _ in jids:
        reports.line()

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert [read(live, jid).state for jid in jids] == ["waiting"] * 3
    assert [steps(live, jid) for jid in jids] == [["put", "popped", "released"]] * 3


def test_a_thread_that_holds_the_interpreter_keeps_all_leases_of_its_child(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    live.config["heartbeat"] = 1
    live.config["grace-period"] = 0
    waiting = put(live, handlers.waits, pipes(reports, go))
    spinning = put(live, handlers.spins, {"seconds": 3, "pipe": str(reports.path)})
    work(concurrency=2)
    reports.line()
    reports.line()

    assert result(live, spinning) == "done"
    go.send("on")

    assert result(live, waiting) == "on"
    assert steps(live, waiting) == ["put", "popped", "done"]


def test_all_jobs_of_a_dead_child_lose_a_retry(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jids = [put(live, handlers.waits, pipes(reports, go)) for _ in range(2)]
    work(concurrency=2)
    first = {int(reports.line()) for _ in jids}

    os.kill(first.pop(), signal.SIGKILL)
    reports.line()
    reports.line()
    go.send("on")
    go.send("on")

    for jid in jids:
        assert result(live, jid) == "on"
        assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]
