import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import qless_py
from tests import servers

ROOT = Path(qless_py.__file__).parents[1]
Start = Callable[..., "Running"]


@dataclass
class Running:
    """A worker that was started as a person would start it."""

    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, timeout: float = 10.0) -> int:
        return self.process.wait(timeout)


@pytest.fixture
def start(server: servers.Server, tmp_path: Path) -> Iterator[Start]:
    """Start workers on the test's server; they are stopped at the end."""
    started: list[Running] = []

    def begin(*arguments: str, children: int = 1, url: str = server.url) -> Running:
        log = tmp_path / f"worker-{len(started)}.log"
        command = [sys.executable, "-m", "qless_py", "work", "--url", url, "-q", "work"]
        command += ["-n", str(children), "--import", "tests.worker.handlers", *arguments]
        with log.open("wb") as out:
            # A session of its own, so that a test can signal the whole group.
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )
        started.append(Running(process, log))
        return started[-1]

    yield begin
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


@dataclass
class Told:
    """A named pipe into which handlers write lines."""

    path: Path
    descriptor: int
    rest: bytes = b""

    def line(self, timeout: float = 10.0) -> str:
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.descriptor], [], [], timeout)
            assert ready, f"nothing was told within {timeout} s"
            self.rest += os.read(self.descriptor, 4096)
        line, _, self.rest = self.rest.partition(b"\n")
        return line.decode()

    def say(self, text: str) -> None:
        os.write(self.descriptor, f"{text}\n".encode())


def assert_ended(processes: list[psutil.Process], timeout: float) -> None:
    """Wait until none of them runs; whether somebody has reaped them does not matter."""
    psutil.wait_procs(processes, timeout=timeout)
    alive = [one for one in processes if one.is_running() and one.status() != "zombie"]
    assert not alive


def named_pipe(path: Path) -> Iterator[Told]:
    os.mkfifo(path)
    # Open for both, so that neither side has to wait for the other to open it.
    descriptor = os.open(path, os.O_RDWR)
    yield Told(path, descriptor)
    os.close(descriptor)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    yield from named_pipe(tmp_path / "told")


@pytest.fixture
def go(tmp_path: Path) -> Iterator[Told]:
    yield from named_pipe(tmp_path / "go")
