"""Transitions and queries of jobs.

Functions that take a `JobState` are for users: they validate, encode, and update the state by the
reply. Those that take a jid and a lease are for workers, which hold leases and no job objects.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from qless_py.errors import BadArgumentError, JobNotFoundError, QlessError, error_from_reply
from qless_py.protocol import arguments, records
from qless_py.protocol.call import (
    Call,
    boolean,
    decimal,
    done,
    given,
    integer,
    pack,
    seconds,
    text,
    texts,
    unpack,
    unpack_raw,
)
from qless_py.protocol.job_state import JobState
from qless_py.protocol.options import Seconds
from qless_py.protocol.puts import PutReply, put_reply
from qless_py.protocol.records import JobRecord, Record

MAX_MESSAGE: Final = 65536
MAX_PAGE: Final = 1000
MAX_BY: Final = 128
MAX_REASON: Final = 500
SMALL_PAGE: Final = 100
LATEST: Final = 2**52
MAX_DATA_LIMIT: Final = 2**31
MAX_UNFAIL: Final = 1_000_000


# Transitions of the holder of a lease.


@dataclass(frozen=True, slots=True)
class CompleteReply:
    """The job's state now, and the answers to its follow-up puts."""

    state: str
    jobs: list[PutReply]


def heartbeat(job: JobState, data: Any = None) -> Call[float]:
    """Renew the lease; returns when it ends now, in Unix seconds."""
    sent = job.data_to_send(data)
    call = Call("heartbeat", (job.jid, job.lease, sent), integer)
    return job.updated_by(call, job.set_lease_end, sent).map(lambda at: at / 1000)


def heartbeat_many(leases: Sequence[tuple[str, str]]) -> Call[list[int | QlessError]]:
    """Renew up to 100 leases, given as (jid, lease).

    Each is answered by the ms at which it ends now, or by its own error.
    """
    return Call("heartbeat_many", (pack([list(one) for one in leases]),), _heartbeats)


def _heartbeats(reply: bytes | None) -> list[int | QlessError]:
    return [error_from_reply(one) if isinstance(one, str) else int(one) for one in unpack(reply)]


def complete(  # noqa: PLR0913, PLR0917 - what a completion may carry
    job: JobState,
    next_queue: str | None = None,
    delay: Seconds | None = None,
    depends: Iterable[str] | None = None,
    on_parent_failed: str | None = None,
    result: Any = None,
) -> Call[str]:
    """Complete or advance a job and put its follow-ups, in one step; returns its state."""
    options = {"delay": delay, "depends": depends, "on_parent_failed": on_parent_failed}
    sent, encoded = job.data_to_send(), job.encode_given(result)
    call = complete_encoded(
        job.jid,
        job.lease,
        data=sent,
        result=encoded,
        advance=_advance(next_queue, options),
        jobs=[one.as_map(queue) for queue, one in job.follow_ups],
        jobs_data=[one.data for _, one in job.follow_ups],
    )

    def change(reply: CompleteReply) -> None:
        job.set_state(reply.state)
        job.set_result(encoded)
        job.follow_ups.clear()

    return job.updated_by(call, change, sent).map(lambda reply: reply.state)


def complete_finally(job: JobState, result: Any) -> Call[Any]:
    """Complete a job whose state nobody reads afterwards; the usual end of a handler."""
    if job.follow_ups:
        return complete(job, result=result)
    sent = job.data_to_send()
    return complete_encoded(job.jid, job.lease, data=sent, result=job.encode_given(result))


def complete_encoded(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    lease: str,
    *,
    data: bytes = b"",
    result: bytes = b"",
    advance: Mapping[str, Any] | None = None,
    jobs: Sequence[Mapping[str, Any]] = (),
    jobs_data: Sequence[bytes] = (),
) -> Call[CompleteReply]:
    """Complete a job, or advance it to the queue named in `advance`, with encoded arguments."""
    options = b""  # As packed without either, for most jobs.
    if advance or jobs:
        options = pack(given(next=advance, jobs=list(jobs) or None))
    return Call("complete", (jid, lease, data, result, options, *jobs_data), _complete_reply)


def _advance(queue: str | None, options: Mapping[str, Any]) -> dict[str, Any] | None:
    checked = arguments.put_options(options)
    if queue is not None:
        return {"queue": arguments.name("queue", queue), **checked}
    if checked:
        raise BadArgumentError(f"{', '.join(checked)}: only allowed together with next_queue")
    return None


def _complete_reply(reply: bytes | None) -> CompleteReply:
    value = unpack(reply)
    return CompleteReply(str(value["state"]), [put_reply(pair) for pair in value.get("jobs") or ()])


def complete_many(
    leases: Sequence[tuple[str, str]], results: Sequence[bytes]
) -> Call[list[str | QlessError]]:
    """Complete up to 100 jobs, given as (jid, lease); b"" is no result.

    Each is answered by "complete" or by its own error.
    """
    return Call("complete_many", (pack([list(one) for one in leases]), *results), _completions)


def _completions(reply: bytes | None) -> list[str | QlessError]:
    return [one if one == "complete" else error_from_reply(one) for one in unpack(reply)]


def fail(job: JobState, group: str, message: str, data: Any = None) -> Call[str]:
    """Fail a job; returns its jid."""
    sent = job.data_to_send(data)
    group = arguments.line("group", group)
    call = fail_encoded(job.jid, job.lease, group, _message(message), sent)
    return job.updated_by(call, lambda _: job.set_state("failed"), sent)


def fail_encoded(jid: str, lease: str, group: str, message: str, data: bytes = b"") -> Call[str]:
    """Fail a running job with checked arguments."""
    return Call("fail", (jid, lease, group, message, data), text)


def _message(message: str) -> str:
    return arguments.text("message", message, MAX_MESSAGE)


def retry(  # noqa: PLR0913 - the arguments of the script
    job: JobState,
    delay: Seconds = 0,
    group: str | None = None,
    message: str | None = None,
    *,
    error: str | None = None,
    tries: str | None = None,
    apart: bool = False,
) -> Call[int]:
    """Return a job to its queue at the cost of a retry; returns the retries left, -1 if none was.

    The history keeps the first line of `error`, by default of the message. `tries` is what a retry
    policy remembers of earlier runs. With `apart` the policy counts the attempt there instead, and
    no retry is spent.
    """
    span = arguments.span("delay", delay)
    if (group is None) != (message is None):
        raise BadArgumentError("group and message go together")
    if group is not None and message is not None:
        group, message = arguments.line("group", group), _message(message)
    counted: dict[str, Any] = {} if tries is None else {"tries": tries, "apart": apart}

    def change(left: int) -> None:
        job.fields["left"] = left
        job.set_state("failed" if left < 0 else "scheduled" if span else "waiting")

    return job.updated_by(
        retry_encoded(job.jid, job.lease, span, group, message, error=error, **counted), change
    )


def retry_encoded(  # noqa: PLR0913 - the arguments of the script
    jid: str,
    lease: str,
    delay: int = 0,
    group: str | None = None,
    message: str | None = None,
    *,
    error: str | None = None,
    tries: str | None = None,
    apart: bool | None = None,
) -> Call[int]:
    """Return a running job to its queue at the cost of a retry, with checked arguments."""
    options = pack(given(group=group, message=message, error=error, tries=tries, apart=apart))
    return Call("retry", (jid, lease, delay, options), integer)


def release(job: JobState) -> Call[str]:
    """Return a job to its queue at no cost; returns its state."""
    return job.updated_by(release_lease(job.jid, job.lease), job.set_state)


def release_lease(jid: str, lease: str) -> Call[str]:
    """Return a running job to its queue at no cost; returns its state."""
    return Call("release", (jid, lease), text)


def snooze(job: JobState, delay: Seconds) -> Call[float]:
    """Return a job to its queue for later at no cost; returns when it is due."""
    args = (job.jid, job.lease, arguments.span("delay", delay, 0.001))
    return job.updated_by(Call("snooze", args, seconds), lambda _: job.set_state("scheduled"))


def hand_off(job: JobState, worker: str, seconds_: Seconds) -> Call[float]:
    """Leave a job to another worker under its lease; returns when the lease ends."""
    length = arguments.span("seconds", seconds_, 0.001)
    args = (job.jid, job.lease, arguments.name("worker", worker), length)
    return Call("hand_off", args, seconds)


def back_off(job: JobState, seconds: Seconds, throttle: str | None = None) -> Call[list[str]]:
    """Return a job to its queue at no cost and block its throttles; returns those.

    Without a throttle, all that the job was put with are blocked or, if none, that of its queue.
    """
    chosen = "" if throttle is None else arguments.throttle_id("throttle", throttle)
    span = max(arguments.span("seconds", seconds), 1)
    call = Call("back_off", (job.jid, job.lease, span, chosen), texts)
    return job.updated_by(call, lambda _: job.set_state("waiting"))


def discard(job: JobState) -> Call[str]:
    """Delete a running job on behalf of its worker."""
    call = Call("discard", (job.jid, job.lease), text)
    return job.updated_by(call, lambda _: job.set_state("canceled"))


def log(job: JobState, what: str, data: Any = None) -> Call[None]:
    """Add an entry to a job's history; of a running job only its holder may."""
    lease = job.lease if job.state == "running" else ""
    return Call(
        "log",
        (
            job.jid,
            lease,
            arguments.line("what", what),
            job.encode_given(data, "data of the log entry"),
        ),
        done,
    )


def set_progress(job: JobState, value: Any) -> Call[None]:
    """Store the progress of a job."""
    return Call("progress", (job.jid, job.lease, job.encode(value, "progress")), done)


# Transitions that need no lease.


def timeout(job: JobState) -> Call[None]:
    """Time out a running job: its lease ends now."""
    call = Call("timeout", (pack([job.jid]),), texts)
    return job.updated_by(call, lambda _: job.set_state("stalled")).map(lambda _: None)


def force_finish(job: JobState, result: Any = None) -> Call[str]:
    """Complete a job in whatever state."""
    encoded = job.encode_given(result)

    def change(state: str) -> None:
        job.set_state(state)
        job.set_result(encoded)

    return job.updated_by(force_finish_encoded(job.jid, encoded), change)


def force_finish_encoded(jid: str, result: bytes = b"") -> Call[str]:
    """Complete a job in whatever state, with an encoded result."""
    return Call("force_finish", (jid, result), text)


def cancel(jids: Iterable[str], by: str = "", reason: str = "") -> Call[list[str]]:
    """Delete up to 100 jobs, all or none; returns those that were there."""
    return Call("cancel", (pack(arguments.names("jids", jids)), pack(how(by, reason))), texts)


def how(by: str | None, reason: str | None) -> dict[str, str]:
    """Return who cancels and why as the options of a call; both are cut to their longest."""
    given = {}
    if by:
        given["by"] = arguments.text("by", by, MAX_BY)
    if reason:
        given["reason"] = arguments.text("reason", reason, MAX_REASON)
    return given


def bulk(action: str, jids: Sequence[str], options: Mapping[str, Any]) -> Call[list[str]]:
    """Change up to 100 jobs, each on its own; answers "done" or "CODE detail" for each."""
    return Call("bulk", (action, pack(list(jids)), pack(options)), texts)


def unfail(queue: str, group: str, count: int) -> Call[int]:
    """Move up to 100 of a group's oldest failures into a queue; returns how many."""
    args = (arguments.name("queue", queue), arguments.line("group", group), count)
    return Call("unfail", args, integer)


def unfail_counts(count: int) -> list[int]:
    """Split a number of jobs into what each call may move."""
    most = arguments.MAX_PER_CALL
    if arguments.whole("count", count, 1, LATEST) <= most:
        return [count]
    if count > MAX_UNFAIL:
        raise BadArgumentError(f"count {count} is over {MAX_UNFAIL}")
    whole, rest = divmod(count, most)
    return [most] * whole + [rest] * (rest > 0)


def depend(jid: str, parents: Iterable[str], on_parent_failed: str | None = None) -> Call[int]:
    """Add parents to a job that waits for some; returns how many are incomplete."""
    if on_parent_failed is not None:
        arguments.choice("on_parent_failed", on_parent_failed, arguments.PARENT_POLICIES)
    options = pack(given(on_parent_failed=on_parent_failed))
    return Call("depends_on", (jid, pack(arguments.names("jids", parents)), options), integer)


def undepend(jid: str, parents: Iterable[str], *, every: bool = False) -> Call[int]:
    """Remove parents, or all of them; returns how many are incomplete."""
    checked = arguments.names("jids", parents)
    if bool(checked) == every:
        raise BadArgumentError("undepend takes either jids or all=True")
    return Call("depends_off", (jid, pack(checked)), integer)


def tag(jid: str, tags: Iterable[str]) -> Call[list[str]]:
    """Add tags; returns all tags of the job."""
    args = (arguments.name("jid", jid), pack(arguments.names("tags", tags)))
    return Call("tag", args, texts)


def untag(jid: str, tags: Iterable[str]) -> Call[list[str]]:
    """Remove tags; returns those left."""
    args = (arguments.name("jid", jid), pack(arguments.names("tags", tags)))
    return Call("untag", args, texts)


def track(jid: str) -> Call[None]:
    """Publish a job's events and list it among the tracked jobs."""
    return Call("track", (arguments.name("jid", jid),), done)


def untrack(jid: str) -> Call[bool]:
    """Stop tracking a job; returns whether it was tracked."""
    return Call("untrack", (arguments.name("jid", jid),), boolean)


def edit(
    job: JobState,
    data: Any = None,
    priority: float | None = None,
    tags: Iterable[str] | None = None,
) -> Call[None]:
    """Change data, priority and tags in one step; what is None stays."""
    encoded = b"" if data is None else job.encode(data, "data")
    return edit_encoded(job, encoded, priority, tags)


def edit_encoded(
    job: JobState,
    data: bytes = b"",
    priority: float | None = None,
    tags: Iterable[str] | None = None,
    expects: str | None = None,
) -> Call[None]:
    """Change data, priority and tags in one step; b"" and None stay.

    Data is replaced only if the digest of the stored data is `expects`, by default that of this
    job when it was read.
    """
    number = None if priority is None else arguments.finite("priority", priority)
    names = None if tags is None else arguments.names("tags", tags)
    digest = (expects or job.data_digest) if data else None
    options = given(priority=number, tags=names, expects=digest)
    if not data and not options:
        raise BadArgumentError("nothing to change: give data, priority or tags")

    def change(_: None) -> None:
        if data:
            job.set_stored_data(data)
        job.fields.update(given(priority=number, tags=names))

    return job.updated_by(Call("edit", (job.jid, data, pack(options)), done), change)


def priority(jid: str, value: float) -> Call[float]:
    """Change the priority; a waiting job keeps its age."""
    args = (arguments.name("jid", jid), repr(arguments.finite("priority", value)))
    return Call("priority", args, decimal)


# Queries.


@dataclass(frozen=True, slots=True)
class JidPage:
    """One page of jids, and how many there are in all."""

    total: int
    jids: list[str]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """A failure group, how many jobs are in it, and when the last one failed, in ms."""

    group: str
    number: int
    last_failed_at: int


@dataclass(frozen=True, slots=True)
class TrackedReply:
    """Tracked jobs, and the jids of those that are gone."""

    total: int
    jobs: list[JobRecord]
    expired: list[str]


class TaggedJobs(TypedDict):
    """A page of jids, and how many there are in all."""

    total: int
    jobs: list[str]


def page(offset: int, count: int) -> tuple[int, int]:
    """Return a valid offset and a count of up to 1,000."""
    return (
        arguments.whole("offset", offset, 0, LATEST),
        arguments.whole("count", count, 0, MAX_PAGE),
    )


def in_hundreds(jids: list[str]) -> list[list[str]]:
    """Split jids into what one call may carry."""
    step = arguments.MAX_PER_CALL
    return [jids[start : start + step] for start in range(0, len(jids), step)]


def in_pages(jids: tuple[Any, ...]) -> list[list[str]]:
    """Split jids, given one by one or as one iterable, into what one call may carry."""
    wanted = jids[0] if len(jids) == 1 and not isinstance(jids[0], str) else jids
    return in_hundreds(arguments.names("jids", wanted, None))


def read(jid: str) -> Call[Record | None]:
    """Read one job or recurring job."""
    name = arguments.name("jid", jid)
    return Call("read/job", (name,), lambda reply: records.either(unpack_raw(reply), name))


def existing(record: Record | None, jid: str) -> JobRecord:
    """Return the job that was read; raises `JobNotFoundError` for none and for a recurring job."""
    if not isinstance(record, JobRecord):
        raise JobNotFoundError(f"Job {jid} does not exist")
    return record


def read_many(jids: Sequence[str], data_limit: int | None = None) -> Call[list[Record | None]]:
    """Read up to 100 jobs in the order of their jids; `None` for those that do not exist.

    With a `data_limit`, at most so many bytes of the data, result and progress of each are read.
    """
    names = list(jids)

    def decode(reply: bytes | None) -> list[Record | None]:
        pairs = zip(unpack_raw(reply), names, strict=True)
        return [records.either(view, jid) for view, jid in pairs]

    if data_limit is None:
        return Call("read/jobs", (pack(names),), decode)
    most = arguments.whole("data_limit", data_limit, 0, MAX_DATA_LIMIT)
    return Call("read/rows", (pack(names), most), decode)


def results(jids: Sequence[str]) -> Call[list[tuple[str, str, bytes]]]:
    """Read the jid, codec and result of those of up to 100 jobs that have a result."""

    def decode(reply: bytes | None) -> list[tuple[str, str, bytes]]:
        return [(jid.decode(), codec.decode(), result) for jid, codec, result in unpack_raw(reply)]

    return Call("read/results", (pack(list(jids)),), decode)


def parent_results(
    job: JobState, pages: Iterable[Iterable[tuple[str, str, bytes]]]
) -> dict[str, Any]:
    """Return the results of a job's parents by jid, each decoded with the codec that wrote it."""
    found: dict[str, Any] = dict.fromkeys(job.parents)
    for jid, codec, result in (one for page in pages for one in page):
        found[jid] = job.decode_result(codec, jid, result)
    return found


def _jid_page(reply: bytes | None) -> JidPage:
    value = unpack(reply)
    return JidPage(int(value["total"]), [str(jid) for jid in value["jids"]])


def in_state(state: str, queue: str = "", offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List the jobs of a queue in one state; complete jobs are in no queue."""
    return Call("read/state", (state, queue, *page(offset, count)), _jid_page)


def tagged(tag: str, offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List the jobs with a tag, in the order of tagging."""
    return Call("read/tagged", (arguments.name("tag", tag), *page(offset, count)), _jid_page)


def tags(offset: int = 0, count: int = 25, minimum: int = 2) -> Call[list[tuple[str, int]]]:
    """List the tags of at least `minimum` jobs with their numbers of jobs, most used first."""
    least = arguments.whole("minimum", minimum, 1, LATEST)
    return Call("read/tags", (*page(offset, count), least), _pairs)


def _pairs(reply: bytes | None) -> list[tuple[str, int]]:
    return [(str(name), int(number)) for name, number in unpack(reply)]


def failed(group: str, offset: int = 0, count: int = 25) -> Call[JidPage]:
    """List the jobs of a failure group, newest first."""
    return Call("read/failed", (arguments.line("group", group), *page(offset, count)), _jid_page)


def groups(offset: int = 0, count: int = 100) -> Call[tuple[int, list[FailureGroup]]]:
    """List the failure groups by their last failure, newest first; returns also their number."""
    return Call("read/groups", (offset, count), _groups)


def _groups(reply: bytes | None) -> tuple[int, list[FailureGroup]]:
    value = unpack(reply)
    rows = [FailureGroup(str(one[0]), int(one[1]), int(one[2])) for one in value["groups"]]
    return int(value["total"]), rows


def tracked(offset: int = 0, count: int = 25, data_limit: int | None = None) -> Call[TrackedReply]:
    """Read the tracked jobs, with a `data_limit` as for `read_many`."""
    return Call("read/tracked", (offset, count, "" if data_limit is None else data_limit), _tracked)


def _tracked(reply: bytes | None) -> TrackedReply:
    value = unpack_raw(reply)
    jobs = [records.job(view) for view in value[b"jobs"]]
    expired = [jid.decode() for jid in value[b"expired"]]
    return TrackedReply(int(value.get(b"total", len(jobs) + len(expired))), jobs, expired)


def explain(jid: str) -> Call[dict[str, Any]]:
    """Read why a job is not running: its state, and the reasons with their kinds."""
    return Call("read/explain", (arguments.name("jid", jid),), lambda r: dict(unpack(r) or {}))
