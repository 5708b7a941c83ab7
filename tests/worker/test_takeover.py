"""Processes of a worker that die together: another worker on the machine returns their jobs."""

import os
import secrets
import signal
from pathlib import Path

import pytest

from qless_py import Client
from qless_py.worker import board_files
from qless_py.worker.board_files import BoardFiles
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import LeasedJob, StatusBoard
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [
    pytest.mark.fork,
    pytest.mark.any_server,
    pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs files in memory"),
]

# Far more than a test waits: what comes back earlier has not come from an expired lease.
LEASE = 600.0


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BoardFiles:
    monkeypatch.setattr(board_files, "_MEMORY", tmp_path)
    return made()


def made(namespace: str = "ql", url: str = "redis://one") -> BoardFiles:
    return BoardFiles(WorkerOptions(queues=["work"], url=url, namespace=namespace))


@pytest.mark.parametrize("options", [{}, {"isolation": "job"}, {"isolation": "none"}])
def test_the_job_of_a_killed_group_runs_on_another_worker_at_once(
    live: Client, work: Start, reports: LinePipe, go: LinePipe, options: dict[str, str]
) -> None:
    live.queues["work"].heartbeat = LEASE
    jid = put(live, handlers.waits, pipes(reports, go))
    first = work(**options)
    first_pid = int(reports.line())
    second = work()

    os.killpg(first.process.pid, signal.SIGKILL)

    assert int(reports.line()) != first_pid
    go.send("on")
    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]
    (crash,) = [entry for entry in read(live, jid).history if entry["what"] == "crashed"]
    assert crash["cause"] == "killed with its supervisor"
    assert "taking over from a dead supervisor" in second.log.read_text()


def test_jobs_that_a_killed_group_had_not_started_cost_nothing(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    queue = live.queues["work"]
    queue.heartbeat = LEASE
    queue.pause()
    first = [put(live, handlers.nothing) for _ in range(60)]
    blocking = put(live, handlers.waits, pipes(reports, go))
    behind = [put(live, handlers.nothing) for _ in range(60)]
    killed = work()
    queue.unpause()
    reports.line()
    os.killpg(killed.process.pid, signal.SIGKILL)

    work()
    reports.line()
    go.send("on")

    assert result(live, blocking) == "on"
    assert [result(live, jid) for jid in [*first, *behind]] == [None] * 120
    assert all(read(live, jid).retries_left == 5 for jid in behind)
    assert all("crashed" not in steps(live, jid) for jid in behind)


def test_no_board_is_left_behind_by_a_worker_that_stops(live: Client, work: Start) -> None:
    jids = [put(live, handlers.dies_once) for _ in range(3)]
    worker = work(children=2)
    for jid in jids:
        result(live, jid)
    names = [row["name"] for row in live.workers.counts]

    worker.process.terminate()

    assert worker.wait() == 0
    folder = Path(f"/dev/shm/qless-py-{os.getuid()}")
    assert not [path for path in folder.iterdir() if path.name.endswith(tuple(names))]


def test_a_board_is_abandoned_only_when_no_process_has_it(files: BoardFiles) -> None:
    nonce = secrets.token_hex(6)
    board = files.create("w-0", nonce)
    board.hold([LeasedJob("jid", f"1.{nonce}", "work", 0.0, 60.0, "app.Job")])
    board.mark_running(0)
    child = os.fork()
    if child == 0:
        signal.pause()
    board.close()  # as its supervisor does when it dies

    assert not list(made().abandoned())

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (found,) = made().abandoned()
    assert (found.worker, found.nonce) == ("w-0", nonce)
    assert [job.leased.jid for job in found.board.read().running] == ["jid"]
    assert not list(made().abandoned())  # taken over by one only
    found.remove()
    assert not list(made().abandoned())


@pytest.mark.parametrize("other", [{"namespace": "other"}, {"url": "redis://two"}])
def test_workers_of_another_store_are_left_alone(files: BoardFiles, other: dict[str, str]) -> None:
    files.create("w-0", secrets.token_hex(6)).close()

    assert not list(made(**other).abandoned())
    (found,) = made().abandoned()
    found.remove()


def test_a_supervisor_does_not_take_over_what_it_reports_itself(files: BoardFiles) -> None:
    nonce = secrets.token_hex(6)
    files.create("w-0", nonce).close()

    assert not list(files.abandoned())
    files.remove("w-0", nonce)
    assert not list(made().abandoned())


def test_a_folder_that_others_may_write_to_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(board_files, "_MEMORY", tmp_path)
    folder = tmp_path / f"qless-py-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    files = made()

    board = files.create("w-0", "nonce")

    assert isinstance(board, StatusBoard)
    assert not list(folder.iterdir())
    board.close()
