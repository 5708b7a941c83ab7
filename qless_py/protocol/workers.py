"""Transitions of workers: being known, and what a parent reports of its children."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol.call import Call, done, integer, pack, text, unpack


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


def beat(worker: str, info: bytes = b"") -> Call[str]:
    """Say that the worker is alive; gives the command that is waiting for it, or nothing."""
    return Call("worker_beat", (worker, info), text)


def deregister(workers: Sequence[str]) -> Call[int]:
    """Take workers off the list; gives how many were on it."""
    return Call("worker_deregister", (pack(list(workers)),), integer)


def died(worker: str, nonce: str, started: Sequence[str], cause: str) -> Call[DeathReply]:
    """Report a dead process: jobs that it had started are charged, its other jobs come back."""
    # A nonce is no jid of its own process: named in the place of one it charges nobody.
    first, *more = started or [nonce]
    return Call("worker_died", (worker, nonce, first, cause, *more), _death_reply)


def job_died(jid: str, lease: str, cause: str) -> Call[str]:
    """Report that the process of one job is dead: the job is charged; gives its state."""
    return Call("job_died", (jid, lease, cause), text)


def command(workers: Sequence[str], what: str) -> Call[int]:
    """Tell workers to do something (quiet, resume, stop, restart); gives how many are known."""
    return Call("worker_command", (pack(list(workers)), what), integer)


def _death_reply(reply: bytes | None) -> DeathReply:
    value: dict[str, Any] = dict(unpack(reply) or {})

    def jids(name: str) -> list[str]:
        return [str(jid) for jid in value.get(name) or ()]

    return DeathReply(jids("charged"), jids("returned"), jids("failed"), bool(value.get("more")))
