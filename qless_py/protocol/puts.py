"""Put jobs: check and encode what users pass, for every object that puts."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError, WrongStateError
from qless_py.protocol import arguments, http_requests, instrumentation
from qless_py.protocol.call import Call, CallSpan, pack, unpack
from qless_py.protocol.codec import Codec, JsonCodec
from qless_py.protocol.codec import encode as codec_bytes
from qless_py.protocol.job_state import JobState
from qless_py.protocol.records import EncodedJob, JobRecord
from qless_py.protocol.settings import Settings

_FEWEST_TOGETHER: Final = 2
_LONGEST_TOGETHER: Final = 4096  # Bytes of data, so that one call does not hold up the server.


@dataclass(frozen=True, slots=True)
class PutReply:
    """The jid that holds the work now, and whether this call created it."""

    jid: str
    created: bool


def put_reply(pair: Sequence[Any]) -> PutReply:
    """Decode the answer to one put."""
    return PutReply(str(pair[0]), bool(pair[1]))


def _put_reply(reply: bytes | None) -> PutReply:
    return put_reply(unpack(reply))


def put_replies(reply: bytes | None) -> list[PutReply]:
    """Read the reply of a script that puts several jobs."""
    return [put_reply(pair) for pair in unpack(reply)]


def _jid(reply: bytes | None) -> str:
    return str(unpack(reply)[0])


def _jids(reply: bytes | None) -> list[str]:
    return [str(pair[0]) for pair in unpack(reply)]


def put(
    settings: Settings, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Put one job; returns the jid that holds the work."""
    job = encode(settings, klass, data, options)
    name = arguments.name("queue", queue)
    span = None
    if instrumentation.current is not None:
        span = instrumentation.current.send(name, [job], bulk=False)
    args = (name, job.jid, job.klass, job.data, pack(job.options))
    return Call("put", args, _jid, span=span)


def put_http(settings: Settings, queue: str, url: Any, options: Mapping[str, Any]) -> Call[str]:
    """Put a job that is an HTTP request; returns the jid that holds the work."""
    data, rest = http_requests.split(url, options)
    return put(settings, queue, http_requests.KLASS, data, rest)


def put_many(settings: Settings, queue: str, specs: Iterable[Mapping[str, Any]]) -> Call[list[str]]:
    """Put 1 to 100 jobs, all or none; returns their jids."""
    jobs, queues = encode_many(settings, specs)
    check_number(len(jobs))
    (call,) = _calls(arguments.name("queue", queue), jobs, queues)
    return call


def put_all(
    settings: Settings, queue: str, specs: Iterable[Mapping[str, Any]]
) -> list[Call[list[str]]]:
    """Put any number of jobs, in calls of 100; nothing is sent before all were checked."""
    jobs, queues = encode_many(settings, specs)
    return _calls(arguments.name("queue", queue), jobs, queues)


def put_anywhere(settings: Settings, specs: Iterable[Mapping[str, Any]]) -> list[Call[list[str]]]:
    """Put any number of jobs into the queues that they name, in calls of 100."""
    jobs, queues = encode_many(settings, specs)
    for number, one in enumerate(queues, 1):
        if one is None:
            raise BadArgumentError(f"job {number} of {len(queues)} names no queue")
    return _calls(str(queues[0]), jobs, queues) if queues else []


def _calls(
    queue: str, jobs: Sequence[EncodedJob], queues: Sequence[str | None]
) -> list[Call[list[str]]]:
    span = send(queue, jobs, queues)
    maps = [job.as_map(own) for job, own in zip(jobs, queues, strict=True)]
    return in_calls(queue, maps, [one.data for one in jobs], span)


def send(queue: str, jobs: Sequence[EncodedJob], queues: Sequence[str | None]) -> CallSpan | None:
    """Begin the span of a put of several jobs, if they are traced."""
    if instrumentation.current is None or not jobs:
        return None
    others = {one for one in queues if one is not None and one != queue}
    return instrumentation.current.send("" if others else queue, jobs, bulk=True)


def in_calls(
    queue: str,
    maps: Sequence[Mapping[str, Any]],
    data: Sequence[bytes],
    span: CallSpan | None = None,
) -> list[Call[list[str]]]:
    """Return the calls that put encoded jobs, 100 each."""
    arguments.name("queue", queue)
    most = arguments.MAX_PER_CALL
    return [
        _put_many(queue, maps[at : at + most], data[at : at + most], span)
        for at in range(0, len(maps), most)
    ]


def _put_many(
    queue: str, maps: Sequence[Mapping[str, Any]], data: Sequence[bytes], span: CallSpan | None
) -> Call[list[str]]:
    return Call("put_many", (queue, pack(maps), *data), _jids, span=span)


def add_note_of_put(error: BaseException, done: int) -> None:
    """Add to an error of one of several calls how many jobs the calls before it have put."""
    if done:
        error.add_note(f"the first {done} jobs were put before this error")


def put_encoded(  # noqa: PLR0913, PLR0917 - the arguments of the script
    queue: str,
    jid: str,
    klass: str,
    data: bytes,
    options: Mapping[str, Any],
    span: CallSpan | None = None,
) -> Call[PutReply]:
    """Put a job that is encoded already; the options are those of the script, times in ms."""
    return Call("put", (queue, jid, klass, data, pack(options)), _put_reply, span=span)


def put_many_encoded(
    queue: str,
    jobs: Sequence[Mapping[str, Any]],
    data: Sequence[bytes],
    span: CallSpan | None = None,
) -> Call[list[PutReply]]:
    """Put up to 100 encoded jobs, all or none; each map has jid, klass and the options of a put."""
    return Call("put_many", (queue, pack(jobs), *data), put_replies, span=span)


def together(calls: Sequence[Call[Any]]) -> Call[list[bytes]] | None:
    """Return one call in place of several plain puts, with what would have replied to each.

    They take effect all or none. None if there is just one, or if any of them is another call, has
    options or long data, keeps a request id, or is traced.
    """
    if len(calls) < _FEWEST_TOGETHER or not all(map(_is_plain, calls)):
        return None
    rows = [one.args for one in calls]
    maps = [{"queue": queue, "jid": jid, "klass": klass} for queue, jid, klass, _, _ in rows]
    data = [one for *_, one, _ in rows]
    return Call("put_many", (rows[0][0], pack(maps), *data), _replies)


def _is_plain(call: Call[Any]) -> bool:
    if call.script != "put" or call.request or call.span is not None:
        return False
    *_, data, options = call.args
    return options == b"" and isinstance(data, bytes) and len(data) <= _LONGEST_TOGETHER


def _replies(reply: bytes | None) -> list[bytes]:
    return [pack(pair) for pair in unpack(reply)]


def requeue_encoded(
    queue: str, jid: str, klass: str, data: bytes, options: Mapping[str, Any]
) -> Call[PutReply]:
    """Put a job that must exist; an empty klass or data keeps the present one."""
    return Call("requeue", (queue, jid, klass, data, pack(options)), _put_reply)


def requeue(
    job: JobState, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Put a job again; what is not given stays."""
    wire = {**arguments.put_options(options), "worker": job.settings.worker_name}
    sent = job.data_to_send(data)
    if sent and job.codec_name != JsonCodec.name:
        wire["codec"] = job.codec_name
    named = "" if klass is None else arguments.klass_name(klass)
    args = (arguments.name("queue", queue), job.jid, named, sent, pack(wire))

    later = wire.get("delay", 0) > 0 or wire.get("at", 0) > job.settings.clock() * 1000

    def change(_: str) -> None:
        job.fields["queue"] = queue
        if wire.get("depends") or job.state == "depends":
            job.set_state("depends")
        else:
            job.set_state("scheduled" if later else "waiting")

    return job.updated_by(Call("requeue", args, _jid), change, sent)


def new_jid() -> str:
    """Return a random jid."""
    return secrets.token_hex(16)


def encode(
    settings: Settings, klass: Any, data: Any, options: Mapping[str, Any], jid: str | None = None
) -> EncodedJob:
    """Check and encode one job. Options of the call override the defaults of the class."""
    merged = arguments.merged(arguments.defaults(klass, data), options)
    own = merged.get("jid")
    chosen = (jid if own is None else arguments.name("jid", own)) or new_jid()
    codec = codec_of(settings, merged.get("codec"))
    if merged.get("unique_conflict") == "replace" and hasattr(codec, "fingerprint"):
        raise BadArgumentError("data bound to its jid cannot replace the data of another job")
    wire = arguments.put_options(merged)
    if codec.name != JsonCodec.name:
        wire["codec"] = codec.name
    if own is not None:
        # If the put takes the job from another worker, the store warns that worker, not this one.
        wire["worker"] = settings.worker_name
    return EncodedJob(chosen, arguments.klass_name(klass), codec.encode(data, chosen), wire)


def codec_of(settings: Settings, name: Any) -> Codec:
    """Return the codec to write with: the one named, else the client's."""
    if name is None:
        return settings.codec
    return settings.codecs[arguments.choice("codec", name, settings.codecs)]


def encode_many(
    settings: Settings, specs: Iterable[Mapping[str, Any]]
) -> tuple[list[EncodedJob], list[str | None]]:
    """Check and encode jobs; returns them, and the queues that they name."""
    jobs: list[EncodedJob] = []
    queues: list[str | None] = []
    for spec in listed(specs):
        klass, data, queue, options = split(spec)
        jobs.append(encode(settings, klass, data, options))
        queues.append(queue)
    return jobs, queues


def listed(specs: Any) -> Iterable[Any]:
    """Return the jobs of a call, which must be an iterable."""
    if isinstance(specs, str | bytes | Mapping) or not isinstance(specs, Iterable):
        raise BadArgumentError(f"{specs!r} is not a list of jobs")
    return specs


def in_batch(specs: Any, batch: str) -> list[Any]:
    """Return the jobs with the batch they are to join; `split` refuses what is no job later."""
    return [
        with_batch(spec, batch) if isinstance(spec, Mapping) else spec for spec in listed(specs)
    ]


def with_batch(options: Mapping[str, Any], batch: str) -> dict[str, Any]:
    """Return the options of a job that is put into a batch, and may name that one only."""
    other = options.get("batch")
    if other is not None and other != batch:
        raise BadArgumentError(f"batch {other!r} of the job is not {batch!r}, which it is put into")
    return {**options, "batch": batch}


def check_number(number: int) -> None:
    """Refuse more jobs than one call may put."""
    if not 1 <= number <= arguments.MAX_PER_CALL:
        raise BadArgumentError(f"one call puts 1 to {arguments.MAX_PER_CALL} jobs, not {number}")


def split(spec: Any) -> tuple[Any, Any, str | None, dict[str, Any]]:
    """Return a job's klass, data, queue and other options."""
    if not isinstance(spec, Mapping) or "klass" not in spec:
        raise BadArgumentError(f"{spec!r} is not a mapping with a klass")
    queue = spec.get("queue")
    rest = {name: spec[name] for name in spec if name not in ("klass", "data", "queue")}
    named = None if queue is None else arguments.name("queue", queue)
    return spec["klass"], spec.get("data"), named, rest


def derive(
    job: JobState, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> EncodedJob:
    """Encode a job that a running job puts, with a jid derived from that job and the content.

    The same put of the running job derives the same jids however often it runs, so a second run
    puts nothing twice.
    """
    content = _content(job.settings, queue, klass, data, options)
    jid = derived_jid(job, content, job.derived[content])
    encoded = encode(job.settings, klass, data, options, jid)
    job.derived[content] += 1
    return encoded


def follow_up(job: JobState, queue: str, klass: Any, data: Any, options: Mapping[str, Any]) -> str:
    """Add a job to be put when this one completes; returns the jid it will have."""
    if job.state != "running":
        raise WrongStateError(
            f"job {job.jid} is {job.state}: only a running job can put follow-ups, before it is "
            "completed, failed or returned"
        )
    arguments.name("queue", queue)
    if len(job.follow_ups) >= arguments.MAX_PER_CALL:
        raise BadArgumentError(
            f"a job puts at most {arguments.MAX_PER_CALL} jobs as it completes; "
            "more go into an open batch"
        )
    derived = derive(job, queue, klass, data, options)
    if instrumentation.current is not None:
        instrumentation.current.create(queue, [derived])
    job.follow_ups.append((queue, derived))
    return derived.jid


def derived_jid(job: JobState, content: bytes, ordinal: int) -> str:
    """Return the jid of a piece of work of this put of a job: the same in every run of it."""
    head = f"{job.jid}\0{job.generation}\0{ordinal}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _content(
    settings: Settings, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> bytes:
    """Return bytes that identify a piece of work and are the same each time."""
    codec = codec_of(settings, options.get("codec"))
    # A codec that never encodes to the same bytes twice has a fingerprint instead.
    same = getattr(codec, "fingerprint", codec.encode)(data, "content")
    # The context of a run is no part of its work: the next run has another one.
    given = ((name, repr(value)) for name, value in options.items() if name != "context")
    rest = repr(sorted(given))
    return b"\0".join((queue.encode(), arguments.klass_name(klass).encode(), rest.encode(), same))


_BUILDABLE: Final[Mapping[str, str]] = {
    **{
        name: getattr(JobState, name).key
        for name in (
            "batch_name", "context", "crashes", "gate", "generation", "lease", "original_retries",
            "queue_name", "spawned_from", "stalls", "state", "tags", "throttles", "tracked", "user",
            "worker_name",
        )
    },
    "costs": "costs",
    "priority": "priority",
    "retries_left": "left",
}  # fmt: skip


def build(settings: Settings, klass: Any, data: Any, fields: Mapping[str, Any]) -> JobRecord:
    """Return the record of a job that is in no store, as a handler would see it while it runs."""
    rest = dict(fields)
    jid = arguments.name("jid", rest.pop("jid", None) or new_jid())
    codec = codec_of(settings, rest.pop("codec", None))
    expires_at = arguments.instant("expires_at", rest.pop("expires_at", settings.clock() + 60))
    wanted = arguments.defaults(klass, data)
    stored: dict[str, Any] = {
        "klass": arguments.klass_name(klass),
        "queue": "mock",
        "state": "running",
        "worker": settings.worker_name,
        "codec": codec.name,
        "retries": wanted.get("retries", 5),
        "priority": wanted.get("priority", 0),
        "tags": list(wanted.get("tags", ())),
    }
    result, progress = rest.pop("result", None), rest.pop("progress", None)
    record = JobRecord(jid, stored, codec.encode(data, jid), expires_at)
    record.failure = dict(rest.pop("failure", {}))
    record.dependencies = arguments.names("dependencies", rest.pop("dependencies", ()), None)
    record.dependents = arguments.names("dependents", rest.pop("dependents", ()), None)
    record.result = None if result is None else codec_bytes(codec, result, jid, "result")
    record.progress = None if progress is None else codec_bytes(codec, progress, jid, "progress")
    unknown = rest.keys() - _BUILDABLE.keys()
    if unknown:
        raise BadArgumentError(f"a job has no {', '.join(sorted(unknown))}")
    stored.update({_BUILDABLE[name]: value for name, value in rest.items()})
    return record
