"""Make the calls that put jobs out of what users give; shared by every door that puts."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, JobRecord
from qless_py.protocol import arguments as checks
from qless_py.protocol.codec import Codec, JsonCodec
from qless_py.protocol.settings import Settings


@dataclass(slots=True)
class Put:
    """One job that is ready to be put."""

    jid: str
    klass: str
    data: bytes
    options: dict[str, Any] = field(default_factory=dict)

    def as_map(self, queue: str | None = None) -> dict[str, Any]:
        """Give the map that stands for this job in a call that carries several."""
        more = {} if queue is None else {"queue": queue}
        return {"jid": self.jid, "klass": self.klass, **more, **self.options}


def new_jid() -> str:
    """Give an id that nothing else has."""
    return secrets.token_hex(16)


def prepare(
    settings: Settings, klass: Any, data: Any, options: Mapping[str, Any], jid: str | None = None
) -> Put:
    """Check and encode one job. What the class wants by default is overridden by the call."""
    given = {name: value for name, value in options.items() if value is not None}
    merged = {**checks.defaults(klass, data), **given}
    own = merged.get("jid")
    chosen = jid if own is None else checks.name("jid", own)
    codec = codec_of(settings, merged.get("codec"))
    made = chosen or new_jid()
    if merged.get("unique_conflict") == "replace" and hasattr(codec, "fingerprint"):
        raise BadArgumentError("data bound to its jid cannot replace the data of another job")
    wire = checks.put_options(merged)
    if codec.name != JsonCodec.name:
        wire["codec"] = codec.name
    if own is not None:
        wire["worker"] = settings.worker_name  # so that a job taken from somebody else warns him
    return Put(made, checks.klass_name(klass), codec.encode(data, made), wire)


def codec_of(settings: Settings, name: Any) -> Codec:
    """Give the codec to write with: the one named, else the client's."""
    if name is None:
        return settings.codec
    return settings.codecs[checks.choice("codec", name, settings.codecs)]


def put(
    settings: Settings, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Make the call that puts one job and gives the jid which holds the work."""
    one = prepare(settings, klass, data, options)
    return protocol.jobs.put(queue, one.jid, one.klass, one.data, one.options).map(
        lambda reply: reply.jid
    )


def put_many(settings: Settings, queue: str, specs: Iterable[Mapping[str, Any]]) -> Call[list[str]]:
    """Make the call that puts up to 100 jobs, all or none, and gives their jids."""
    puts, maps = prepare_many(settings, specs)
    call = protocol.jobs.put_many(queue, maps, [one.data for one in puts])
    return call.map(lambda replies: [reply.jid for reply in replies])


def prepare_many(
    settings: Settings, specs: Iterable[Mapping[str, Any]]
) -> tuple[list[Put], list[dict[str, Any]]]:
    """Check and encode the jobs of one call."""
    puts: list[Put] = []
    maps: list[dict[str, Any]] = []
    for spec in listed(specs):
        klass, data, queue, options = split(spec)
        one = prepare(settings, klass, data, options)
        puts.append(one)
        maps.append(one.as_map(queue))
    check_number(len(puts))
    return puts, maps


def listed(specs: Any) -> Iterable[Any]:
    """Check that the jobs of a call can be gone through one by one."""
    if isinstance(specs, str | bytes | Mapping) or not isinstance(specs, Iterable):
        raise BadArgumentError(f"{specs!r} is not a list of jobs")
    return specs


def in_batch(specs: Any, batch: str) -> list[Any]:
    """Give jobs with the batch that they are to join; what is no job is refused later."""
    return [
        {**spec, "batch": batch} if isinstance(spec, Mapping) else spec for spec in listed(specs)
    ]


def check_number(number: int) -> None:
    """Refuse to put more jobs at once than one call may."""
    if not 1 <= number <= checks.MOST_AT_ONCE:
        raise BadArgumentError(f"one call puts 1 to {checks.MOST_AT_ONCE} jobs, not {number}")


def split(spec: Any) -> tuple[Any, Any, str | None, dict[str, Any]]:
    """Take a job's klass, data and queue out of its options."""
    if not isinstance(spec, Mapping) or "klass" not in spec:
        raise BadArgumentError(f"{spec!r} is not a mapping with a klass")
    queue = spec.get("queue")
    rest = {name: spec[name] for name in spec if name not in ("klass", "data", "queue")}
    named = None if queue is None else checks.name("queue", queue)
    return spec["klass"], spec.get("data"), named, rest


def derived_jid(parent: str, generation: int, content: bytes, ordinal: int) -> str:
    """Give the id that this piece of work of this put of its parent has, whoever runs it again."""
    head = f"{parent}\0{generation}\0{ordinal}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def content(
    settings: Settings, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> bytes:
    """Give what tells one piece of work from another: the same bytes each time it is described."""
    codec = codec_of(settings, options.get("codec"))
    # A codec that never writes the same bytes twice has a fingerprint beside.
    same = getattr(codec, "fingerprint", codec.encode)(data, "content")
    rest = repr(sorted((name, repr(value)) for name, value in options.items()))
    return b"\0".join((queue.encode(), checks.klass_name(klass).encode(), rest.encode(), same))


_BUILT: Final[Mapping[str, str]] = {
    "batch_name": "batch",
    "costs": "costs",
    "crashes": "crashes",
    "gate": "gate",
    "generation": "generation",
    "lease": "lease",
    "original_retries": "retries",
    "priority": "priority",
    "queue_name": "queue",
    "retries_left": "left",
    "spawned_from": "spawned_from",
    "stalls": "stalls",
    "state": "state",
    "tags": "tags",
    "throttles": "throttles",
    "tracked": "tracked",
    "user": "user",
    "worker_name": "worker",
}


def built(settings: Settings, klass: Any, data: Any, fields: Mapping[str, Any]) -> JobRecord:
    """Make the record of a job that is in no store, as a handler would see it while it runs."""
    rest = dict(fields)
    jid = checks.name("jid", rest.pop("jid", None) or new_jid())
    codec = codec_of(settings, rest.pop("codec", None))
    expires_at = checks.instant("expires_at", rest.pop("expires_at", settings.clock() + 60))
    wanted = checks.defaults(klass, data)
    stored: dict[str, Any] = {
        "klass": checks.klass_name(klass),
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
    record.dependencies = checks.names("dependencies", rest.pop("dependencies", ()), None)
    record.dependents = checks.names("dependents", rest.pop("dependents", ()), None)
    record.result = None if result is None else codec.encode(result, jid)
    record.progress = None if progress is None else codec.encode(progress, jid)
    unknown = rest.keys() - _BUILT.keys()
    if unknown:
        raise BadArgumentError(f"a job has no {', '.join(sorted(unknown))}")
    stored.update({_BUILT[name]: value for name, value in rest.items()})
    return record
