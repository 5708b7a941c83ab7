"""One worker of the real command, as long as a measurement needs it."""

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
_PATIENCE: Final = 600.0
_LOOK: Final = 0.01


@contextlib.contextmanager
def worker(server: Server, *arguments: str, children: int = 2) -> Iterator[Callable[..., None]]:
    """Run `qless-py work` with these arguments; entered when it has asked for jobs.

    Gives a function that waits until another one says that it is done, and raises if the worker
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
    done: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, look: float = _LOOK
) -> None:
    """Look every few milliseconds whether it is done."""
    until = time.monotonic() + _PATIENCE
    while not done():
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended: {log.read_text()[-2000:]}")
        if time.monotonic() > until:
            raise TimeoutError(f"not done in {_PATIENCE} s: {log.read_text()[-2000:]}")
        time.sleep(look)
