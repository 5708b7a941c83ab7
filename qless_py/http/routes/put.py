"""Put jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask import request, url_for
from pydantic import Field

from qless_py.client.job import Job
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.handlers.retry import RetryPolicy
from qless_py.http.context import caller, client, may_see, traced
from qless_py.http.fields import (
    Answer,
    Context,
    Costs,
    Count,
    Instant,
    JsonValue,
    Line,
    Model,
    Name,
    Number,
    Positive,
    Seconds,
)
from qless_py.http.idempotency import KEY_HEADER, idempotency_key, idempotent
from qless_py.http.problems import Problem, code_of
from qless_py.http.route import Reply, Routes
from qless_py.protocol import http_requests, instrumentation, puts
from qless_py.protocol.codec import JsonCodec
from qless_py.protocol.jobs import in_pages
from qless_py.protocol.options import JidConflict, ParentPolicy, UniqueConflict, UniqueScope
from qless_py.protocol.puts import PutReply
from qless_py.protocol.records import EncodedJob
from qless_py.protocol.tokens import Token

routes = Routes("put", "Put jobs into queues.")

_MOST: Final = 1000
_PER_CALL: Final = 100
_REFUSALS: Final = (
    "already-exists", "batch-closed", "batch-not-found", "cycle", "data-too-large", "key-reused",
    "store-full",
)  # fmt: skip


class JobBody(Model):
    """A job to put: its klass, its data, and the options of a put."""

    klass: Line = Field(description="The name of the handler.", examples=["app.mail.Send"])
    data: JsonValue = Field(None, description="What the handler gets.")
    jid: Name | None = Field(None, description="The job's id; by default a random one.")
    on_conflict: JidConflict | None = Field(
        None, description="What happens if a job with this jid exists; by default replace it."
    )
    priority: Number | None = Field(None, description="Higher runs first; 0 by default.")
    tags: list[Name] | None = Field(None, max_length=1000)
    delay: Seconds | None = Field(None, description="Seconds before the job may run.")
    at: Instant | None = Field(None, description="When it may run, instead of a delay.")
    attempts: Positive | None = Field(
        None, description="How often a run that fails is repeated, in all."
    )
    retry: dict[str, JsonValue] | None = Field(
        None, description="A retry policy as JSON, instead of attempts."
    )
    retries: Count | None = Field(
        None, description="How often the job may lose its lease; 5 by default."
    )
    depends: list[Name] | None = Field(None, max_length=100, description="Jobs to wait for.")
    on_parent_failed: ParentPolicy | None = None
    unique_key: Name | None = Field(None, description="Allow one live job per key.")
    unique_scope: UniqueScope | None = None
    unique_window: Seconds | None = None
    unique_conflict: UniqueConflict | None = None
    keep: Seconds | None = Field(None, description="For how long the jid is remembered.")
    expires: Seconds | None = Field(None, description="Seconds after which it does not start.")
    soft_limit: Seconds | None = None
    hard_limit: Seconds | None = None
    user: Name | None = Field(None, description="Whose job it is.")
    throttles: list[Name] | Costs | None = Field(
        None, description="Throttle ids, or a map from ids to the tokens that the job takes."
    )
    batch: Name | None = Field(None, description="An open batch to join.")
    context: Context | None = Field(
        None,
        description="What travels with the job apart from its data, at most 1,024 bytes; by "
        "default the traceparent, tracestate and baggage of the request.",
        examples=[{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}],
    )


class QueuedJobBody(JobBody):
    """A job with the queue it is put into."""

    queue: Name | None = Field(None, description="By default the queue of the path.")


class JobsBody(Model):
    """Jobs to put together."""

    jobs: list[QueuedJobBody] = Field(min_length=1, max_length=_MOST)


class PutAnswer(Answer):
    """The jid that holds the work, and whether this request created or replaced the job."""

    jid: str
    created: bool


class PutsAnswer(Answer):
    """The answers in the order of the jobs."""

    jobs: list[PutAnswer]


@routes.post(
    "/queues/<queue>/jobs",
    scope="put",
    returns={201: PutAnswer, 200: PutAnswer},
    problems=_REFUSALS,
    headers=KEY_HEADER,
    links={"GetJob": {"operationId": "get_job", "parameters": {"jid": "$response.body#/jid"}}},
)
def put_job(queue: Name, body: JobBody) -> Reply:
    """Put a job.

    Answers 201 with its place, or 200 with the jid of an existing job that stands for it.
    """
    job = _encoded(queue, body)
    check_replaced([body.jid])
    check_parents(body.depends or ())
    span = None
    if instrumentation.current is not None:
        span = instrumentation.current.send(queue, [job], bulk=False)
    call = puts.put_encoded(queue, job.jid, job.klass, job.data, job.options, span)
    reply = client().run(idempotent(call, 0))
    headers = {"Location": job_url(reply.jid)}
    if idempotency_key() is not None and reply.created and reply.jid != job.jid:
        headers["Idempotency-Replayed"] = "true"
    return Reply(_answer(reply), 201 if reply.created else 200, headers)


@routes.post(
    "/queues/<queue>/jobs/batch",
    scope="put",
    returns={201: PutsAnswer},
    problems=_REFUSALS,
    headers=KEY_HEADER,
)
def put_jobs(queue: Name, body: JobsBody) -> Any:
    """Put up to 1,000 jobs.

    Each hundred is one atomic step, all or none. If a later hundred is refused, those before it
    stay, and the problem says in `put` how many they are; send the same request again with its
    Idempotency-Key to put only what is missing.
    """
    jobs = [(one.queue or queue, _encoded(one.queue or queue, one)) for one in body.jobs]
    check_replaced(one.jid for one in body.jobs)
    check_parents(jid for one in body.jobs for jid in one.depends or ())
    span = puts.send(queue, [job for _, job in jobs], [to for to, _ in jobs])
    calls = [
        puts.put_many_encoded(
            queue,
            [job.as_map(to) for to, job in jobs[start : start + _PER_CALL]],
            [job.data for _, job in jobs[start : start + _PER_CALL]],
            span,
        )
        for start in range(0, len(jobs), _PER_CALL)
    ]
    done: list[PutReply] = []
    for number, call in enumerate(calls):
        try:
            replies: list[PutReply] = client().run(idempotent(call, number))
        except QlessError as error:
            raise Problem(code_of(error), str(error), put=len(done)) from error
        done += replies
    return {"jobs": [_answer(one) for one in done]}


def job_url(jid: str) -> str:
    """Return the path of a job."""
    return url_for(f"{request.blueprint}.get_job", jid=jid)


def _answer(reply: PutReply) -> dict[str, Any]:
    return {"jid": reply.jid, "created": reply.created}


def _encoded(queue: str, body: JobBody) -> EncodedJob:
    check_put(queue, body.klass)
    data, options = data_and_options(body)
    return puts.encode(client().settings, body.klass, data, options)


def data_and_options(body: JobBody) -> tuple[JsonValue, dict[str, Any]]:
    """Return the data and the options of a put; those of an HTTP request are checked first."""
    data, options = body.data, put_options(body)
    if body.klass == http_requests.KLASS:
        data = http_requests.checked(data)
        options["throttles"] = http_requests.with_throttle(data, options.get("throttles"))
    return data, options


def check_put(queue: str, klass: str) -> None:
    """Refuse a job that the caller may not put."""
    caller().require_queue(queue)
    caller().require_klass(klass)


def check_replaced(jids: Iterable[str | None]) -> None:
    """Refuse jids of jobs that a caller who is limited could not put, and so not replace."""
    token = _limited()
    given = [jid for jid in jids if jid is not None]
    if not given or token is None:
        return
    for found in client().jobs.get(given):
        queue = found.queue_name or getattr(found, "last_queue", "")
        if not token.allows("put", queue, found.klass_name):
            raise Problem("forbidden", f"{caller().name} may not put the job {found.jid} again")


def check_parents(jids: Iterable[str]) -> None:
    """Refuse to depend on jobs of other queues: a job with dependents cannot be canceled."""
    if not caller().queues:
        return
    for names in in_pages((list(dict.fromkeys(jids)),)):
        for found in client().jobs.get(names):
            if isinstance(found, Job) and not may_see(found):
                raise JobNotFoundError(f"Job {found.jid} does not exist")


def _limited() -> Token | None:
    """Return the token of a caller that is limited to some queues or klasses."""
    token = caller().token
    return token if token is not None and (token.queues or token.klasses) else None


def put_options(body: JobBody) -> dict[str, Any]:
    """Return the options that a body names, as `Queue.put` takes them. Data is always JSON."""
    if body.unique_conflict == "replace" and _limited() is not None:
        # The job that holds the key may be of any queue and klass.
        raise Problem("forbidden", f"{caller().name} may not replace the job that holds a key")
    rest = {"klass", "data", "queue"}
    options: dict[str, Any] = body.model_dump(exclude=rest, exclude_none=True)
    if "retry" in options:
        options["retry"] = RetryPolicy.of(_policy(options["retry"]))
    return {**traced(options), "codec": JsonCodec.name}


def _policy(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not given:
        raise Problem("invalid", "body retry: the policy is empty")
    return given
