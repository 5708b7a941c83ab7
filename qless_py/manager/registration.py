"""A manager's entry among the workers, by which the next manager finds out that it died."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.protocol import Call
from qless_py.protocol.queues import PopReply
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner

logger = logging.getLogger(__name__)

_IMPATIENT: Final = ResendPolicy(limit=2.0)  # Closing a manager must not wait for an outage.
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Registration:
    """The name of one manager, and the calls made under it."""

    def __init__(self, client: Client, topics: Sequence[str]) -> None:
        self._client = client
        self._topics = list(topics)
        self._host = socket.gethostname()
        self._pid_space = _pid_space()
        self._name = f"{client.worker_name[:80]}-manager-{secrets.token_hex(4)}"
        self._nonce = ""

    def register(self) -> None:
        """Register the manager under a new nonce."""
        self._nonce = secrets.token_hex(8)
        self._client.run(protocol.workers.register(self._name, self._nonce, self._info()))

    def pop(self, count: int) -> Call[PopReply]:
        """Return the call that fetches jobs."""
        return protocol.queues.pop_records(self._topics, self._name, count, self._nonce)

    def beat(self) -> None:
        """Send a heartbeat."""
        self._client.run(protocol.workers.beat(self._name, self._info()))

    def deregister(self) -> None:
        """Remove the entry. If the store does not answer in time, the entry expires by itself."""
        client = self._client
        runner = Runner(client.redis, client.namespace, client.runner.clock, policy=_IMPATIENT)
        try:
            runner.run(protocol.workers.deregister([self._name]))
        except Exception as error:  # noqa: BLE001 - closing must not fail
            logger.debug("cannot deregister manager=%s: %s", self._name, error)

    def recover(self) -> list[str]:
        """Report the managers of this host whose process is gone; return the jids they held."""
        jids: list[str] = []
        for name, info in self._dead():
            nonce = str(info["nonce"])
            cause = f"the process {info['pid']} of a manager is gone"
            while True:
                held = self._client.workers[name]
                # A manager fetches no more jobs than it has threads, so all had been started.
                started = [*held["jobs"], *held["stalled"]][:100]
                reply = self._client.run(protocol.workers.died(name, nonce, started, cause))
                jids += [*reply.charged, *reply.returned, *reply.failed]
                if not reply.more:
                    break
            self._client.workers.deregister(name)
        return jids

    def _dead(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in self._client.workers.counts:
            info = row.get("info", {})
            is_here = (info.get("host"), info.get("space")) == (self._host, self._pid_space)
            is_manager = bool(info.get("manager")) and "nonce" in info
            if is_here and is_manager and not _is_alive(int(info["pid"])):
                yield row["name"], info

    def _info(self) -> bytes:
        info = {
            "manager": True,
            "host": self._host,
            "space": self._pid_space,
            "pid": os.getpid(),
            "nonce": self._nonce,
            "queues": self._topics,
        }
        return json.dumps(info, separators=(",", ":")).encode()


def _pid_space() -> str:
    """Return an id of the set of processes within which pids are unique, or "" if unknown.

    The host name does not suffice: several machines may share one, and so may containers with
    processes of their own.
    """
    try:
        return f"{_BOOT_ID.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
