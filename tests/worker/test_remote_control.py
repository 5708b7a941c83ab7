"""Commands to workers, the health probe, pidfiles, daemons, and what workers report."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from qless_py import Client, aio
from qless_py.worker import ask_probe
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start, assert_ended
from tests.worker.job_helpers import pipes, put, read, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def wait_for_workers(client: Client, number: int) -> list[str]:
    eventually(lambda: len(client.workers.counts) == number)
    return sorted(client.workers)


def test_a_worker_reports_its_host_and_load(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    worker = work(concurrency=2)
    jid = put(live, handlers.waits, pipes(reports, go))
    pid = int(reports.line())

    def is_busy() -> bool:
        worker.signal(signal.SIGCONT)  # This makes it send a heartbeat at once.
        return live.workers.counts[0]["info"].get("busy") == 1

    eventually(is_busy)

    (row,) = live.workers.counts

    info = row["info"]
    assert (info["pid"], info["parent"]) == (pid, worker.process.pid)
    assert (info["host"], info["queues"]) == (socket.gethostname(), ["work"])
    assert (info["slots"], info["busy"]) == (2, 1)
    assert info["rss"] > 1_000_000
    assert info["version"]
    assert row["seen_at"] >= info["started_at"]
    go.send("on")
    result(live, jid)


def test_one_worker_is_quieted_and_resumed(live: Client, work: Start) -> None:
    work(children=2)
    first, _ = wait_for_workers(live, 2)
    quiet = live.workers.quiet(first)
    eventually(lambda: live.workers[first]["info"].get("state") == "quiet")

    # A child that was fetching jobs when it got the command may receive some and releases them.
    busy = {read(live, jid).history[-2]["worker"] for jid in _done(live, 10)}
    live.workers.resume(first)
    eventually(lambda: live.workers[first]["info"].get("state") == "running")

    assert quiet == [first]
    assert first not in busy


def test_a_worker_reports_its_stacks_and_what_it_was_commanded(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    work()
    (name,) = wait_for_workers(live, 1)
    jid = put(live, handlers.waits, pipes(reports, go))
    reports.line()
    asked = time.time()

    assert live.workers.dump(name) == [name]
    eventually(lambda: live.workers[name].get("report", {}).get("done") == "dump")

    report = live.workers[name]["report"]
    assert f"jobs: {jid}" in report["text"]
    assert "handlers.py" in report["text"]
    assert asked - 1 < report["asked_at"] <= report["done_at"]
    live.workers.quiet(name)
    eventually(lambda: live.workers[name].get("report", {}).get("done") == "quiet")
    actions = [(one.who, one.action) for one in live.audit.page(door="worker").entries]
    assert actions == [(name, "worker quiet"), (name, "worker dump")]
    go.send("on")
    result(live, jid)


def _done(client: Client, number: int) -> list[str]:
    jids = [put(client, handlers.nothing) for _ in range(number)]
    for jid in jids:
        result(client, jid)
    return jids


def test_all_workers_of_a_parent_are_stopped_by_its_name(live: Client, work: Start) -> None:
    worker = work(children=2)
    names = wait_for_workers(live, 2)

    reports = live.workers.stop(names[0].rpartition("-")[0])

    assert sorted(reports) == names
    assert worker.wait() == 0
    assert live.workers.counts == []


def test_a_worker_is_restarted_while_its_job_finishes(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    work()
    jid = put(live, handlers.waits, pipes(reports, go))
    old = int(reports.line())

    live.workers.restart()
    fresh = result(live, put(live, handlers.pid))
    go.send("on")

    assert fresh != old
    assert result(live, jid) == "on"


def test_a_command_reaches_a_worker_that_missed_the_message(live: Client, work: Start) -> None:
    worker = work()
    (name,) = wait_for_workers(live, 1)
    now = round(time.time() * 1000)
    live.redis.set(f"{{ql}}:worker:{name}:command", f"{now}:stop")

    worker.signal(signal.SIGCONT)  # Which makes it beat at once.

    assert worker.wait() == 0


def test_the_asyncio_client_controls_workers_too(
    live: Client, work: Start, server: servers.Server
) -> None:
    worker = work()
    names = wait_for_workers(live, 1)

    async def stop() -> list[str]:
        async with aio.Client(server.url) as client:
            return await client.workers.stop(*names)

    assert asyncio.run(stop()) == names
    assert worker.wait() == 0


def test_a_probe_reports_liveness_and_readiness(
    live: Client, work: Start, tmp_path: Path, reports: LinePipe, go: LinePipe
) -> None:
    address = str(tmp_path / "probe")
    worker = work(probe=address)
    jid = put(live, handlers.waits, pipes(reports, go))
    reports.line()

    assert ask_probe(address, "/live")[0] == 200
    assert ask_probe(address, "/ready")[0] == 200
    assert '"busy": 1' in ask_probe(address)[1]
    assert ask_probe(address, "/elsewhere")[0] == 404
    worker.signal(signal.SIGUSR2)
    eventually(lambda: ask_probe(address)[0] == 503)
    assert ask_probe(address, "/live")[0] == 200
    go.send("on")
    result(live, jid)
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert not Path(address).exists()


def test_a_probe_survives_a_restart(live: Client, work: Start, tmp_path: Path) -> None:
    address = str(tmp_path / "probe")
    worker = work(probe=address)
    result(live, put(live, handlers.nothing))

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")
    result(live, put(live, handlers.nothing))

    assert ask_probe(address, "/live")[0] == 200


def test_a_silent_connection_does_not_block_the_probe(
    live: Client, work: Start, tmp_path: Path
) -> None:
    address = str(tmp_path / "probe")
    work(probe=address)
    result(live, put(live, handlers.nothing))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(address)
        silent.send(b"GET /li")

        assert ask_probe(address, "/live")[0] == 200


def test_a_pidfile_holds_the_pid_and_is_removed_at_exit(
    live: Client, work: Start, tmp_path: Path
) -> None:
    pidfile = tmp_path / "pid"
    worker = work(pidfile=str(pidfile))
    result(live, put(live, handlers.nothing))
    assert int(pidfile.read_text()) == worker.process.pid

    second = work(pidfile=str(pidfile))
    assert second.wait() != 0
    assert f"locked by process {worker.process.pid}" in second.log.read_text()
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")
    assert int(pidfile.read_text()) == worker.process.pid
    result(live, put(live, handlers.nothing))
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert not pidfile.exists()


def test_the_pidfile_of_a_killed_worker_is_taken_over(
    live: Client, work: Start, tmp_path: Path
) -> None:
    pidfile = tmp_path / "pid"
    first = work(pidfile=str(pidfile))
    result(live, put(live, handlers.nothing))
    children = first.descendants()
    first.signal(signal.SIGKILL)
    first.wait()
    assert_ended(children)  # Or one of them could still take the next job.

    second = work(pidfile=str(pidfile))
    result(live, put(live, handlers.nothing))

    assert int(pidfile.read_text()) == second.process.pid


@pytest.mark.leaves_children
def test_a_daemon_runs_in_the_background_and_logs_to_a_file(
    live: Client, work: Start, tmp_path: Path
) -> None:
    log, pidfile = tmp_path / "log", tmp_path / "pid"
    started = work(daemon=str(log), pidfile=str(pidfile))
    assert started.wait() == 0
    fresh = result(live, put(live, handlers.pid))
    daemon = psutil.Process(int(pidfile.read_text()))

    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: result(live, put(live, handlers.pid)) != fresh)
    assert (daemon.ppid(), os.getsid(daemon.pid) != daemon.pid) == (1, True)
    daemon.send_signal(signal.SIGTERM)

    assert_ended([daemon])
    assert "TERM" in log.read_text()
