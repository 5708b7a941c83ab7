import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import qless_py
from qless_py import Client
from tests import servers
from tests.eventually import eventually

ROOT = Path(qless_py.__file__).parents[1]
Start = Callable[..., "Running"]


@dataclass
class Running:
    """A worker that was started as a person would start it."""

    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 40.0) -> int:
        return self.process.wait(timeout)

    def wait_for_log(self, text: str, timeout: float = 40.0) -> str:
        """Wait until the log holds a text; give the log."""
        eventually(
            lambda: text in self.log.read_text(),
            lambda: f"{text!r} was not logged:\n{self.log.read_text()}",
            within=timeout,
        )
        return self.log.read_text()

    def wait_for_state(self, client: Client, state: str, timeout: float = 40.0) -> None:
        """Wait until all workers report this state with their heartbeats."""
        eventually(
            lambda: {row["info"].get("state") for row in client.workers.counts} == {state},
            lambda: f"not all workers are {state}: {client.workers.counts}",
            within=timeout,
        )

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def session(self) -> list[psutil.Process]:
        """Return all processes of the worker's session, also those with another parent by now."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if os.getsid(one.pid) == self.process.pid and one.status() != "zombie":
                    found.append(one)
        return found


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Start]:
    """Start programs in sessions of their own; they are killed at the end."""
    started: list[Running] = []

    def begin(*command: str) -> Running:
        log = tmp_path / f"worker-{len(started)}.log"
        with log.open("ab") as out:
            # A session of its own, so that a test can signal the whole group.
            process = subprocess.Popen(
                [*command], cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )
        started.append(Running(process, log))
        return started[-1]

    yield begin
    for worker in started:
        if worker.process.poll() is None:
            descendants = worker.descendants()
            worker.process.kill()
            worker.process.wait()
            for one in descendants:  # They would end by themselves, but maybe in the next test.
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


@pytest.fixture
def start(server: servers.Server, launch: Start) -> Start:
    """Start workers on the test's server by the command line."""

    def begin(*arguments: str, children: int = 1, url: str = server.url) -> Running:
        command = [sys.executable, "-m", "qless_py", "work", "--url", url, "-q", "work"]
        command += ["-n", str(children), "--import", "tests.worker.handlers"]
        return launch(*command, *arguments)

    return begin


@pytest.fixture
def work(server: servers.Server, launch: Start) -> Start:
    """Start workers on the test's server with any options; `around` is a command in front."""

    def begin(around: tuple[str, ...] = (), **options: Any) -> Running:
        given = {
            "queues": ["work"],
            "imports": ["tests.worker.handlers"],
            "children": 1,
            "url": server.url,
            **options,
        }
        return launch(*around, sys.executable, "-m", "tests.worker.run_worker", json.dumps(given))

    return begin


@dataclass
class LinePipe:
    """A named pipe into which handlers write lines."""

    path: Path
    descriptor: int
    rest: bytes = b""

    def line(self, timeout: float = 40.0) -> str:
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.descriptor], [], [], timeout)
            assert ready, f"no line came within {timeout} s"
            self.rest += os.read(self.descriptor, 4096)
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def send(self, text: str) -> None:
        os.write(self.descriptor, f"{text}\n".encode())


def assert_ended(processes: list[psutil.Process], timeout: float = 40.0) -> None:
    """Wait until none of the processes runs; an unreaped one counts as ended."""
    psutil.wait_procs(processes, timeout=timeout)
    assert not [one for one in processes if is_alive(one)]


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # It may end between the two questions.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def named_pipe(path: Path) -> Iterator[LinePipe]:
    os.mkfifo(path)
    # Open for both, so that neither side has to wait for the other to open it.
    descriptor = os.open(path, os.O_RDWR)
    yield LinePipe(path, descriptor)
    os.close(descriptor)


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[LinePipe]:
    yield from named_pipe(tmp_path / "reports")


@pytest.fixture
def go(tmp_path: Path) -> Iterator[LinePipe]:
    yield from named_pipe(tmp_path / "go")
