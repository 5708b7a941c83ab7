"""Kill the given processes at random, by a seed, and log each kill."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

import qless_py

ROOT = Path(qless_py.__file__).parents[1]
# Longer than a lease and its grace, shorter than these and the longest job: so the frozen one
# resumes while another already runs its job.
FROZEN = 3.0


class Workers:
    """Worker parents, started as a person would start them."""

    def __init__(self, url: str, children: int, log: Path) -> None:
        self._command = [sys.executable, "-m", "qless_py", "work", "--url", url, "-q", "chaos"]
        self._command += ["-n", str(children), "--import", "tests.chaos.handlers", "--grace", "5"]
        self._log = log
        self.parents: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._log.open("ab") as log:
            started = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)
        self.parents.append(started)

    def children(self) -> list[int]:
        return [pid for parent in self.parents for pid in process_tree(parent)[1:]]

    def kill_parent(self, parent: subprocess.Popen[bytes]) -> None:
        parent.kill()
        parent.wait()
        self.parents.remove(parent)

    def stop(self) -> None:
        for parent in self.parents:
            parent.terminate()
        for parent in self.parents:
            with contextlib.suppress(subprocess.TimeoutExpired):
                parent.wait(10)
            parent.kill()
            parent.wait()


def process_tree(parent: subprocess.Popen[bytes]) -> list[int]:
    """Return the parent and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [parent.pid, *(one.pid for one in psutil.Process(parent.pid).children())]
    return []


class Nemesis:
    """Faults at random times: often a child, sometimes a parent, exactly once the server.

    Now and then a parent with all its children is frozen until its leases lapse, and then
    resumes as if nothing had happened.
    """

    def __init__(self, seed: int, workers: Workers, client: qless_py.Client) -> None:
        self._random = random.Random(seed)
        self._workers = workers
        self._client = client
        self._begun = time.monotonic()
        self._server_dies_at = self._begun + self._random.uniform(3.0, 6.0)
        self._next = self._begun + 1.0
        self._frozen: list[int] = []
        self._thaw_at = 0.0
        self._freeze_at = self._begun + self._random.uniform(6.0, 9.0)
        self.faults: Counter[str] = Counter()
        self.log: list[str] = []

    def act(self) -> None:
        """Cause the next fault if it is due."""
        now = time.monotonic()
        if self._frozen and now >= self._thaw_at:
            self.thaw()
        if now >= self._server_dies_at:
            self._server_dies_at = float("inf")
            self._kill_server()
        elif now >= self._freeze_at:
            self._freeze_at = now + self._random.uniform(5.0, 8.0)
            self._freeze()
        elif now >= self._next:
            self._next = now + self._random.uniform(0.3, 1.3)
            if self._random.random() < 0.25:
                self._kill_parent()
            else:
                self._kill_child()

    def thaw(self) -> None:
        """Continue the frozen processes."""
        frozen, self._frozen = self._frozen, []
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _freeze(self) -> None:
        parent = self._random.choice(self._workers.parents)
        self._frozen = process_tree(parent)
        for pid in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        self._thaw_at = time.monotonic() + FROZEN
        self._note("frozen", parent.pid)

    def _kill_child(self) -> None:
        children = sorted(set(self._workers.children()) - set(self._frozen))
        if children:
            pid = self._random.choice(children)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._note("child", pid)

    def _kill_parent(self) -> None:
        # One without children is still starting: on a slow machine no worker would ever start.
        begun = [one for one in self._workers.parents if len(process_tree(one)) > 1]
        free = [one for one in begun if one.pid not in self._frozen]
        if not free:
            return
        parent = self._random.choice(free)
        self._workers.kill_parent(parent)
        self._workers.start()
        self._note("parent", parent.pid)

    def _kill_server(self) -> None:
        pid = int(self._client.redis.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        self._note("server", pid)

    def _note(self, what: str, pid: int) -> None:
        self.faults[what] += 1
        self.log.append(f"{time.monotonic() - self._begun:6.2f} {what} {pid}")
