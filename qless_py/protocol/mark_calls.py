"""Make the calls by which anybody marks a job: its priority, tags, tracking and parents."""

from collections.abc import Iterable

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call
from qless_py.protocol import arguments as checks
from qless_py.protocol.job_calls import JobVerbs


def set_priority(job: JobVerbs, value: float) -> Call[None]:
    """Change the priority."""
    call = protocol.jobs.priority(job.jid, checks.finite("priority", value))
    return job.applied(call, lambda reply: job.fields().update(priority=reply)).map(lambda _: None)


def tag(job: JobVerbs, tags: Iterable[str]) -> Call[list[str]]:
    """Add tags."""
    call = protocol.jobs.tag(job.jid, checks.names("tags", tags))
    return job.applied(call, lambda reply: job.fields().update(tags=reply))


def untag(job: JobVerbs, tags: Iterable[str]) -> Call[list[str]]:
    """Remove tags."""
    call = protocol.jobs.untag(job.jid, checks.names("tags", tags))
    return job.applied(call, lambda reply: job.fields().update(tags=reply))


def track(job: JobVerbs) -> Call[None]:
    """Track."""
    return job.applied(protocol.jobs.track(job.jid), lambda _: job.fields().update(tracked=True))


def untrack(job: JobVerbs) -> Call[bool]:
    """Stop tracking."""
    return job.applied(protocol.jobs.untrack(job.jid), lambda _: job.fields().update(tracked=False))


def depend(job: JobVerbs, jids: Iterable[str], on_parent_failed: str | None) -> Call[int]:
    """Add parents."""
    policy = on_parent_failed
    if policy is not None:
        checks.choice("on_parent_failed", policy, checks.PARENT_POLICIES)
    return protocol.jobs.depends_on(job.jid, checks.names("jids", jids), policy)


def undepend(job: JobVerbs, jids: Iterable[str], *, every: bool) -> Call[int]:
    """Remove parents."""
    checked = checks.names("jids", jids)
    if bool(checked) == every:
        raise BadArgumentError("undepend takes either jids or all=True")
    return protocol.jobs.depends_off(job.jid, checked)
