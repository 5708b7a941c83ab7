"""Cases for changes by people: edits, canceled jobs, undo, batches in lists, the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from benchmarks.namespace import DATA, PAGE, batched
from benchmarks.scripts.keyspace import Keyspace
from benchmarks.scripts.timing import (
    Calls,
    Case,
    Prepare,
    of_page_waiting,
    of_waiting,
    raw,
    repeated,
)
from qless_py.protocol import Call, audit, batches, canceled, jobs
from qless_py.protocol.audit import AuditEntry
from qless_py.protocol.call import pack


def _edit(jid: str) -> Call[Any]:
    return raw("edit", jid, DATA, pack({"priority": 5, "tags": ["later"]}))


def _of_canceled(make: Any, *, of_each: bool = False) -> Prepare:
    """Make each call for a page of canceled jobs, or for each of them."""

    def calls(keyspace: Keyspace, count: int) -> Calls:
        jids = keyspace.waiting(count if of_each else count * PAGE)
        pages = list(batched(jids))
        keyspace.send([jobs.bulk("cancel", page, {}) for page in pages])
        return [make(one) for one in (jids if of_each else pages)]

    return calls


def _of_undo(make: Any) -> Prepare:
    """Make each call for a bulk action that has changed a page of jobs."""

    def calls(keyspace: Keyspace, count: int) -> Calls:
        names = keyspace.new(count)
        pages: Sequence[Any] = list(batched(keyspace.waiting(count * PAGE)))
        keyspace.send(
            [
                jobs.bulk("cancel", page, {"undo": name})
                for name, page in zip(names, pages, strict=True)
            ]
        )
        return [make(name) for name in names]

    return calls


def _add(_: Keyspace) -> Call[Any]:
    return audit.add(
        AuditEntry(who="ann", door="dashboard", action="queue pause", targets=("mail",), count=1)
    )


def _pending(_: Keyspace) -> Call[Any]:
    return batches.pending("large", "jobs")


CASES: Final = (
    Case("edit", "edit", of_waiting(_edit)),
    Case(
        "read/rows",
        "read/rows of 100",
        of_page_waiting(lambda jids: jobs.read_many(jids, 4096)),
        large=True,
    ),
    Case(
        "read/batches", "read/batches", repeated(lambda _: batches.page(None, 25, {})), large=True
    ),
    Case("read/batch_pending", "read/batch_pending", repeated(_pending), large=True),
    Case("canceled_restore", "canceled_restore of 100", _of_canceled(canceled.restore), large=True),
    Case("canceled_delete", "canceled_delete of 100", _of_canceled(canceled.delete), large=True),
    Case(
        "read/canceled_job",
        "read/canceled_job",
        _of_canceled(lambda jid: raw("read/canceled_job", jid), of_each=True),
    ),
    Case(
        "read/canceled",
        "read/canceled, 250",
        repeated(lambda _: raw("read/canceled", "", 250, pack({}))),
        large=True,
    ),
    Case("read/undo", "read/undo", _of_undo(canceled.undoable), large=True),
    Case("undo", "undo of 100", _of_undo(canceled.undo), large=True),
    Case("audit_add", "audit_add", repeated(_add)),
    Case("read/audit", "read/audit, 100", repeated(lambda _: audit.read(limit=100)), large=True),
)
