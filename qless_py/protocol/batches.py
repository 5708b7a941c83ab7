"""Transitions and queries of batches: sets of jobs that put callback jobs when all have ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from qless_py.errors import BadArgumentError, BatchNotFoundError
from qless_py.protocol import arguments, cursors, instrumentation, puts
from qless_py.protocol.call import Call, integer, mapping, pack, text, unpack, unpack_raw
from qless_py.protocol.job_state import JobState
from qless_py.protocol.options import PutSpec
from qless_py.protocol.settings import Settings
from qless_py.protocol.throttles import behind, rows

CALLBACKS: Final = ("on_success", "on_complete", "on_failure")
PHASES: Final = ("open", "running", "complete", "failed", "canceled")
MAX_SCAN: Final = 250
"""The most batches that one call examines."""
MAX_PAGE: Final = 100


class BatchStatus(TypedDict, total=False):
    """The status of a batch: `state` is open, closed or finished; times are Unix seconds.

    `phase` says the same in the words of workflows, with the outcome: open, running, and then
    failed if any member has failed, canceled if any was, else complete. `on_success` and the like
    are the jids of the callbacks. `on_success_conflict` is the job because of which that callback
    was not put: it has the same jid and had not ended, or holds its unique key.
    """

    name: str
    state: str
    phase: str
    owner: str
    total: int
    pending: int
    completed: int
    failed: int
    canceled: int
    within: str
    opened_at: float
    closed_at: float
    finished_at: float
    canceled_at: float
    on_success: str
    on_complete: str
    on_failure: str
    on_success_conflict: str
    on_complete_conflict: str
    on_failure_conflict: str


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of a list of batches, without their callbacks.

    `examined` batches were looked at for it. `total` is the number of all batches; `cursor` is
    where the next page begins, `None` at the end.
    """

    batches: list[BatchStatus]
    examined: int
    total: int
    cursor: str | None


class Callbacks(TypedDict, total=False):
    """Jobs to put, each with its queue.

    `on_success`: when every member has completed. `on_complete`: when all have ended in any way.
    `on_failure`: when the first one has failed.
    """

    on_success: PutSpec | None
    on_complete: PutSpec | None
    on_failure: PutSpec | None


def open_batch(
    settings: Settings,
    name: str | None,
    options: Mapping[str, Any],
    job: JobState | None = None,
    remember: bytes | None = None,
) -> Call[str]:
    """Open a batch, for a running job that owns it if one is given; returns its name.

    `options` are `within` and the callbacks. `remember` is readable by `read_data` as long as the
    batch is known.
    """
    batch = arguments.name("batch", name or puts.new_jid())
    wire: dict[str, Any] = {} if job is None else {"owner": job.jid, "lease": job.lease}
    data: list[bytes] = []
    callbacks = dict(options)
    within = callbacks.pop("within", None)
    if within is not None:
        wire["within"] = arguments.name("within", getattr(within, "name", within))
    if remember is not None:
        data.append(remember)
        wire["data"] = len(data)
    for which, spec in callbacks.items():
        arguments.choice("call-back", which, CALLBACKS)
        if spec is None:
            continue
        klass, value, queue, rest = puts.split(spec)
        if queue is None:
            raise BadArgumentError(f"{which} needs a queue")
        one = puts.encode(settings, klass, value, rest)
        if instrumentation.current is not None:
            instrumentation.current.create(queue, [one])
        data.append(one.data)
        wire[which] = {**one.as_map(queue), "data": len(data)}
    return open_encoded(batch, wire, data)


def open_encoded(batch: str, options: Mapping[str, Any], data: Sequence[bytes] = ()) -> Call[str]:
    """Open a batch; `data` in the options, and in each callback, is a 1-based index into `data`."""
    return Call("batch_open", (batch, pack(options), *data), text)


def name_for(job: JobState, name: str | None) -> str:
    """Return the name of a batch that a job opens: the same in every run of the same put."""
    if name:
        return arguments.name("batch", name)
    job.batches += 1
    return puts.derived_jid(job, b"batch", job.batches)


def name_of(job: JobState) -> str:
    """Return the name of the batch a job is in; raises BatchNotFoundError if it is in none."""
    if job.batch_name is None:
        raise BatchNotFoundError(f"Job {job.jid} is in no batch")
    return job.batch_name


def spec_of(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job of a task, the first of the arguments, that is called with the others."""
    make = getattr(args[0], "spec", None) if args else None
    if not callable(make):
        given = repr(args[0]) if args else "no task"
        raise BadArgumentError(
            f"add takes jids, or a task of qless_py.job and its arguments, not {given}; "
            "put other handlers with put"
        )
    return dict(make(*args[1:], **kwargs))


def put(  # noqa: PLR0913, PLR0917 - a put and its batch
    settings: Settings, batch: str, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Put a job into a batch; returns its jid."""
    return puts.put(settings, queue, klass, data, puts.with_batch(options, batch))


def put_all(
    settings: Settings, batch: str, queue: str, specs: Iterable[Mapping[str, Any]]
) -> list[Call[list[str]]]:
    """Put any number of jobs into a batch, in calls of 100."""
    return puts.put_all(settings, queue, puts.in_batch(specs, batch))


def put_for(  # noqa: PLR0913, PLR0917 - a put and its running job
    job: JobState, batch: str, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Put a job into a batch on behalf of a running job, whose lease it needs."""
    name = arguments.name("queue", queue)
    one = puts.derive(job, name, klass, data, puts.with_batch(options, batch))
    span = None
    if instrumentation.current is not None:
        span = instrumentation.current.send(name, [one], bulk=False)
    wire = {**one.options, "parent": job.jid, "lease": job.lease}
    call = puts.put_encoded(name, one.jid, one.klass, one.data, wire, span)
    return call.map(lambda reply: reply.jid)


def put_all_for(
    job: JobState, batch: str, queue: str, specs: Iterable[Mapping[str, Any]]
) -> list[Call[list[str]]]:
    """Put any number of jobs into a batch on behalf of a running job, in calls of 100."""
    jobs, queues = [], []
    for spec in puts.listed(specs):
        klass, value, own, rest = puts.split(spec)
        target = arguments.name("queue", own or queue)
        jobs.append(puts.derive(job, target, klass, value, puts.with_batch(rest, batch)))
        queues.append(target)
    span = puts.send(queue, jobs, queues)
    on_behalf = {"parent": job.jid, "lease": job.lease}
    maps = [{**one.as_map(own), **on_behalf} for one, own in zip(jobs, queues, strict=True)]
    return puts.in_calls(queue, maps, [one.data for one in jobs], span)


def add(batch: str, jids: Iterable[str]) -> Call[int]:
    """Add existing jobs; returns how many were not in the batch yet."""
    return Call("batch_add", (batch, pack(arguments.names("jids", jids))), integer)


def close(batch: str, mark: str = "") -> Call[BatchStatus]:
    """Close a batch to new jobs, so that it can end.

    The mark `canceled` records that the jobs of the batch are being canceled.
    """
    return Call("batch_close", (batch, mark), mapping).map(_status)


def read(name: str) -> Call[BatchStatus | None]:
    """Read the status of a batch; `None` if it is not known."""

    def decode(reply: bytes | None) -> BatchStatus | None:
        value = dict(unpack(reply) or {})
        return _status(value) if value else None

    return Call("read/batch", (name,), decode)


def read_data(name: str) -> Call[bytes | None]:
    """Read what a batch was opened to remember."""
    return Call("read/batch_data", (name,), lambda reply: unpack_raw(reply) or None)


def conditions(
    name: str | None, phases: Iterable[str], within: str | None, *, workflows: bool | None
) -> dict[str, Any]:
    """Return the conditions of a list of batches, as `page` takes them."""
    found: dict[str, Any] = {"phases": list(dict.fromkeys(phases))}
    for phase in found["phases"]:
        arguments.choice("phase", phase, PHASES)
    if name is not None:
        found["name"] = arguments.text("name", name, 1024)
    if within is not None:
        found["within"] = arguments.name("within", within)
    if workflows is not None:
        found["workflows"] = workflows
    return {what: value for what, value in found.items() if value != []}


def page(
    cursor: str | None, count: int, wanted: Mapping[str, Any], scan: int = MAX_SCAN
) -> Call[BatchPage]:
    """Read up to `count` batches that meet conditions, of the next `scan` ones."""
    size = arguments.whole("count", count, 1, MAX_PAGE)
    args = (behind(cursors.page_mark(cursor)), scan, size, pack(dict(wanted)))

    def decode(reply: bytes | None) -> BatchPage:
        found = rows(reply, "batches")
        listed = [_status(row) for row in found.rows]
        examined = int(unpack(reply)["examined"])
        return BatchPage(listed, examined, found.total, cursors.page_cursor(found.after))

    return Call("read/batches", args, decode)


def pending(batch: str, kind: str, cursor: str = "0") -> Call[tuple[list[str], str]]:
    """List members that a batch waits for, `jobs` or `batches`, and the cursor of the next call.

    Each call returns some of them, about a hundred, in no order. The last cursor is "0".
    """

    def decode(reply: bytes | None) -> tuple[list[str], str]:
        value = unpack(reply)
        return [str(name) for name in value["names"]], str(value["cursor"])

    return Call("read/batch_pending", (batch, kind, cursor), decode)


def outcomes(batch: str, jids: Sequence[str]) -> Call[list[tuple[str, str]]]:
    """Read the state and the failure group of up to 100 jobs of a batch.

    In addition to the states of jobs there is `canceled`, and "" for any other job that does not
    exist: complete and deleted since, or never put.
    """

    def decode(reply: bytes | None) -> list[tuple[str, str]]:
        return [(str(state), str(group)) for state, group in unpack(reply)]

    return Call("read/outcomes", (batch, pack(list(jids))), decode)


def _status(value: Mapping[str, Any]) -> BatchStatus:
    status: BatchStatus = dict(value)  # type: ignore[assignment]
    for name in ("opened_at", "closed_at", "finished_at", "canceled_at"):
        if name in value:
            status[name] = value[name] / 1000
    return status
