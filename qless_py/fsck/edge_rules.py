"""Rules about what binds jobs together: dependencies, held results, pending releases."""

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import is_name, raw_bytes, text
from qless_py.fsck.reader import Rule
from qless_py.fsck.space import Space, is_there, judged


def dependency(space: Space, jid: str, entry: bytes) -> Rule:
    """Check one parent that a job waits for: it must know of the job, or its end be on the way."""
    parent = text(entry)
    waits, back, edge = yield [
        ("SISMEMBER", space.key("dependencies:*", jid), entry),
        ("ZSCORE", space.key("dependents:*", parent), raw_bytes(jid)),
        ("HGET", space.key("parents:*", jid), entry),
    ]
    shown = space.shown("dependencies:*", jid)
    if not waits:
        return []
    if edge is None:
        return [Finding("edge", shown, f"{parent} is not among the parents", jid, entry)]
    if back is not None or (yield from _being_released(space, jid, parent, edge)):
        return []
    return [Finding("edge", shown, f"{parent} does not know that it waits", jid, entry)]


def _being_released(space: Space, jid: str, parent: str, edge: bytes) -> Rule:
    """Report, as a finding that the caller drops, that a release will take this edge away."""
    _, _, made = text(edge).partition(":")
    for token in (yield from space.releases_of(parent)):
        (listed,) = yield [("ZSCORE", space.key("release:*:dependents", token), raw_bytes(jid))]
        if listed is not None and made.isdigit() and int(made) < int(token):
            return [Finding("released", "", "")]
    return []


def dependencies(space: Space, jid: str) -> Rule:
    """Check that a job with parents to wait for is one that waits."""
    record = yield from space.job(jid)
    exists = yield [("EXISTS", space.key("dependencies:*", jid))]
    if exists == [0] or (record is not None and record.state in ("depends", "failed")):
        return []
    detail = "only a job in depends, or one that failed there, waits for parents"
    return [Finding("edge", space.shown("dependencies:*", jid), detail, jid)]


def dependent(space: Space, parent: str, entry: bytes) -> Rule:
    """Check one dependent of a job: it must wait for the job, with the policy that is noted."""
    jid = text(entry)
    score, waits, edge = yield [
        ("ZSCORE", space.key("dependents:*", parent), entry),
        ("SISMEMBER", space.key("dependencies:*", jid), raw_bytes(parent)),
        ("HGET", space.key("parents:*", jid), raw_bytes(parent)),
    ]
    shown = space.shown("dependents:*", parent)
    if score is None:
        return []
    if not waits:
        return [Finding("edge", shown, "it does not wait for this parent", jid, raw_bytes(parent))]
    policy = text(edge or b"").partition(":")[0]
    if edge is not None and score != (0 if policy == "wait" else 1):
        return [Finding("edge", shown, f"score {score}, policy {policy}", jid, raw_bytes(parent))]
    return []


def dependents(space: Space, parent: str) -> Rule:
    """Check that whoever has dependents is going to end."""
    record = yield from space.job(parent)
    exists = yield [("EXISTS", space.key("dependents:*", parent))]
    if exists == [0] or (record is not None and record.state != "complete"):
        return []
    detail = "jobs wait for a job that has ended"
    return [Finding("ended-parent", space.shown("dependents:*", parent), detail, parent)]


def parent(space: Space, jid: str, entry: bytes) -> Rule:
    """Check the form of one parent of a job."""
    (edge,) = yield [("HGET", space.key("parents:*", jid), entry)]
    policy, _, made = text(edge or b"").partition(":")
    if edge is None or (policy in ("wait", "cancel", "fail", "run") and made.isdigit()):
        return []
    detail = f"{text(entry)}: {edge!r} is not policy:sequence"
    return [Finding("malformed", space.shown("parents:*", jid), detail, jid)]


def hold(space: Space, parent: str, entry: bytes) -> Rule:
    """Check one reason to keep a result: a dependent that has the job as parent, or a release."""
    holder = text(entry)
    if holder.startswith("release:"):
        token = holder.removeprefix("release:")
        (reason,) = yield [("EXISTS", space.key("release:*:record", token))]
    else:
        (reason,) = yield [("HEXISTS", space.key("parents:*", holder), raw_bytes(parent))]
    (held,) = yield [("SISMEMBER", space.key("holds:*", parent), entry)]
    if reason or not held:
        return []
    detail = f"{holder} does not need the result any more"
    return [Finding("hold", space.shown("holds:*", parent), detail, parent, entry)]


def release(space: Space, token: str) -> Rule:
    """Check a pending release: readable, listed, and somebody will look."""
    value, listed, due = yield [
        ("GET", space.key("release:*:record", token)),
        ("ZSCORE", space.key("releases"), raw_bytes(token)),
        ("ZSCORE", space.key("due"), b"releases"),
    ]
    shown = space.shown("release:*:record", token)
    if value is None:
        return []
    try:
        record = records.packed_map(value)
    except records.UnreadableError as error:
        return [Finding("unreadable", shown, str(error))]
    if not token.isdigit() or record.get("reason") not in (
        "complete",
        "canceled",
        "failed",
        "batch",
    ):
        return [Finding("malformed", shown, "not a release that can be carried out")]
    found = []
    if listed is None:
        found.append(Finding("release", shown, "it is not listed", member=raw_bytes(token)))
    if due is None:
        detail = "releases are pending and nobody will look"
        found.append(Finding("due", space.shown("due"), detail, member=b"releases"))
    return found


def released(space: Space, token: str) -> Rule:
    """Check that a list of released dependents belongs to a release."""
    there, exists = yield [
        ("EXISTS", space.key("release:*:dependents", token)),
        ("EXISTS", space.key("release:*:record", token)),
    ]
    if not there or exists:
        return []
    detail = "dependents of no release"
    return [
        Finding(
            "release", space.shown("release:*:dependents", token), detail, None, raw_bytes(token)
        )
    ]


def listed(space: Space, index: str, pattern: str, entry: bytes) -> Rule:
    """Check that an entry of a list of names has the key it stands for."""
    name = text(entry)
    score, there = yield [
        ("ZSCORE", space.key(index), entry),
        ("EXISTS", space.key(pattern, name)),
    ]
    if score is None or there:
        return []
    detail = f"{name} is listed and does not exist"
    return [Finding("listed", space.shown(index), detail, None, entry)]


def named(space: Space, index: str, name: str, entry: bytes) -> Rule:
    """Check that an entry is a name."""
    if is_name(text(entry)):
        return []
    there = space.expect(
        ("EXISTS", (index, name)),
        lambda reply: not is_there(reply),
        ("malformed", f"{entry!r} is not a name", None),
    )
    return (yield from judged([there]))
