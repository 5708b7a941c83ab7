"""Transitions of workers: being known, and what a parent reports of its children."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, done, integer, pack, unpack


@dataclass(frozen=True, slots=True)
class DeathReply:
    """What became of a dead worker's jobs; `more` says to report again."""

    charged: list[str]
    returned: list[str]
    failed: list[str]
    more: bool


def register(worker: str, nonce: str, info: bytes) -> Call[None]:
    """Make a worker known with what it says of itself."""
    return Call("worker_register", (worker, nonce, info), done)


def beat(worker: str, info: bytes = b"") -> Call[None]:
    """Say that the worker is alive."""
    return Call("worker_beat", (worker, info), done)


def deregister(workers: Sequence[str]) -> Call[int]:
    """Take workers off the list; gives how many were on it."""
    return Call("worker_deregister", (pack(list(workers)),), integer)


def died(worker: str, nonce: str, started: str, cause: str) -> Call[DeathReply]:
    """Report a dead process: the job it had started is charged, its other jobs come back."""
    return Call("worker_died", (worker, nonce, started, cause), _death_reply)


def _death_reply(reply: bytes | None) -> DeathReply:
    value: dict[str, Any] = dict(unpack(reply) or {})

    def jids(name: str) -> list[str]:
        return [str(jid) for jid in value.get(name) or ()]

    return DeathReply(jids("charged"), jids("returned"), jids("failed"), bool(value.get("more")))
