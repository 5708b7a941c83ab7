"""Two signals at once, and a supervisor that is killed at the worst times."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from qless_py import Client
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Running, Start
from tests.worker.job_helpers import pipes, put, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def assert_nobody_is_left(worker: Running) -> None:
    eventually(lambda: not worker.session(), lambda: f"still there: {worker.session()}", every=0.05)


def at_once(worker: Running, *numbers: signal.Signals) -> None:
    """Make several signals pending before the supervisor handles one."""
    worker.signal(signal.SIGSTOP)
    for number in numbers:
        worker.signal(number)
    worker.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("both", "grace"),
    [
        ((signal.SIGTERM, signal.SIGINT), 60),  # the second one ends the grace
        ((signal.SIGQUIT, signal.SIGTERM), 0),
        ((signal.SIGUSR2, signal.SIGTERM), 0),
        ((signal.SIGHUP, signal.SIGTERM), 0),
    ],
)
def test_a_stop_signal_wins_over_any_other(
    live: Client,
    work: Start,
    reports: LinePipe,
    both: tuple[signal.Signals, signal.Signals],
    grace: int,
) -> None:
    jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    worker = work(grace=grace)
    reports.line()

    at_once(worker, *both)

    assert reports.line() == "stopped"
    assert worker.wait() == 0
    assert steps(live, jid) == ["put", "popped", "released"]
    assert live.workers.counts == []
    assert_nobody_is_left(worker)


PROGRAM = """
import logging, os
from qless_py.worker import Worker, WorkerOptions, reexec
if reexec.is_trial():
    with open({reports!r}, "ab", buffering=0) as reports, open({go!r}, "rb", buffering=0) as go:
        reports.write(b"%d\\n" % os.getpid())
        go.read(3)
logging.basicConfig(level=logging.INFO)
Worker(WorkerOptions(
    queues=["work"], imports=["tests.worker.handlers"], children=1, url={url!r}
)).run()
"""


@pytest.fixture
def program(tmp_path: Path, server: servers.Server, reports: LinePipe, go: LinePipe) -> Path:
    """Return a program that, when restarted, reports its pid and waits for a line."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(reports=str(reports.path), go=str(go.path), url=server.url))
    return path


def start_program(launch: Start, program: Path) -> Running:
    return launch(sys.executable, "-c", f"exec(open({str(program)!r}).read())")


def test_a_second_hup_tries_the_new_code_again(
    live: Client, launch: Start, program: Path, reports: LinePipe, go: LinePipe
) -> None:
    worker = start_program(launch, program)
    first = result(live, put(live, handlers.pid))

    worker.signal(signal.SIGHUP)
    reports.line()
    program.write_text("this is no Python")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("once more")
    go.send("on")
    worker.wait_for_log("does not start")

    assert result(live, put(live, handlers.pid)) == first


def test_a_supervisor_killed_while_it_tries_new_code_leaves_no_process(
    live: Client, launch: Start, program: Path, reports: LinePipe
) -> None:
    worker = start_program(launch, program)
    result(live, put(live, handlers.nothing))
    worker.signal(signal.SIGHUP)
    trial = int(reports.line())
    assert trial in {one.pid for one in worker.session()}

    worker.signal(signal.SIGKILL)

    assert_nobody_is_left(worker)


def test_a_single_process_that_waits_for_its_job_before_it_is_replaced_obeys_term(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation="none", grace=60)
    reports.line()
    worker.signal(signal.SIGHUP)
    # The new program is tried, and found good.
    eventually(lambda: len(worker.session()) == 2, every=0.05)
    eventually(lambda: len(worker.session()) == 1, every=0.05)

    worker.signal(signal.SIGTERM)
    worker.wait_for_log("SIGTERM: fetching no more jobs")
    go.send("on")

    assert worker.wait() == 0
    assert result(live, jid) == "on"


def test_a_restart_while_the_store_is_away_ends_no_process(work: Start, server_name: str) -> None:
    keeps = ("--appendonly", "yes")
    with tempfile.TemporaryDirectory(prefix="ql") as made:
        server = servers.start(server_name, Path(made), *keeps)
        with Client(server.url) as client:
            worker = work(url=server.url, isolation="none")
            result(client, put(client, handlers.nothing))
            servers.stop(server)

            worker.signal(signal.SIGHUP)
            environment = psutil.Process(worker.process.pid).environ
            eventually(lambda: "QLESS_PY_WORKER_STATE" in environment(), "it was never replaced")
            worker.log.write_text("")  # Only the log of the new program counts.
            worker.wait_for_log("store unavailable, retrying until it is back")

            server = servers.start(server_name, Path(made), *keeps)
            assert result(client, put(client, handlers.double, {"number": 2})) == 4
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
        servers.stop(server)


@pytest.mark.timeout(90)
def test_a_supervisor_killed_repeatedly_leaves_no_process_and_loses_no_job(
    live: Client, work: Start
) -> None:
    live.config["heartbeat"] = 1
    live.config["grace-period"] = 0
    jids = [put(live, handlers.short) for _ in range(12)]

    for moment in ("1 child_pid=", "child is replaced", "taking over child"):
        worker = work(children=2, max_jobs=1)
        if moment == "taking over child":
            worker.wait_for_log("1 child_pid=")
            worker.signal(signal.SIGHUP)
        worker.wait_for_log(moment)
        worker.signal(signal.SIGKILL)
        assert_nobody_is_left(worker)
    work(children=2, isolation="job")

    for jid in jids:
        result(live, jid)
    assert all(steps(live, jid).count("done") == 1 for jid in jids)
