"""A manager among the workers: known by a name, and found out to be dead by the next one."""

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

logger = logging.getLogger(__name__)


_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Presence:
    """The name of one manager, and what is said under it."""

    def __init__(self, client: Client, topics: Sequence[str]) -> None:
        self._client = client
        self._topics = list(topics)
        self._host = socket.gethostname()
        self._space = _space()
        self._name = f"{client.worker_name[:80]}-manager-{secrets.token_hex(4)}"
        self._nonce = ""

    def register(self) -> None:
        """Be known, from now on under a new nonce."""
        self._nonce = secrets.token_hex(8)
        call = protocol.workers.register(self._name, self._nonce, self._info())
        self._client.run(call)

    def pop(self, count: int) -> Call[PopReply]:
        """Make the call that takes jobs."""
        return protocol.queues.pop(self._topics, self._name, count, self._nonce)

    def beat(self) -> None:
        """Say that the manager lives."""
        self._client.run(protocol.workers.beat(self._name, self._info()))

    def deregister(self) -> None:
        """Be known no more."""
        try:
            self._client.workers.deregister(self._name)
        except Exception as error:  # noqa: BLE001 - a name that stays ages away
            logger.debug("the manager stays on the list of workers: %s", error)

    def recover(self) -> list[str]:
        """Report the managers of this host whose process is gone; give the jids that came back."""
        back: list[str] = []
        for name, info in self._dead():
            nonce = str(info["nonce"])
            cause = f"the process {info['pid']} of a manager is gone"
            while True:
                held = self._client.workers[name]
                # It took no more jobs than it had threads to run them, so all had been started.
                started = [*held["jobs"], *held["stalled"]][:100]
                reply = self._client.run(protocol.workers.died(name, nonce, started, cause))
                back += [*reply.charged, *reply.returned, *reply.failed]
                if not reply.more:
                    break
            self._client.workers.deregister(name)
        return back

    def _dead(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in self._client.workers.counts:
            info = row.get("info", {})
            is_here = (info.get("host"), info.get("space")) == (self._host, self._space)
            known = is_here and "nonce" in info
            if known and info.get("manager") and not _is_alive(int(info["pid"])):
                yield row["name"], info

    def _info(self) -> bytes:
        info = {
            "manager": True,
            "host": self._host,
            "space": self._space,
            "pid": os.getpid(),
            "nonce": self._nonce,
            "queues": self._topics,
        }
        return json.dumps(info, separators=(",", ":")).encode()


def _space() -> str:
    """Name where process ids mean the same as here; empty where that cannot be known.

    Several machines may have one name, and so may containers with processes of their own.
    """
    try:
        return f"{_BOOT.read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
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
