"""A worker started by the command line, for the time of a measurement."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from qless_py import Client
from tests.servers import Server

QUEUE: Final = "bench"
_TIMEOUT: Final = 600.0
_POLL: Final = 0.01


@contextlib.contextmanager
def worker(server: Server, *arguments: str, children: int = 2) -> Iterator[Callable[..., None]]:
    """Run `qless-py work` with these arguments; the block starts once it is registered.

    Yields a function that waits until its argument returns true; it raises an error if the worker
    ends before.
    """
    command = [sys.executable, "-m", "qless_py", "work", "--queue", QUEUE, "--url", server.url]
    command += ["--import", "benchmarks.jobs.handlers", "--quiet", "--children", str(children)]
    path = server.folder / "worker.log"
    with path.open("ab") as log, Client(server.url) as client:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)
        try:
            wait(lambda: bool(client.workers.counts), process, path)
            yield lambda done: wait(done, process, path)
        finally:
            process.terminate()
            process.wait()


def wait(
    done: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, poll: float = _POLL
) -> None:
    """Wait until `done` returns true; raise an error if the process ends first, or after 10 min."""
    deadline = time.monotonic() + _TIMEOUT
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended: {log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {_TIMEOUT:g} s: {log.read_text()[-2000:]}")
        time.sleep(poll)
