"""One signal at a time on real processes; test_shutdown tests TERM, INT and QUIT."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from qless_py import Client
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import ROOT, LinePipe, Start, assert_ended
from tests.worker.job_helpers import pipes, put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

CODE = """
import os
from pathlib import Path

def version(job):
    return {version}

def waits(job):
    with Path(job["pipe"]).open("ab", buffering=0) as pipe:
        pipe.write(b"{version}\\n")
    with Path(job["go"]).open("rb", buffering=0) as go:
        go.read(3)
    return {version}
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return a file with handlers, which a test may change."""
    path = tmp_path / "code" / "changing.py"
    path.parent.mkdir()
    path.write_text(CODE.format(version=1))
    return path


def runs(code: Path) -> dict[str, Any]:
    return {"path": [str(code.parent)], "imports": ["changing"]}


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_usr1_kills_running_jobs_and_the_worker_continues(
    live: Client, work: Start, reports: LinePipe, go: LinePipe, isolation: str
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work(isolation=isolation)
    first = psutil.Process(int(reports.line()))

    worker.signal(signal.SIGUSR1)

    assert int(reports.line()) != first.pid
    go.send("on")
    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]


def test_usr2_pauses_and_cont_resumes(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    running = put(live, handlers.waits, pipes(reports, go))
    worker = work(children=2)
    reports.line()

    worker.signal(signal.SIGUSR2)
    worker.wait_for_state(live, "quiet")
    after = put(live, handlers.nothing)
    go.send("on")
    assert result(live, running) == "on"
    assert read(live, after).state == "waiting"
    worker.signal(signal.SIGCONT)

    assert result(live, after) is None


def test_ttin_prints_the_stacks_of_all_processes(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work()
    reports.line()

    worker.signal(signal.SIGTTIN)

    log = worker.wait_for_log("in waits")
    assert "supervisor.py" in log
    (child,) = psutil.Process(worker.process.pid).children()
    (line,) = [one for one in log.splitlines() if "TTIN: stacks of a child" in one]
    assert line.endswith(f"child_pid={child.pid} jids={jid}")
    go.send("on")
    assert result(live, jid) == "on"


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_hup_brings_new_code_while_long_jobs_of_the_old_finish(  # noqa: PLR0913, PLR0917
    live: Client, work: Start, reports: LinePipe, go: LinePipe, code: Path, isolation: str
) -> None:
    live.config["heartbeat"] = 2
    live.config["grace-period"] = 0
    worker = work(isolation=isolation, **runs(code))
    long = put(live, "changing.waits", pipes(reports, go))
    assert reports.line() == "1"
    code.write_text(CODE.format(version=2))

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")
    assert result(live, put(live, "changing.version")) == 2
    expires = read(live, long).expires_at

    def is_renewed() -> bool:
        assert live.queues["work"].pop(worker="rival") is None
        return read(live, long).expires_at != expires

    eventually(is_renewed)
    go.send("on")

    assert result(live, long) == 1
    assert steps(live, long) == ["put", "popped", "done"]
    assert read(live, long).retries_left == 5
    assert worker.process.poll() is None


@pytest.mark.parametrize("isolation", ["child", "job", "none"])
def test_an_immediate_restart_releases_the_jobs_of_old_code(  # noqa: PLR0913, PLR0917
    live: Client, work: Start, reports: LinePipe, go: LinePipe, code: Path, isolation: str
) -> None:
    worker = work(isolation=isolation, restart_grace=0, **runs(code))
    jid = put(live, "changing.waits", pipes(reports, go))
    assert reports.line() == "1"
    code.write_text(CODE.format(version=2))

    worker.signal(signal.SIGHUP)

    assert reports.line() == "2"
    go.send("on")
    assert result(live, jid) == 2
    assert steps(live, jid) == ["put", "popped", "released", "popped", "done"]
    assert read(live, jid).retries_left == 5
    assert worker.process.poll() is None


def test_hup_twice_in_a_row_keeps_the_jobs_of_all_generations(
    live: Client, work: Start, reports: LinePipe, go: LinePipe, code: Path
) -> None:
    worker = work(**runs(code))
    jids = []
    for version in (1, 2, 3):
        code.write_text(CODE.format(version=version))
        if version > 1:
            worker.signal(signal.SIGHUP)
        # Until it is the new code that takes jobs.
        eventually(lambda: result(live, put(live, "changing.version")) == version)  # noqa: B023
        jids.append(put(live, "changing.waits", pipes(reports, go)))
        assert reports.line() == str(version)

    for _ in jids:
        go.send("on")

    assert [result(live, jid) for jid in jids] == [1, 2, 3]
    assert all(steps(live, jid) == ["put", "popped", "done"] for jid in jids)


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_restarts_in_the_middle_of_much_work_lose_nothing_and_run_nothing_twice(
    live: Client, work: Start, isolation: str
) -> None:
    jids = [put(live, handlers.short) for _ in range(400)]
    worker = work(isolation=isolation, children=2, concurrency=2)
    for quarter in (100, 200):
        result(live, jids[quarter])
        worker.signal(signal.SIGHUP)
    later = [put(live, handlers.short) for _ in range(100)]

    for jid in [*jids, *later]:
        result(live, jid)

    worker.wait_for_log("taking over child")
    for jid in [*jids, *later]:
        took = [step for step in steps(live, jid) if step not in ("popped", "released")]
        assert took == ["put", "done"]
        assert read(live, jid).retries_left == 5


def test_the_child_of_old_code_is_reported_when_it_dies_under_the_new(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    jid = put(live, handlers.waits, pipes(reports, go))
    worker = work()
    child = int(reports.line())
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")

    os.kill(child, signal.SIGKILL)

    reports.line()
    go.send("on")
    assert result(live, jid) == "on"
    assert steps(live, jid) == ["put", "popped", "crashed", "popped", "done"]


def test_code_that_does_not_start_replaces_no_process(
    live: Client, tmp_path: Path, launch: Start, server: Any
) -> None:
    program = tmp_path / "program.py"
    text = f"""
from qless_py.worker import Worker, WorkerOptions
Worker(WorkerOptions(
    queues=["work"], imports=["tests.worker.handlers"], children=1, url={server.url!r}
)).run()
"""
    program.write_text(text)
    worker = launch(sys.executable, "-c", f"exec(open({str(program)!r}).read())")
    first = result(live, put(live, handlers.pid))
    program.write_text("this is no Python")

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("SyntaxError")

    assert result(live, put(live, handlers.pid)) == first


@pytest.mark.parametrize("isolation", ["child", "none"])
@pytest.mark.parametrize("script", ["", "#!/bin/sh\nrm $0\n"], ids=["gone", "gone-after-the-trial"])
def test_a_restart_without_an_interpreter_changes_nothing(  # noqa: PLR0913, PLR0917
    live: Client, tmp_path: Path, launch: Start, server: Any, script: str, isolation: str
) -> None:
    interpreter = tmp_path / "python"
    if script:
        interpreter.write_text(script)
        interpreter.chmod(0o700)
    text = f"""
import sys
from qless_py.worker import Worker, WorkerOptions
sys.executable = {str(interpreter)!r}
Worker(WorkerOptions(
    queues=["work"], imports=["tests.worker.handlers"], children=1, url={server.url!r},
    isolation={isolation!r},
)).run()
"""
    worker = launch(sys.executable, "-c", text)
    first = result(live, put(live, handlers.pid))

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("cannot be started, continuing with the old")

    assert result(live, put(live, handlers.pid)) == first
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_term_right_after_a_hup_ends_everything(
    live: Client, work: Start, reports: LinePipe
) -> None:
    jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    worker = work(grace=0)
    reports.line()

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert steps(live, jid) == ["put", "popped", "released"]
    assert live.workers.counts == []


def test_a_handler_may_see_that_the_worker_is_stopping(
    live: Client, work: Start, reports: LinePipe
) -> None:
    jid = put(live, handlers.heeds, {"pipe": str(reports.path)})
    worker = work(grace=20)
    reports.line()

    worker.signal(signal.SIGTERM)

    assert reports.line() == "leaving"
    assert worker.wait() == 0
    assert result(live, jid) == "undisturbed"


@pytest.mark.parametrize("options", [{}, {"isolation": "job"}, {"isolation": "none"}])
def test_a_handler_that_does_not_catch_the_stop_releases_its_job(
    live: Client, work: Start, reports: LinePipe, options: dict[str, Any]
) -> None:
    jid = put(live, handlers.hands_itself_back, {"pipe": str(reports.path)})
    worker = work(grace=20, **options)
    reports.line()

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert steps(live, jid) == ["put", "popped", "released"]


@pytest.mark.parametrize("options", [{}, {"isolation": "job"}, {"isolation": "none"}])
def test_a_handler_that_missed_the_stop_is_interrupted_again(
    live: Client, work: Start, reports: LinePipe, options: dict[str, Any]
) -> None:
    jid = put(live, handlers.misses_the_first, {"pipe": str(reports.path)})
    worker = work(grace=100, **options)
    reports.line()

    worker.signal(signal.SIGTERM)

    assert reports.line() == "missed"
    assert worker.wait() == 0
    assert steps(live, jid) == ["put", "popped", "released"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make process namespaces")
def test_the_first_process_of_a_container_reaps_orphans_and_obeys_term(
    live: Client, work: Start, reports: LinePipe, go: LinePipe
) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    worker = work((unshare, "--pid", "--fork", "--mount-proc", "--kill-child"))
    result(live, put(live, handlers.leaves_an_orphan))
    (parent,) = psutil.Process(worker.process.pid).children()
    jid = put(live, handlers.waits, pipes(reports, go))
    reports.line()

    left = [one for one in parent.children(recursive=True) if one.status() == "zombie"]
    parent.send_signal(signal.SIGTERM)
    go.send("on")

    assert_ended(left)
    assert worker.wait() == 0
    assert result(live, jid) == "on"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make process namespaces")
def test_the_first_process_of_a_container_does_not_reap_the_programs_of_a_handler(
    live: Client, work: Start
) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    jid = put(live, handlers.ends_of_programs)
    around = (unshare, "--pid", "--fork", "--mount-proc", "--kill-child")

    worker = work(around, isolation="none", burst=True)

    assert result(live, jid) == [3] * 20
    assert worker.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make process namespaces")
def test_the_first_process_of_a_container_obeys_term_while_it_starts(
    launch: Start, reports: LinePipe
) -> None:
    program = f"""
import sys
sys.argv[0] = "/usr/bin/qless-py"
import qless_py
with open({str(reports.path)!r}, "w") as reports:  # An exit in a finalizer would be ignored.
    reports.write("on\\n")
import time
while True:
    time.sleep(0.01)
"""
    unshare = shutil.which("unshare")
    assert unshare is not None
    around = (unshare, "--pid", "--fork", "--mount-proc", "--kill-child")
    worker = launch(*around, sys.executable, "-c", program)
    assert reports.line() == "on"
    (first,) = psutil.Process(worker.process.pid).children()

    first.send_signal(signal.SIGTERM)

    assert worker.wait() == 128 + signal.SIGTERM


def test_a_restart_follows_a_link_to_new_code(
    live: Client, server: servers.Server, launch: Start, tmp_path: Path
) -> None:
    for version in (1, 2):
        release = tmp_path / f"release-{version}"
        release.mkdir()
        (release / "changing.py").write_text(CODE.format(version=version))
    link = tmp_path / "current"
    link.symlink_to("release-1")
    words = f"work --url {server.url} -q work -n 1 --import changing"
    command = f"cd {link} && exec env PYTHONPATH={ROOT} {sys.executable} -m qless_py {words}"
    worker = launch("/bin/sh", "-c", command)
    assert result(live, put(live, "changing.version")) == 1

    link.unlink()
    link.symlink_to("release-2")
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("taking over child")

    eventually(lambda: result(live, put(live, "changing.version")) == 2)


def test_workers_of_one_name_have_children_of_different_names(live: Client, start: Start) -> None:
    named = start("--name", "shop", children=2)
    unnamed = start()
    eventually(lambda: len(live.workers.counts) == 3)

    names = sorted(row["name"] for row in live.workers.counts if row["name"].startswith("shop"))
    (other,) = [row["name"] for row in live.workers.counts if row["name"] not in names]
    assert names == ["shop-0", "shop-1"]
    assert re.fullmatch(rf".*-{unnamed.process.pid}-[0-9a-f]{{6}}-0", other)
    assert named.process.poll() is None


def test_the_first_process_of_a_container_ignores_other_signals(live: Client, work: Start) -> None:
    worker = work()
    result(live, put(live, handlers.nothing))

    worker.signal(signal.SIGCONT)
    worker.signal(signal.SIGWINCH)

    assert result(live, put(live, handlers.double, {"number": 2})) == 4
