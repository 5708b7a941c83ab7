"""Rules about dependencies between jobs, held results and pending releases.

A release is the drain of the dependents of a job that has ended, in steps.
"""

from qless_py.fsck import records
from qless_py.fsck.layout import is_name, raw_bytes, text
from qless_py.fsck.namespace import Namespace, is_there, unmet
from qless_py.fsck.rules import Finding, Rule


def dependency(ns: Namespace, jid: str, entry: bytes) -> Rule:
    """Check a parent that a job waits for: it lists the job, or a release removes the edge."""
    parent = text(entry)
    waits, back, edge = yield [
        ("SISMEMBER", ns.key("dependencies:*", jid), entry),
        ("ZSCORE", ns.key("dependents:*", parent), raw_bytes(jid)),
        ("HGET", ns.key("parents:*", jid), entry),
    ]
    shown = ns.shown("dependencies:*", jid)
    if not waits:
        return []
    if edge is None:
        return [
            Finding(
                "edge",
                shown,
                f"the job waits for {parent}, which is not one of its parents",
                jid,
                entry,
            )
        ]
    if back is not None or (yield from _being_released(ns, jid, parent, edge)):
        return []
    return [Finding("edge", shown, f"{parent} does not list the job as a dependent", jid, entry)]


def _being_released(ns: Namespace, jid: str, parent: str, edge: bytes) -> Rule:
    """Return a finding, which the caller drops, if a pending release will remove this edge."""
    _, _, made = text(edge).partition(":")
    for token in (yield from ns.releases_of(parent)):
        (listed,) = yield [("ZSCORE", ns.key("release:*:dependents", token), raw_bytes(jid))]
        if listed is not None and made.isdigit() and int(made) < int(token):
            return [Finding("released", "", "")]
    return []


def dependencies(ns: Namespace, jid: str) -> Rule:
    """Check that only a job that waits for parents has dependencies."""
    record = yield from ns.job(jid)
    exists = yield [("EXISTS", ns.key("dependencies:*", jid))]
    if exists == [0] or (record is not None and record.state in ("depends", "failed")):
        return []
    detail = "only a job in the state depends, or failed from it, waits for parents"
    return [Finding("edge", ns.shown("dependencies:*", jid), detail, jid)]


def dependent(ns: Namespace, parent: str, entry: bytes) -> Rule:
    """Check a dependent of a job: it waits for the job, under the policy of the score."""
    jid = text(entry)
    score, waits, edge = yield [
        ("ZSCORE", ns.key("dependents:*", parent), entry),
        ("SISMEMBER", ns.key("dependencies:*", jid), raw_bytes(parent)),
        ("HGET", ns.key("parents:*", jid), raw_bytes(parent)),
    ]
    shown = ns.shown("dependents:*", parent)
    if score is None:
        return []
    if not waits:
        return [
            Finding("edge", shown, "the job does not wait for this parent", jid, raw_bytes(parent))
        ]
    policy = text(edge or b"").partition(":")[0]
    if edge is not None and score != (0 if policy == "wait" else 1):
        return [
            Finding(
                "edge",
                shown,
                f"the score is {score}, but the policy is {policy}",
                jid,
                raw_bytes(parent),
            )
        ]
    return []


def dependents(ns: Namespace, parent: str) -> Rule:
    """Check that a job with dependents exists and has not completed."""
    record = yield from ns.job(parent)
    exists = yield [("EXISTS", ns.key("dependents:*", parent))]
    if exists == [0] or (record is not None and record.state != "complete"):
        return []
    detail = "jobs wait for a job that has completed or does not exist"
    return [Finding("ended-parent", ns.shown("dependents:*", parent), detail, parent)]


def parent(ns: Namespace, jid: str, entry: bytes) -> Rule:
    """Check the form of one parent of a job."""
    (edge,) = yield [("HGET", ns.key("parents:*", jid), entry)]
    policy, _, made = text(edge or b"").partition(":")
    if edge is None or (policy in ("wait", "cancel", "fail", "run") and made.isdigit()):
        return []
    detail = f"parent {text(entry)}: {edge!r} is not policy:sequence"
    return [Finding("malformed", ns.shown("parents:*", jid), detail, jid, entry)]


def hold(ns: Namespace, parent: str, entry: bytes) -> Rule:
    """Check a reason to keep a result: a dependent with this parent, or a release."""
    holder = text(entry)
    if holder.startswith("release:"):
        token = holder.removeprefix("release:")
        (reason,) = yield [("EXISTS", ns.key("release:*:record", token))]
    else:
        (reason,) = yield [("HEXISTS", ns.key("parents:*", holder), raw_bytes(parent))]
    (held,) = yield [("SISMEMBER", ns.key("holds:*", parent), entry)]
    if reason or not held:
        return []
    detail = f"{holder} does not need the result"
    return [Finding("hold", ns.shown("holds:*", parent), detail, parent, entry)]


def release(ns: Namespace, token: str) -> Rule:
    """Check that a pending release is valid, listed, and due for maintenance."""
    value, listed, due = yield [
        ("GET", ns.key("release:*:record", token)),
        ("ZSCORE", ns.key("releases"), raw_bytes(token)),
        ("ZSCORE", ns.key("due"), b"releases"),
    ]
    shown = ns.shown("release:*:record", token)
    if value is None:
        return []
    with ns.reading("release:*:record", token):
        record = records.packed_map(value)
    if not token.isdigit() or record.get("reason") not in (
        "complete",
        "canceled",
        "failed",
        "batch",
    ):
        return [Finding("malformed", shown, "the token or the reason of the release is invalid")]
    found = []
    if listed is None:
        found.append(
            Finding(
                "release",
                shown,
                "the release is missing in the list of releases",
                member=raw_bytes(token),
            )
        )
    if due is None:
        detail = "releases are pending, but their maintenance is not due"
        found.append(Finding("due", ns.shown("due"), detail, member=b"releases"))
    return found


def released(ns: Namespace, token: str) -> Rule:
    """Check that a list of dependents to release belongs to a release."""
    there, exists = yield [
        ("EXISTS", ns.key("release:*:dependents", token)),
        ("EXISTS", ns.key("release:*:record", token)),
    ]
    if not there or exists:
        return []
    detail = "the release does not exist"
    return [
        Finding("release", ns.shown("release:*:dependents", token), detail, None, raw_bytes(token))
    ]


def listed(ns: Namespace, index: str, pattern: str, entry: bytes) -> Rule:
    """Check that the key exists to which an entry of a list of names refers."""
    name = text(entry)
    score, there = yield [
        ("ZSCORE", ns.key(index), entry),
        ("EXISTS", ns.key(pattern, name)),
    ]
    if score is None or there:
        return []
    detail = f"{name} is listed, but does not exist"
    return [Finding("listed", ns.shown(index), detail, None, entry)]


def named(ns: Namespace, index: str, name: str, entry: bytes) -> Rule:
    """Check that an entry is a name."""
    if is_name(text(entry)):
        return []
    there = ns.expect(
        ("EXISTS", (index, name)),
        lambda reply: not is_there(reply),
        ("malformed", f"{entry!r} is not a name", None),
    )
    return (yield from unmet([there]))
