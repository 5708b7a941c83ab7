"""Pop jobs, keep them, and report what became of them: a worker in any language."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Literal

from flask import request
from pydantic import Field

from qless_py.client import serialize
from qless_py.client.job import Job
from qless_py.errors import BadArgumentError, JobNotFoundError, QlessError
from qless_py.handlers.outcomes import Discard, Retry, Snooze
from qless_py.handlers.retry import Backoff
from qless_py.http import long_poll
from qless_py.http.context import api, caller, client, find_job, may_see
from qless_py.http.fields import (
    Answer,
    Count,
    JsonValue,
    Line,
    Message,
    Model,
    Name,
    Number,
    PerCall,
    QueueEntry,
    Seconds,
    Weights,
)
from qless_py.http.problems import Problem, code_of
from qless_py.http.route import Reply, Routes
from qless_py.http.routes.put import (
    QueuedJobBody,
    check_parents,
    check_put,
    check_replaced,
    data_and_options,
)
from qless_py.protocol import arguments, jobs, queues, reservers, workers
from qless_py.protocol.options import ParentPolicy

routes = Routes("work", "Pop jobs under a lease, and report what became of them.")

_HELD: Final = ("job-not-found", "lease-lost", "already-finished")
_NEXT_BEAT: Final = 15.0
_MAX_INFO: Final = 16_384
_MAX_GROUP: Final = 255  # bytes


class PopBody(Model):
    """Which queues to pop from, and for whom."""

    worker: Name = Field(description="The name of the worker, as it is listed.")
    queues: list[QueueEntry] = Field(
        min_length=1,
        max_length=100,
        description="Queues or patterns in their order; `!name` leaves one out.",
    )
    count: PerCall = Field(1, description="At most so many jobs.")
    wait: float = Field(0.0, ge=0, description="Seconds to wait for a job, within the limit.")
    order: Literal["ordered", "round-robin", "shuffled", "weighted"] = Field(
        "ordered", description="How the queues take turns."
    )
    weights: Weights | None = Field(
        None, description="With the order weighted: weights of queues, 1 by default."
    )


class LeaseBody(Model):
    """The proof that the sender holds the job: the lease that came with it."""

    lease: str = Field(pattern=r"^[\x21-\x7e]{1,200}$", examples=["12.box-1"])


class HeartbeatBody(LeaseBody):
    """A lease to renew; data replaces that of the job."""

    data: JsonValue = None


class Lease(LeaseBody):
    """A job and its lease."""

    jid: Name


class HeartbeatsBody(Model):
    """Leases to renew."""

    leases: list[Lease] = Field(min_length=1, max_length=100)


class FollowUp(QueuedJobBody):
    """A job that is put when this one completes."""

    queue: Name


class CompleteBody(LeaseBody):
    """The result of a job, and what comes after it."""

    result: JsonValue = None
    data: JsonValue = Field(None, description="Replaces the data of the job.")
    next_queue: Name | None = Field(None, description="Move the job there instead.")
    delay: Seconds | None = Field(None, description="With next_queue: seconds to wait there.")
    depends: list[Name] | None = Field(
        None, max_length=100, description="With next_queue: jobs to wait for there."
    )
    on_parent_failed: ParentPolicy | None = None
    jobs: list[FollowUp] = Field(
        default=[], max_length=100, description="Jobs to put in the same step, all or none."
    )


class FailBody(LeaseBody):
    """What went wrong."""

    message: Message
    group: Line | None = Field(
        None, description="The failure group; by default the klass and the error."
    )
    error: str = Field(
        "Error",
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,99}$",
        description="The kind of error, such as TimeoutError, by which retry policies decide.",
    )
    data: JsonValue = Field(None, description="Replaces the data of a job that fails.")
    final: bool = Field(
        False,  # noqa: FBT003 - the default of a field
        description="Fail the job even if its retry policy would run it again.",
    )


class RetryBody(LeaseBody):
    """Back to the queue, at the cost of a retry."""

    delay: Seconds = 0.0
    group: Line | None = None
    message: Message | None = None


class SnoozeBody(LeaseBody):
    """Back to the queue for later, at no cost."""

    delay: float = Field(ge=0.001, le=3_155_760_000)


class BackOffBody(LeaseBody):
    """Back to the queue, and a pause for its throttles."""

    seconds: float = Field(ge=0, le=86400, description="A day at most.")
    throttle: str | None = Field(None, max_length=140)


class LogBody(LeaseBody):
    """A line for the history of the job."""

    message: Line
    data: dict[str, JsonValue] | None = None


class ProgressBody(LeaseBody):
    """How far the job is: any JSON value."""

    progress: JsonValue


class BeatBody(Model):
    """What operators see of a worker. Further facts go into `info`."""

    host: Line | None = None
    pid: Count | None = None
    version: Line | None = None
    queues: list[QueueEntry] | None = Field(None, max_length=100)
    slots: Count | None = None
    busy: Count | None = None
    rss: Number | None = Field(None, description="Bytes of memory.")
    state: Literal["running", "quiet", "stopping"] | None = None
    started_at: float | None = None
    info: dict[str, JsonValue] | None = None


class PoppedJobs(Answer):
    """Jobs with their leases; an empty list if there was none."""

    jobs: list[dict[str, Any]]


class HeartbeatAnswer(Answer):
    """When the lease ends now, in Unix seconds."""

    expires_at: float


class HeartbeatsAnswer(Answer):
    """For each lease, in order: `jid`, and `expires_at`, or `code` and `detail` of a problem."""

    leases: list[dict[str, Any]]


class StateAnswer(Answer):
    """The state of the job now."""

    jid: str
    state: str


class RetryAnswer(StateAnswer):
    """The state of the job now, and the retries it has left."""

    retries_left: int


class CompleteAnswer(StateAnswer):
    """The state of the job, and the jids of the jobs put with it."""

    jobs: list[str]


class BeatAnswer(Answer):
    """The command that waits for the worker, if any, and in how many seconds to beat again."""

    command: Literal["quiet", "resume", "stop", "restart"] | None
    next_beat_in: float


@routes.post("/pop", scope="work", returns=PoppedJobs)
def pop_jobs(body: PopBody) -> Any:
    """Pop jobs under leases.

    With `wait` the answer comes as soon as there is a job, at the latest after so many seconds.
    Each job carries a `lease`, which every report on it must present, until `expires_at`; renew it
    by heartbeats.
    """
    caller().require_entries(body.queues)
    reserver = _reserver(body)
    with api().may_wait(body.wait) as wait:
        found = long_poll.pop(
            client(),
            lambda: queues.pop_records(
                reserver.entries(), body.worker, body.count, choice=reserver.options()
            ),
            wait,
            partial(long_poll.has_left, request.environ),
        )
    return {"jobs": [_popped(Job(client(), record)) for record in found]}


def _popped(job: Job) -> dict[str, Any]:
    return {**serialize.job(job), "lease": job.lease}


def _reserver(body: PopBody) -> reservers.Reserver:
    match body.order:
        case "round-robin":
            return reservers.RoundRobinReserver(body.queues)
        case "shuffled":
            return reservers.ShuffledReserver(body.queues)
        case "weighted":
            return reservers.WeightedReserver(body.queues, body.weights or {})
    return reservers.OrderedReserver(body.queues)


def held(jid: str, lease: str, *, reads: bool = True) -> Job:
    """Return a job as the holder of this lease; whether it still holds it, the store decides.

    What needs no more of the job than its jid does without reading it, unless the caller is kept to
    some queues.
    """
    if reads or caller().queues:
        job = find_job(jid)
        job.fields["lease"] = lease
        job.fields["state"] = "running"
        return job
    return Job.build(client(), "held", jid=jid, lease=lease)


@routes.post("/jobs/<jid>/heartbeat", scope="work", returns=HeartbeatAnswer, problems=_HELD)
def heartbeat_job(jid: Name, body: HeartbeatBody) -> Any:
    """Renew the lease of a job."""
    return {"expires_at": held(jid, body.lease, reads=body.data is not None).heartbeat(body.data)}


@routes.post("/heartbeats", scope="work", returns=HeartbeatsAnswer)
def heartbeat_jobs(body: HeartbeatsBody) -> Any:
    """Renew up to 100 leases, each on its own."""
    pairs = [(one.jid, one.lease) for one in body.leases]
    own = _own(pairs)
    replies = client().run(jobs.heartbeat_many(own)) if own else []
    found = {jid: one for (jid, _), one in zip(own, replies, strict=True)}
    return {"leases": [_renewed(jid, found.get(jid)) for jid, _ in pairs]}


def _own(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the jids and leases of jobs that the caller may see: leases can be guessed."""
    if not caller().queues:
        return pairs
    known = client().jobs.get(list(dict.fromkeys(jid for jid, _ in pairs)), data_limit=0)
    seen = {one.jid for one in known if isinstance(one, Job) and may_see(one)}
    return [pair for pair in pairs if pair[0] in seen]


def _renewed(jid: str, reply: int | QlessError | None) -> dict[str, Any]:
    if reply is None:
        reply = JobNotFoundError(f"Job {jid} does not exist")
    if isinstance(reply, QlessError):
        return {"jid": jid, "code": code_of(reply), "detail": str(reply)}
    return {"jid": jid, "expires_at": reply / 1000}


@routes.post(
    "/jobs/<jid>/complete",
    scope="work",
    returns=CompleteAnswer,
    problems=(*_HELD, "already-exists", "cycle", "data-too-large"),
)
def complete_job(jid: Name, body: CompleteBody) -> Any:
    """Complete a job with a result, or move it to the next queue; put its follow-ups.

    All of it is one step. The same report sent again is answered with the problem
    `already-finished`: the first one counts.
    """
    # Its codec writes data and result, and the jids of follow-ups derive from it.
    more = bool({"result", "data", "jobs"} & body.model_fields_set)
    job = held(jid, body.lease, reads=more)
    if body.next_queue is not None:
        caller().require_queue(body.next_queue)
    if body.jobs:
        caller().require("put")
    for one in body.jobs:
        check_put(one.queue, one.klass)
    check_replaced(one.jid for one in body.jobs)
    follow_ups = [jid for one in body.jobs for jid in one.depends or ()]
    check_parents([*(body.depends or ()), *follow_ups])
    specs = [(one, *data_and_options(one)) for one in body.jobs]
    put = [job.put(one.queue, one.klass, data, **options) for one, data, options in specs]
    if "data" in body.model_fields_set:
        job.data = body.data
    state = job.complete(
        body.next_queue,
        delay=body.delay,
        depends=body.depends,
        on_parent_failed=body.on_parent_failed,
        result=body.result,
    )
    return {"jid": jid, "state": state, "jobs": put}


@routes.post(
    "/jobs/<jid>/fail",
    scope="work",
    returns=StateAnswer,
    problems=(*_HELD, "data-too-large"),
)
def fail_job(jid: Name, body: FailBody) -> Any:
    """Report an error: the job fails, or runs again as its retry policy says.

    The policy is that of the job's put (`attempts` or `retry`), else that of its queue.
    """
    job = held(jid, body.lease)
    group = body.group or arguments.text("group", f"{job.klass_name}:{body.error}", _MAX_GROUP)
    match None if body.final else _decided(job, body):
        case Retry() as decided:
            first = body.message.strip().partition("\n")[0]
            call = jobs.retry(
                job,
                decided.delay,
                group,
                body.message,
                error=f"{body.error}: {first}"[:1000],
                tries=decided.tries,
                apart=decided.has_own_budget,
            )
            client().run(call)
        case Snooze() as decided:
            job.snooze(decided.delay)
        case Discard():
            client().run(jobs.discard(job))
        case _:
            job.fail(group, body.message, body.data)
    return {"jid": jid, "state": job.state}


def _decided(job: Job, body: FailBody) -> Any:
    """Return what the retry policy of the job, or else of its queue, says; None for a failure."""
    try:
        policy = job.retry_policy
    except BadArgumentError:  # The stored policy is unreadable: fail the job as if it had none.
        policy = None
    policy = policy or api().policies.of(job.queue_name, client().run)
    reported = _exception(body.error)(body.message)
    return None if policy is None else policy.decide(reported, job.tries, _standard_backoff)


def _standard_backoff(_: str) -> Callable[[int, Any], float]:
    """Replace a function that a policy names: this process runs no code that a job names."""
    return Backoff.exponential().seconds


def _exception(name: str) -> type[Exception]:
    """Return a class by whose name retry policies know an error of another language."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, OSError | ArithmeticError | LookupError):
        return known
    module, _, last = name.rpartition(".")
    return type(last, (Exception,), {"__module__": module or "builtins"})


@routes.post("/jobs/<jid>/retry", scope="work", returns=RetryAnswer, problems=_HELD)
def retry_job(jid: Name, body: RetryBody) -> Any:
    """Return a job to its queue at the cost of a retry; without any left it fails."""
    job = held(jid, body.lease, reads=False)
    left = job.retry(body.delay, body.group, body.message)
    return {"jid": jid, "state": job.state, "retries_left": max(left, 0)}


@routes.post("/jobs/<jid>/release", scope="work", returns=StateAnswer, problems=_HELD)
def release_job(jid: Name, body: LeaseBody) -> Any:
    """Return a job to its queue at no cost, for a worker that stops."""
    return {"jid": jid, "state": held(jid, body.lease, reads=False).release()}


@routes.post("/jobs/<jid>/snooze", scope="work", returns=StateAnswer, problems=_HELD)
def snooze_job(jid: Name, body: SnoozeBody) -> Any:
    """Return a job to its queue for later, at no cost."""
    job = held(jid, body.lease, reads=False)
    due_at = job.snooze(body.delay)
    return {"jid": jid, "state": job.state, "due_at": due_at}


@routes.post("/jobs/<jid>/back-off", scope="work", returns=StateAnswer, problems=_HELD)
def back_off_job(jid: Name, body: BackOffBody) -> Any:
    """Return a job to its queue at no cost, and block its throttles for some seconds."""
    job = held(jid, body.lease, reads=False)
    blocked = job.back_off(body.seconds, body.throttle)
    return {"jid": jid, "state": job.state, "throttles": blocked}


@routes.post("/jobs/<jid>/log", scope="work", problems=_HELD)
def log_job(jid: Name, body: LogBody) -> None:
    """Add a line to the history of a job."""
    held(jid, body.lease, reads=body.data is not None).log(body.message, body.data)


@routes.post("/jobs/<jid>/progress", scope="work", problems=(*_HELD, "data-too-large"))
def set_job_progress(jid: Name, body: ProgressBody) -> None:
    """Store the progress of a job, which readers of the job see."""
    held(jid, body.lease).set_progress(body.progress)


@routes.post("/workers/<worker>/beat", scope="work", returns=BeatAnswer)
def beat_worker(worker: Name, body: BeatBody) -> Any:
    """Report that a worker is alive, and receive the command that waits for it.

    After `quiet` take no more jobs, until `resume`; at `stop` return the jobs and end.
    """
    facts = body.model_dump(exclude={"info"}, exclude_none=True)
    packed = json.dumps({**(body.info or {}), **facts}, separators=(",", ":")).encode()
    if len(packed) > _MAX_INFO:
        raise Problem("invalid", f"body: the facts have more than {_MAX_INFO} bytes of JSON")
    command = client().run(workers.beat(worker, packed))
    return {"command": command or None, "next_beat_in": _NEXT_BEAT}


@routes.delete("/workers/<worker>", scope="work")
def remove_worker(worker: Name) -> Reply:
    """Take a worker off the list; jobs that it holds stay under their leases."""
    client().run(workers.deregister([worker]))
    return Reply(None, 204)
