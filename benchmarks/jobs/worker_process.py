"""A worker, ours or of another queue, for the time of a measurement."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.jobs import usage
from qless_py import Client
from tests.servers import Server

QUEUE: Final = "bench"
_TIMEOUT: Final = 120.0
_POLL: Final = 0.02


@dataclass(frozen=True, slots=True)
class Worker:
    """A running program with its child processes; `log` has what it prints."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, done: Callable[[], bool], poll: float = _POLL) -> None:
        """Wait until `done` returns true; raise an error if the process ends before."""
        deadline = time.monotonic() + _TIMEOUT
        while not done():
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended: {self._output()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done after {_TIMEOUT:g} s: {self._output()}")
            time.sleep(poll)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes."""
        return usage.cpu_seconds(usage.tree(self.process.pid))

    def children_cpu_seconds(self) -> float:
        """Return the CPU time of all processes but the first."""
        return usage.cpu_seconds(usage.tree(self.process.pid)[1:])

    def suspend(self) -> None:
        """Stop all processes until `resume`."""
        for one in usage.tree(self.process.pid):
            one.suspend()

    def resume(self) -> None:
        """Let all processes continue."""
        for one in usage.tree(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()

    def _output(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] or "it printed nothing"


@contextlib.contextmanager
def running(
    words: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    *,
    gently: bool = False,
) -> Iterator[Worker]:
    """Run a program; at the end of the block it and all of its processes are ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Worker(process, log)
    finally:
        usage.end(process, gently=gently)


@contextlib.contextmanager
def worker(server: Server, *arguments: str, children: int = 2) -> Iterator[Worker]:
    """Run `qless-py work` with these arguments; the block starts once it is registered."""
    words = [sys.executable, "-m", "qless_py", "work", "--queue", QUEUE, "--url", server.url]
    words += ["--import", "benchmarks.jobs.handlers", "--quiet", "--children", str(children)]
    log = server.folder / "worker.log"
    with Client(server.url) as client:
        others = len(client.workers.counts)
        with running([*words, *arguments], log, gently=True) as one:
            one.wait(lambda: len(client.workers.counts) >= others + children)
            yield one
