"""Rules about the copies of canceled jobs: each is listed, and has the parts that it announces."""

from typing import Final

from qless_py.fsck import records
from qless_py.fsck.layout import text
from qless_py.fsck.namespace import Namespace
from qless_py.fsck.rules import Finding, Rule

# What is stored apart from a copy, and the field that announces it.
PARTS: Final = (
    ("apart", "data"),
    ("spilled", "history"),
    ("has_failure", "failure"),
    ("has_progress", "progress"),
)
PATTERNS: Final = tuple(
    f"canceled:*:{part}" for part in ("job", *(part for _, part in PARTS), "dependents")
)


def listed(ns: Namespace, entry: bytes) -> Rule:
    """Check the copy that an entry of the list of canceled jobs refers to."""
    return (yield from copy(ns, text(entry)))


def copy(ns: Namespace, jid: str) -> Rule:
    """Check that a copy is listed and readable, and that its parts are those that it announces."""
    score, value, *parts = yield [
        ("ZSCORE", ns.key("canceled"), jid.encode()),
        ("GET", ns.key("canceled:*:job", jid)),
        *(("EXISTS", ns.key(pattern, jid)) for pattern in PATTERNS[1:]),
    ]
    if score is None and value is None and not any(parts):
        return []
    shown = ns.shown("canceled:*:job", jid)
    if score is None or value is None:
        detail = "not listed as canceled" if score is None else "listed, but there is no copy"
        return [Finding("canceled", shown, detail, jid)]
    with ns.reading("canceled:*:job", jid, jid):
        record = records.job(value)
    if record is None or not isinstance(record["canceled"], dict):
        return [Finding("canceled", shown, "it does not say how the job was canceled", jid)]
    return [
        Finding("canceled", shown, f"{field} does not fit the part {part}", jid)
        for (field, part), is_there in zip(PARTS, parts, strict=False)
        if bool(record[field]) != bool(is_there)
    ]


def undo(ns: Namespace, name: str) -> Rule:
    """Check that what can be undone is listed, with the end of its time."""
    there, listed = yield [
        ("EXISTS", ns.key("undo:*", name)),
        ("ZSCORE", ns.key("undos"), name.encode()),
    ]
    if not there or listed is not None:
        return []
    shown = ns.shown("undo:*", name)
    return [Finding("undo", shown, "it is not listed", member=name.encode())]


def size(shown: str, fields: dict[bytes, bytes], number: int) -> list[Finding]:
    """Check the bytes of all copies, which are counted in `meta`."""
    counted = fields.get(b"canceled_bytes", b"0")
    if counted.isdigit() and (number or counted == b"0"):
        return []
    detail = f"{number} canceled jobs are kept, but their bytes are {counted!r}"
    return [Finding("malformed", shown, detail, member=b"canceled_bytes")]
