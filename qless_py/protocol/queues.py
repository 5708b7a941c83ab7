"""Transitions of queues: taking jobs, due work, pausing and forgetting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.protocol import records
from qless_py.protocol.call import Call, done, given, integer, pack, unpack, unpack_raw
from qless_py.protocol.records import JobRecord
from qless_py.protocol.recurring import Question, question


@dataclass(frozen=True, slots=True)
class PopReply:
    """Jobs handed out, ms until more becomes due, whether to ask again at once, keys to wait on.

    `questions` are cron jobs whose next ticks somebody has to work out, nearly always none.
    """

    jobs: list[JobRecord]
    next_in: int | None
    more: bool
    wake: list[str]
    questions: Sequence[Question] = ()


@dataclass(frozen=True, slots=True)
class TickReply:
    """Milliseconds until something becomes due, and whether housekeeping is left over."""

    next_in: int | None
    more: bool


def pop(
    queues: Sequence[str],
    worker: str,
    count: int,
    nonce: str | None = None,
    choice: Mapping[str, Any] | None = None,
) -> Call[PopReply]:
    """Take up to `count` jobs from the queues in their order, each under a lease.

    The queues may hold patterns and exclusions; `choice` has the options order, turn, weights.
    """
    options = {**given(nonce=nonce), **(choice or {})}
    return Call("pop", (pack(list(queues)), worker, count, pack(options)), _pop_reply)


def _pop_reply(reply: bytes | None) -> PopReply:
    value: dict[bytes, Any] = unpack_raw(reply)
    soon = value.get(b"next")
    return PopReply(
        [records.job(view) for view in value.get(b"jobs") or ()],
        None if soon is None else int(soon),
        bool(value.get(b"more")),
        [key.decode() for key in value.get(b"wake") or ()],
        [question(one) for one in value.get(b"refill") or ()],
    )


def tick() -> Call[TickReply]:
    """Do what is due without taking a job."""
    return Call("tick", (), _tick_reply)


def _tick_reply(reply: bytes | None) -> TickReply:
    value = dict(unpack(reply) or {})
    soon = value.get("next")
    return TickReply(None if soon is None else int(soon), bool(value.get("more")))


def pause(
    queues: Sequence[str],
    reason: str | None = None,
    until: int | None = None,
    by: str | None = None,
) -> Call[None]:
    """Hand nothing out of these queues, until unpaused or until that instant."""
    return Call("pause", (pack(list(queues)), pack(given(reason=reason, until=until, by=by))), done)


def unpause(queues: Sequence[str]) -> Call[None]:
    """Hand out jobs again."""
    return Call("unpause", (pack(list(queues)),), done)


def forget(queues: Sequence[str]) -> Call[int]:
    """Take queues off the list of known ones; their jobs stay."""
    return Call("queue_forget", (pack(list(queues)),), integer)
