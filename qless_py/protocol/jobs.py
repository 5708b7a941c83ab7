"""Transitions of jobs: putting them, and what a holder or anybody may do with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qless_py.errors import QlessError, error_from_reply
from qless_py.protocol.call import (
    Call,
    boolean,
    decimal,
    done,
    given,
    integer,
    pack,
    text,
    texts,
    unpack,
)


@dataclass(frozen=True, slots=True)
class PutReply:
    """The jid that holds the work now, and whether this call made it."""

    jid: str
    created: bool


@dataclass(frozen=True, slots=True)
class CompleteReply:
    """Where the job is now, and what became of its follow-ups."""

    state: str
    jobs: list[PutReply]


def _put_reply(pair: Sequence[Any]) -> PutReply:
    return PutReply(str(pair[0]), bool(pair[1]))


def put(
    queue: str, jid: str, klass: str, data: bytes, options: Mapping[str, Any]
) -> Call[PutReply]:
    """Put one job; the options are those of the script, times in ms."""
    args = (queue, jid, klass, data, pack(options))
    return Call("put", args, lambda reply: _put_reply(unpack(reply)))


def put_many(
    queue: str, jobs: Sequence[Mapping[str, Any]], data: Sequence[bytes]
) -> Call[list[PutReply]]:
    """Put up to 100 jobs, all or none; each map has jid, klass and the options of `put`."""
    return Call("put_many", (queue, pack(jobs), *data), _put_replies)


def _put_replies(reply: bytes | None) -> list[PutReply]:
    return [_put_reply(pair) for pair in unpack(reply)]


def requeue(
    queue: str, jid: str, klass: str, data: bytes, options: Mapping[str, Any]
) -> Call[PutReply]:
    """Put a job that must exist; an empty klass or data keeps the present one."""
    args = (queue, jid, klass, data, pack(options))
    return Call("requeue", args, lambda reply: _put_reply(unpack(reply)))


def heartbeat(jid: str, lease: str, data: bytes = b"") -> Call[int]:
    """Renew a lease; gives the instant at which it ends now."""
    return Call("heartbeat", (jid, lease, data), integer)


def heartbeat_many(leases: Sequence[tuple[str, str]]) -> Call[list[int | QlessError]]:
    """Renew up to 100 leases, given as (jid, lease), each answered for itself."""
    return Call("heartbeat_many", (pack([list(one) for one in leases]),), _heartbeats)


def _heartbeats(reply: bytes | None) -> list[int | QlessError]:
    return [error_from_reply(one) if isinstance(one, str) else int(one) for one in unpack(reply)]


def complete_many(
    leases: Sequence[tuple[str, str]], results: Sequence[bytes]
) -> Call[list[str | QlessError]]:
    """End up to 100 jobs, given as (jid, lease), each answered for itself; b"" is no result."""
    args = (pack([list(one) for one in leases]), *results)
    return Call("complete_many", args, _endings)


def _endings(reply: bytes | None) -> list[str | QlessError]:
    return [one if one == "complete" else error_from_reply(one) for one in unpack(reply)]


def complete(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    lease: str,
    *,
    data: bytes = b"",
    result: bytes = b"",
    advance: Mapping[str, Any] | None = None,
    jobs: Sequence[Mapping[str, Any]] = (),
    jobs_data: Sequence[bytes] = (),
) -> Call[CompleteReply]:
    """End the job, or advance it to the queue named in `advance`, and put its follow-ups."""
    options = given(next=advance, jobs=list(jobs) or None)
    return Call("complete", (jid, lease, data, result, pack(options), *jobs_data), _complete_reply)


def _complete_reply(reply: bytes | None) -> CompleteReply:
    value = unpack(reply)
    jobs = [_put_reply(pair) for pair in value.get("jobs") or ()]
    return CompleteReply(str(value["state"]), jobs)


def fail(jid: str, lease: str, group: str, message: str, data: bytes = b"") -> Call[str]:
    """Fail a running job."""
    return Call("fail", (jid, lease, group, message, data), text)


def retry(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    lease: str,
    delay: int = 0,
    group: str | None = None,
    message: str | None = None,
    *,
    tries: str | None = None,
    apart: bool | None = None,
) -> Call[int]:
    """Give a running job back at the cost of a retry; -1 means that none was left.

    `tries` is what a policy remembers; with `apart` it counts there, and no retry is spent.
    """
    options = pack(given(group=group, message=message, tries=tries, apart=apart))
    return Call("retry", (jid, lease, delay, options), integer)


def release(jid: str, lease: str) -> Call[str]:
    """Give a running job back at no cost; gives its state."""
    return Call("release", (jid, lease), text)


def snooze(jid: str, lease: str, delay: int) -> Call[int]:
    """Give a running job back until later at no cost; gives the instant when it is due."""
    return Call("snooze", (jid, lease, delay), integer)


def back_off(jid: str, lease: str, span: int, throttle: str = "") -> Call[list[str]]:
    """Block a throttle of a running job for so many ms and give the job back at no cost.

    Without a throttle it is all that the job was put with or, if none, that of its queue. Gives
    those that are blocked.
    """
    return Call("back_off", (jid, lease, span, throttle), texts)


def timeout(jids: Sequence[str]) -> Call[list[str]]:
    """Take the leases of running jobs away."""
    return Call("timeout", (pack(jids),), texts)


def bulk(action: str, jids: Sequence[str], options: Mapping[str, Any]) -> Call[list[str]]:
    """Do one thing to up to 100 jobs, each for itself; gives "done" or "CODE detail" for each."""
    return Call("bulk", (action, pack(list(jids)), pack(options)), texts)


def force_finish(jid: str, result: bytes = b"") -> Call[str]:
    """Complete a job in whatever state, without its worker."""
    return Call("force_finish", (jid, result), text)


def cancel(jids: Sequence[str]) -> Call[list[str]]:
    """Delete jobs, all or none; gives those that were there to delete."""
    return Call("cancel", (pack(jids),), texts)


def discard(jid: str, lease: str) -> Call[str]:
    """Delete a running job on behalf of its worker."""
    return Call("discard", (jid, lease), text)


def unfail(queue: str, group: str, count: int) -> Call[int]:
    """Move up to 100 of a group's oldest failures into a queue; gives how many."""
    return Call("unfail", (queue, group, count), integer)


def depends_on(jid: str, parents: Sequence[str], on_parent_failed: str | None = None) -> Call[int]:
    """Add parents to a job that waits for some; gives how many are unresolved."""
    options = pack(given(on_parent_failed=on_parent_failed))
    return Call("depends_on", (jid, pack(parents), options), integer)


def depends_off(jid: str, parents: Sequence[str] = ()) -> Call[int]:
    """Remove parents, without any named all of them; gives how many are unresolved."""
    return Call("depends_off", (jid, pack(list(parents))), integer)


def tag(jid: str, tags: Sequence[str]) -> Call[list[str]]:
    """Add tags; gives all the job has."""
    return Call("tag", (jid, pack(list(tags))), texts)


def untag(jid: str, tags: Sequence[str]) -> Call[list[str]]:
    """Remove tags; gives those left."""
    return Call("untag", (jid, pack(list(tags))), texts)


def track(jid: str) -> Call[None]:
    """Have the job's steps published on channels of their own."""
    return Call("track", (jid,), done)


def untrack(jid: str) -> Call[bool]:
    """Stop tracking; tells whether the job was tracked."""
    return Call("untrack", (jid,), boolean)


def priority(jid: str, value: float) -> Call[float]:
    """Change the priority; a waiting job keeps its age."""
    return Call("priority", (jid, repr(value)), decimal)


def log(jid: str, lease: str, what: str, data: bytes = b"") -> Call[None]:
    """Add an entry to the job's history; an empty lease asks for none."""
    return Call("log", (jid, lease, what, data), done)


def progress(jid: str, lease: str, data: bytes) -> Call[None]:
    """Say how far the job is."""
    return Call("progress", (jid, lease, data), done)
