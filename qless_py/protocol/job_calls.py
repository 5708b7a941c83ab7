"""Make the calls of a job's verbs, and have their replies change what the job says of itself.

The synchronous and the asyncio job, and pipelines, differ only in how they send these calls.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, JobRecord
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.job_fields import JobAttributes
from qless_py.protocol.jobs import CompleteReply
from qless_py.protocol.put_calls import Put
from qless_py.protocol.settings import Settings

T = TypeVar("T")

LONGEST_MESSAGE = 65536


class JobVerbs(JobAttributes):
    """A job with the jobs that it will put when it completes."""

    def __init__(self, settings: Settings, record: JobRecord) -> None:
        super().__init__(settings, record)
        self.follow_ups: list[tuple[str, Put]] = []
        self._ordinals: Counter[bytes] = Counter()
        self._batches = 0

    @property
    def reach(self) -> Any:
        """How the job reaches its store: the session of the one or the other client."""
        raise NotImplementedError

    def hold_back(self, queue: str, klass: Any, data: Any, options: Mapping[str, Any]) -> str:
        """Keep a job back until this one completes; give the jid that it will have.

        The jid is always the same for the same work of the same put of this job, so that a job
        that is run a second time puts nothing twice.
        """
        checks.name("queue", queue)
        if len(self.follow_ups) >= checks.MOST_AT_ONCE:
            raise BadArgumentError(
                f"a job puts at most {checks.MOST_AT_ONCE} jobs as it completes; "
                "more go into an open batch"
            )
        one = self.derive(queue, klass, data, options)
        self.follow_ups.append((queue, one))
        return one.jid

    def derive(self, queue: str, klass: Any, data: Any, options: Mapping[str, Any]) -> Put:
        """Make a job on behalf of this one, with a jid derived from both."""
        content = puts.content(self._settings, queue, klass, data, options)
        ordinal = self._ordinals[content]
        jid = puts.derived_jid(self.jid, self.generation, content, ordinal)
        one = puts.prepare(self._settings, klass, data, options, jid)
        self._ordinals[content] += 1
        return one

    def next_batch_name(self) -> str:
        """Give the name of the next batch that this put of the job opens."""
        self._batches += 1
        return puts.derived_jid(self.jid, self.generation, b"batch", self._batches)

    def applied(self, call: Call[T], change: Callable[[T], None], sent: bytes = b"") -> Call[T]:
        """Give the call that, once answered, also changes this job."""

        def note(reply: T) -> T:
            if sent:
                self._record.data = sent
            change(reply)
            return reply

        return call.map(note)

    def noted(self, state: str) -> None:
        """Take a state that a transition led to; leases do not outlive the running state."""
        self._record.fields["state"] = state
        self._record.expires_at = 0

    def gave(self, result: bytes) -> None:
        """Take the result that the job was completed with, if any."""
        if result:
            self._record.result = result

    def renewed(self, expires_at: int) -> None:
        """Take the end of a renewed lease."""
        self._record.expires_at = expires_at

    def fields(self) -> dict[str, Any]:
        """Give the stored fields, to be changed by what a transition replied."""
        return self._record.fields

    def worker_asking(self) -> str:
        """Give the name of this process, which needs no warning of what it does itself."""
        return self._settings.worker_name

    def to_send(self, data: Any) -> bytes:
        """Take new data, if any, and give the bytes that the store does not have yet."""
        if data is not None:
            self._set_value(data)
        return self._changed_data()

    def encode(self, value: Any) -> bytes:
        """Write a result or progress with the codec of this job's data; nothing for `None`."""
        return b"" if value is None else self.write(value)

    def decode_result(self, codec: str, jid: str, result: bytes) -> Any:
        """Read a result of another job, written with that codec."""
        return self._settings.codec_named(codec).decode(result, jid)

    def write(self, value: Any) -> bytes:
        """Write anything, `None` too, with the codec of this job's data."""
        return self._settings.codec_named(self.codec_name).encode(value, self.jid)


def heartbeat(job: JobVerbs, data: Any) -> Call[float]:
    """Renew the lease."""
    sent = job.to_send(data)
    call = protocol.jobs.heartbeat(job.jid, job.lease, sent)
    return job.applied(call, job.renewed, sent).map(lambda at: at / 1000)


def complete(  # noqa: PLR0913, PLR0917 - what a completion may carry
    job: JobVerbs,
    next_queue: str | None = None,
    delay: checks.Seconds | None = None,
    depends: Iterable[str] | None = None,
    on_parent_failed: str | None = None,
    result: Any = None,
) -> Call[str]:
    """Complete or advance, together with all that was held back."""
    options = {"delay": delay, "depends": depends, "on_parent_failed": on_parent_failed}
    sent, given = job.to_send(None), job.encode(result)
    call = protocol.jobs.complete(
        job.jid,
        job.lease,
        data=sent,
        result=given,
        advance=_advance(next_queue, options),
        jobs=[one.as_map(queue) for queue, one in job.follow_ups],
        jobs_data=[one.data for _, one in job.follow_ups],
    )

    def change(reply: CompleteReply) -> None:
        job.noted(reply.state)
        job.gave(given)
        job.follow_ups.clear()

    return job.applied(call, change, sent).map(lambda reply: reply.state)


def finish(job: JobVerbs, result: Any) -> Call[Any]:
    """Complete, for whom nobody looks at the job any more: the quick way of most jobs."""
    if job.follow_ups:
        return complete(job, result=result)
    sent, given = job.to_send(None), job.encode(result)
    return protocol.jobs.complete(job.jid, job.lease, data=sent, result=given)


def _advance(queue: str | None, options: Mapping[str, Any]) -> dict[str, Any] | None:
    checked = checks.put_options(options)
    if queue is not None:
        return {"queue": checks.name("queue", queue), **checked}
    if checked:
        raise BadArgumentError(f"{', '.join(checked)}: only for a job that goes on in a next_queue")
    return None


def fail(job: JobVerbs, group: str, message: str, data: Any) -> Call[str]:
    """Fail."""
    sent = job.to_send(data)
    call = protocol.jobs.fail(
        job.jid,
        job.lease,
        checks.line("group", group),
        checks.text("message", message, LONGEST_MESSAGE),
        sent,
    )
    return job.applied(call, lambda _: job.noted("failed"), sent)


def retry(  # noqa: PLR0913 - what there is to say of a retry
    job: JobVerbs,
    delay: checks.Seconds,
    group: str | None,
    message: str | None,
    *,
    tries: str | None = None,
    apart: bool = False,
) -> Call[int]:
    """Give back at the cost of a retry, or at that of a policy which counts `apart`."""
    span = checks.span("delay", delay)
    if (group is None) != (message is None):
        raise BadArgumentError("group and message go together")
    if group is not None:
        group = checks.line("group", group)
        message = checks.text("message", message, LONGEST_MESSAGE)

    def change(left: int) -> None:
        job.fields()["left"] = left
        job.noted("failed" if left < 0 else "scheduled" if span else "waiting")

    counted: dict[str, Any] = {} if tries is None else {"tries": tries, "apart": apart}
    call = protocol.jobs.retry(job.jid, job.lease, span, group, message, **counted)
    return job.applied(call, change)


def release(job: JobVerbs) -> Call[str]:
    """Give back at no cost."""
    return job.applied(protocol.jobs.release(job.jid, job.lease), job.noted)


def snooze(job: JobVerbs, delay: checks.Seconds) -> Call[float]:
    """Give back until later at no cost."""
    call = protocol.jobs.snooze(job.jid, job.lease, checks.span("delay", delay, 0.001))
    return job.applied(call, lambda _: job.noted("scheduled")).map(lambda at: at / 1000)


def back_off(job: JobVerbs, seconds: checks.Seconds, throttle: str | None) -> Call[list[str]]:
    """Give back at no cost, and let nothing like it start for so long."""
    chosen = "" if throttle is None else checks.throttle_id("throttle", throttle)
    span = max(checks.span("seconds", seconds), 1)
    call = protocol.jobs.back_off(job.jid, job.lease, span, chosen)
    return job.applied(call, lambda _: job.noted("waiting"))


def timeout(job: JobVerbs) -> Call[None]:
    """Take the lease away from whoever holds it."""
    call = protocol.jobs.timeout([job.jid])
    return job.applied(call, lambda _: job.noted("stalled")).map(lambda _: None)


def force_finish(job: JobVerbs, result: Any) -> Call[str]:
    """Complete in whatever state."""
    given = job.encode(result)

    def change(state: str) -> None:
        job.noted(state)
        job.gave(given)

    return job.applied(protocol.jobs.force_finish(job.jid, given), change)


def requeue(
    job: JobVerbs, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Put the same job again, keeping what is not given."""
    wire = {**checks.put_options(options), "worker": job.worker_asking()}
    sent = job.to_send(data)
    if sent and job.codec_name != "json":
        wire["codec"] = job.codec_name
    call = protocol.jobs.requeue(
        checks.name("queue", queue),
        job.jid,
        "" if klass is None else checks.klass_name(klass),
        sent,
        wire,
    )

    def change(_: Any) -> None:
        job.fields()["queue"] = queue
        if wire.get("depends") or job.state == "depends":
            job.noted("depends")
        else:
            job.noted("scheduled" if wire.get("delay") else "waiting")

    return job.applied(call, change, sent).map(lambda reply: reply.jid)


def cancel(job: JobVerbs) -> Call[list[str]]:
    """Delete."""
    return job.applied(protocol.jobs.cancel([job.jid]), lambda _: None)


def discard(job: JobVerbs) -> Call[str]:
    """Delete the job that this hand-out holds."""
    return job.applied(protocol.jobs.discard(job.jid, job.lease), lambda _: job.noted("canceled"))


def log(job: JobVerbs, what: str, data: Any) -> Call[None]:
    """Add to the history."""
    lease = job.lease if job.state == "running" else ""
    return protocol.jobs.log(job.jid, lease, checks.line("what", what), job.encode(data))


def set_progress(job: JobVerbs, value: Any) -> Call[None]:
    """Say how far the job is."""
    return protocol.jobs.progress(job.jid, job.lease, job.write(value))


def in_hundreds(jids: list[str]) -> list[list[str]]:
    """Split jids into what one call may ask for."""
    step = checks.MOST_AT_ONCE
    return [jids[start : start + step] for start in range(0, len(jids), step)]


def results(job: JobVerbs, pages: Iterable[Iterable[tuple[str, str, bytes]]]) -> dict[str, Any]:
    """Give the results of a job's parents, each decoded with the codec it was written with."""
    given: dict[str, Any] = dict.fromkeys(job.parents)
    for jid, codec, result in (one for page in pages for one in page):
        given[jid] = job.decode_result(codec, jid, result)
    return given
