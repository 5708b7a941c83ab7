"""Invalid settings are one line before work starts, and leftovers of dead workers are removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis as redis_py

from qless_py import Client, JobFailedError
from qless_py.store import library
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers, hostile_handlers
from tests.worker.conftest import ROOT, LinePipe, Start, assert_ended
from tests.worker.job_helpers import put, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--probe", "/nowhere/probe"], "probe: /nowhere/probe: No such file"),
        (["--sandbox", "/proc/nowhere"], "cannot create folders in /proc/nowhere"),
        (["--middleware", "nowhere.Middleware"], "module 'nowhere' not found"),
        (["--daemon", "--log-file", "/nowhere/log"], "/nowhere/log"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    server: servers.Server, live: Client, words: list[str], message: str
) -> None:
    base = [sys.executable, "-m", "qless_py", "work", "--url", server.url, "-q", "work"]
    ended = subprocess.run(
        [*base, "-n", "1", "--import", "json", "--burst", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert ended.returncode in {1, 2}
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert live.workers.counts == []


def only(folder: Path, *names: str) -> None:
    """Wait until nothing else is in the folder."""
    eventually(
        lambda: sorted(one.name for one in folder.iterdir()) == sorted(names),
        lambda: f"the folder holds {sorted(folder.iterdir())}",
    )


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_only_the_sandboxes_of_killed_processes_are_removed(
    live: Client, work: Start, tmp_path: Path, reports: LinePipe, isolation: str
) -> None:
    live.config["max-crashes"] = 1
    folder = tmp_path / "sandbox"
    (folder / "of-somebody-else").mkdir(parents=True)
    options: dict[str, Any] = {"sandbox": str(folder), "isolation": isolation}
    first = work(**options)
    long = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    reports.line()
    (own,) = [one.name for one in folder.iterdir() if one.name.startswith(long)]

    work(**options)
    with pytest.raises(JobFailedError, match="exit 7"):
        result(live, put(live, handlers.dies))
    result(live, put(live, handlers.nothing))
    only(folder, own, "of-somebody-else")

    processes = [psutil.Process(first.process.pid), *first.descendants()]
    first.process.kill()
    assert_ended(processes)
    with pytest.raises(JobFailedError, match="exit 7"):
        result(live, put(live, handlers.dies))
    result(live, put(live, handlers.nothing))
    only(folder, "of-somebody-else")


def test_a_sandbox_stays_where_it_was_when_a_handler_goes_elsewhere(
    live: Client, work: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "sandbox"
    walking = put(live, hostile_handlers.misbehaves, {"deed": "walks"})
    after = put(live, handlers.in_sandbox)
    work(sandbox=os.path.relpath(folder, ROOT), imports=["tests.worker"])

    assert result(live, walking) is None
    where, _ = result(live, after)
    assert Path(where).resolve().parent == folder.resolve()
    assert list(folder.iterdir()) == []


def test_a_worker_removes_the_functions_of_old_versions_once_there_are_many(
    live: Client, redis: redis_py.Redis, work: Start
) -> None:
    old = [f"qless_old{number}" for number in range(library.MOST)]
    for name in old:
        redis.function_load(f"#!lua name={name}\nredis.register_function('{name}', function() end)")
    waiting = put(live, handlers.nothing)

    work()

    assert result(live, waiting) is None
    assert {described[1].decode() for described in redis.function_list()}.isdisjoint(old)
