"""Shared by tests of the store: proxies, processes that use a store, and cleanup."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py

from qless_py import store
from qless_py.store.runner import Runner
from tests import servers
from tests.store import proxy as proxies
from tests.store.calls import QUICK

ROOT = Path(__file__).parents[2]
# Prints which server it uses, and exits cleanly when its input ends.
USER = """
import sys
from qless_py import store
with store.connect(f"embedded://{sys.argv[1]}") as connection:
    print(connection.info("server")["process_id"], flush=True)
    sys.stdin.read()
"""


class User:
    """A process of its own that uses the embedded store of a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", USER, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def server(self) -> int:
        """Wait until it is connected, and return the process id of its server."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def leave(self) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Callable[[Path], User]]:
    """Return what starts a process that uses the store of a folder; none survives the test."""
    del tmp_path  # wanted only so that the folder outlives the processes
    made: list[User] = []

    def start(folder: Path) -> User:
        made.append(User(folder))
        return made[-1]

    yield start
    for one in made:
        with contextlib.suppress(ValueError):  # It has ended, and its pipes are closed.
            one.kill()


def wait_until_stopped(folder: Path) -> None:
    """Wait until no server serves the folder: the kernel gives the lock when it has ended."""
    with (folder / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a data folder, and check that the test left no server in it."""
    made = tmp_path / "data"
    yield made
    if (made / "lock").exists():
        wait_until_stopped(made)


@pytest.fixture
def proxy(server: servers.Server, redis: redis_py.Redis) -> Iterator[proxies.Proxy]:
    """Return a proxy in front of the test's server with its empty keyspace."""
    del redis  # wanted only so that the keyspace is empty
    with proxies.running(server.socket) as running:
        yield running


@pytest.fixture
def through(proxy: proxies.Proxy) -> Iterator[Runner]:
    """Return a runner whose connections go through the proxy."""
    with store.connect(proxy.url, socket_timeout=0.5) as connection:
        yield Runner(connection, "ql", policy=QUICK)


@pytest.fixture
def runner(server: servers.Server, redis: redis_py.Redis) -> Iterator[Runner]:
    del redis  # wanted only so that the keyspace is empty
    with store.connect(server.url) as connection:
        yield Runner(connection, "ql", policy=QUICK)
