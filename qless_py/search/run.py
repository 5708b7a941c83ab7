"""Carry a search out, call by call, without knowing who sends the calls."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py import protocol
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, Record, reads
from qless_py.protocol.records import JobRecord
from qless_py.protocol.search import SCAN, Look
from qless_py.search.grammar import Term, parse
from qless_py.search.plan import Cursor, Source, direct, sources

BUDGET: Final = 20_000
LONGEST_PAGE: Final = 100
_PAGE: Final = 100
_GROUPS: Final = 1000


@dataclass(slots=True)
class Found:
    """What a search found. `cursor` is where it goes on, `None` when it has seen everything.

    `scanned` jobs were looked at, out of `total` in the indexes that were opened; of `skipped` ones
    the data was too long to be looked into.
    """

    records: list[JobRecord] = field(default_factory=list)
    scanned: int = 0
    skipped: int = 0
    total: int = 0
    cursor: str | None = None


def steps(
    text: str, *, limit: int, cursor: str | None, budget: int
) -> Generator[Call[Any], Any, Found]:
    """Yield the calls of a search, take their replies, and return what was found."""
    if not 1 <= limit <= LONGEST_PAGE:
        raise BadArgumentError(f"a search gives 1 to {LONGEST_PAGE} jobs, not {limit}")
    if budget < 1:
        raise BadArgumentError(f"a search looks at one job at least, not {budget}")
    terms = parse(text)
    start = None if cursor is None else Cursor.read(cursor)
    conditions = [term.condition() for term in terms if _store_can_judge(term)]
    found = Found()
    todo = yield from _sources(terms, start)
    while todo and len(found.records) < limit and found.scanned < budget:
        source, after = todo[0]
        wanted = limit - len(found.records)
        scan = max(1, min(SCAN, budget - found.scanned))
        look: Look = yield protocol.search.search(
            source.argument(), conditions, after=after, scan=scan, wanted=wanted
        )
        found.scanned += look.scanned
        found.skipped += look.skipped
        if after is None:
            found.total += look.total
        found.records += yield from _records(look.jids, terms)
        if look.after is None:
            todo.pop(0)
        else:
            todo[0] = (source, look.after)
    found.cursor = Cursor(*todo[0]).text() if todo else None
    return found


def _sources(
    terms: Sequence[Term], start: Cursor | None
) -> Generator[Call[Any], Any, list[tuple[Source, tuple[bytes, bytes] | None]]]:
    only = direct(terms)
    if only is not None:
        every = [only]
    else:
        queues = yield from _queues()
        groups = yield from _groups()
        every = sources(terms, queues, groups)
    if start is None:
        return [(one, None) for one in every]
    left = [one for one in every if one.rank() >= start.source.rank()]
    return [(one, start.after if one == start.source else None) for one in left]


def _queues() -> Generator[Call[Any], Any, list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    while True:
        page: reads.Page = yield reads.queues(len(found), _PAGE)
        found += page.rows
        if not page.rows or len(found) >= page.total:
            return found


def _groups() -> Generator[Call[Any], Any, list[str]]:
    found: list[str] = []
    while True:
        total, rows = yield reads.groups(len(found), _GROUPS)
        found += [row.group for row in rows]
        if not rows or len(found) >= total:
            return found


def _store_can_judge(term: Term) -> bool:
    """Tell whether the store may leave out what does not fit this term.

    Of a path into the data it can only look for the value as text, which stands there as it is
    unless JSON must escape it.
    """
    value = str(term.value)
    is_plain = value.isascii() and value.isprintable() and '"' not in value and "\\" not in value
    return not term.path or (is_plain and not term.is_negated)


def _records(
    jids: Sequence[str], terms: Sequence[Term]
) -> Generator[Call[Any], Any, list[JobRecord]]:
    if not jids:
        return []
    records: list[Record | None] = yield protocol.reads.jobs(jids)
    jobs = [one for one in records if isinstance(one, JobRecord)]
    return [one for one in jobs if all(_fits_path(one, term) for term in terms if term.path)]


def _fits_path(record: JobRecord, term: Term) -> bool:
    """Judge `data.user.id:42`, which the store could only judge by the text of the value."""
    if record.fields.get("codec", "json") != "json":
        return term.is_negated
    try:
        value: Any = json.loads(record.data)
    except ValueError:
        return term.is_negated
    for part in term.path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return term.is_negated
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (shown.lower() == str(term.value).lower()) != term.is_negated
