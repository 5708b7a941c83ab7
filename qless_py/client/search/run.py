"""Run a search as a sequence of calls; no I/O."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from qless_py import protocol
from qless_py.client.search.grammar import Term, parse
from qless_py.client.search.line import Line, Slice
from qless_py.client.search.plan import Cursor, Source, direct, queue_of, sources
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, search
from qless_py.protocol.records import JobRecord
from qless_py.protocol.search import SIZES, Hit, Look

BUDGET: Final = 20_000
MAX_PAGE_LENGTH: Final = 100
_PAGE: Final = 100
_GROUPS: Final = 1000
# Jobs that the calls of one round trip examine: the server runs these calls one after the other
# while other clients wait.
_FIRST_ROUND: Final = 500
_ROUND: Final = 1250

T = TypeVar("T")
_Steps = Generator[list[Call[Any]], list[Any], T]

_QueueSizes = dict[str, dict[str, int]]
"""By queue the number of jobs in each of its indexes; empty where that was not read."""


@dataclass(slots=True)
class Found:
    """The records that a search found; the other fields are those of `SearchPage`."""

    records: list[JobRecord] = field(default_factory=list)
    scanned: int = 0
    skipped: int = 0
    total: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How many jobs are wanted, the terms with a path, and the most bytes of each job's texts."""

    paths: Sequence[Term]
    limit: int
    data_limit: int | None


AnyJob = TypeVar("AnyJob")


@dataclass(frozen=True, slots=True)
class SearchPage(Generic[AnyJob]):
    """Jobs that a search found; `cursor` is where the next call continues, `None` at the end.

    `scanned` jobs were examined, beginning at the cursor. `total` is the number of jobs in all
    indexes that the search uses, also in those before the cursor. In `skipped` of the examined jobs
    the data was too long to be searched.
    """

    jobs: list[AnyJob]
    scanned: int
    total: int
    skipped: int
    cursor: str | None


def steps(
    text: str,
    *,
    limit: int,
    cursor: str | None,
    budget: int,
    data_limit: int | None = None,
) -> _Steps[Found]:
    """Yield calls to send together, receive their replies, and return what was found.

    Terms with a path need the whole data of the jobs that the store has found.
    """
    if not 1 <= limit <= MAX_PAGE_LENGTH:
        raise BadArgumentError(f"a search returns 1 to {MAX_PAGE_LENGTH} jobs, not {limit}")
    if budget < 1:
        raise BadArgumentError(f"a search examines at least one job, not {budget}")
    terms = parse(text)
    start = None if cursor is None else Cursor.read(cursor)
    conditions = [term.condition() for term in terms if _store_can_judge(term)]
    asked = _Wanted([term for term in terms if term.path], limit, data_limit)
    line, total = yield from _line(terms, start)
    found = Found(total=total or 0)
    room = _FIRST_ROUND
    while line.cursor is not None and len(found.records) < limit and found.scanned < budget:
        # What the store cannot judge for certain is cut off here, with no need to ask again.
        wanted = MAX_PAGE_LENGTH if asked.paths else limit - len(found.records)
        slices = list(line.slices(min(room, budget - found.scanned)))
        looks = yield [_call(line, one, conditions, wanted) for one in slices]
        if total is None:
            found.total = total = looks[0].total
        yield from _take(found, line, list(zip(slices, looks, strict=True)), asked)
        room = min(2 * room, _ROUND)
    found.cursor = line.cursor
    return found


def _call(line: Line, one: Slice, conditions: list[dict[str, Any]], wanted: int) -> Call[Look]:
    chosen = [source.argument() for source in line.sources[one.place : one.place + one.count]]
    return search.search(
        chosen, conditions, after=one.after, skip=one.skip, scan=one.scan, wanted=wanted
    )


def _take(
    found: Found, line: Line, looks: Sequence[tuple[Slice, Look]], asked: _Wanted
) -> _Steps[None]:
    """Use the answers that follow on each other, until there are as many jobs as wanted."""
    used = line.following(looks)
    hits = [hit.jid for _, look in used for hit in look.hits]
    read = hits if asked.paths else hits[: asked.limit - len(found.records)]
    jobs = yield from _fitting(read, asked)
    left = len(read)
    for one, look in used:
        known = look.hits[:left]
        left -= len(known)
        number = _enough(known, jobs, asked.limit - len(found.records))
        if number == 0 and look.hits:
            return
        found.records += [jobs[hit.jid] for hit in known[:number] if hit.jid in jobs]
        found.skipped += look.skipped
        if number < len(look.hits):
            found.scanned += look.hits[number - 1].looked
            line.stop_at(one, look.hits[number - 1])
            return
        found.scanned += look.scanned
        line.advance(one, look)


def _enough(hits: Sequence[Hit], fit: Collection[str], wanted: int) -> int:
    """Return how many hits are needed for as many matches as wanted, at most all of them."""
    for number, hit in enumerate(hits):
        if wanted == 0:
            return number
        wanted -= hit.jid in fit
    return len(hits)


def _line(terms: Sequence[Term], start: Cursor | None) -> _Steps[tuple[Line, int | None]]:
    """Find the indexes to examine, and the jobs in all of them; None if the first call counts."""
    only = direct(terms)
    if only is not None:
        if start is not None and start.source.rank() > only.rank():
            return Line([], []), 0
        after = start.after if start is not None and start.source == only else None
        return Line([only], [1 if only.set == "jid" else math.inf], after), None
    queues, groups = yield from _known(queue_of(terms))
    every = sources(terms, queues, groups)
    sizes = yield from _sizes(every, queues)
    ahead, after = list(zip(every, sizes, strict=True)), None
    if start is not None:
        ahead = [pair for pair in ahead if pair[0].rank() >= start.source.rank()]
        after = start.after if ahead and ahead[0][0] == start.source else None
    if after is None:
        ahead = [pair for pair in ahead if pair[1]]
    return Line([one for one, _ in ahead], [size for _, size in ahead], after), sum(sizes)


def _sizes(every: Sequence[Source], queues: _QueueSizes) -> _Steps[list[int]]:
    """Return the sizes of the indexes; those that are not known yet are asked for."""
    found = {one: queues[one.queue][one.set] for one in every if queues.get(one.queue)}
    unknown = [one for one in every if one not in found]
    parts = [unknown[at : at + SIZES] for at in range(0, len(unknown), SIZES)]
    replies = yield [search.sizes([one.argument() for one in part]) for part in parts]
    sizes = [size for reply in replies for size in reply]
    found.update(zip(unknown, sizes, strict=True))
    return [found[one] for one in every]


def _known(queue: str | None) -> _Steps[tuple[_QueueSizes, list[str]]]:
    """Read the sizes of the indexes of all queues, unless one is named, and the failure groups."""
    if queue is not None:
        ((total, rows),) = yield [protocol.jobs.groups(0, _GROUPS)]
        queues: _QueueSizes = {queue: {}}
        pages: list[int] = []
    else:
        (number, queues), (total, rows) = yield [
            search.queue_sizes(0, _PAGE),
            protocol.jobs.groups(0, _GROUPS),
        ]
        pages = list(range(_PAGE, number, _PAGE))
    more = list(range(_GROUPS, total, _GROUPS))
    if pages or more:
        replies = yield [
            *(search.queue_sizes(at, _PAGE) for at in pages),
            *(protocol.jobs.groups(at, _GROUPS) for at in more),
        ]
        for _, others in replies[: len(pages)]:
            queues |= others
        rows += [one for _, others in replies[len(pages) :] for one in others]
    return queues, [one.group for one in rows]


def _store_can_judge(term: Term) -> bool:
    """Return whether the store can drop jobs that do not match this term.

    For a path into the data it can only look for the value as text, which works unless JSON must
    escape the value.
    """
    value = str(term.value)
    is_plain = value.isascii() and value.isprintable() and '"' not in value and "\\" not in value
    return not term.path or (is_plain and not term.is_negated)


def _fitting(jids: Sequence[str], asked: _Wanted) -> _Steps[dict[str, JobRecord]]:
    """Read the jobs that match the terms with a path, without those deleted since."""
    if not jids:
        return {}
    parts = [jids[at : at + _PAGE] for at in range(0, len(jids), _PAGE)]
    most = None if asked.paths else asked.data_limit  # The terms need the whole data.
    replies = yield [protocol.jobs.read_many(part, most) for part in parts]
    records = [one for reply in replies for one in reply if isinstance(one, JobRecord)]
    fit = [one for one in records if all(_fits_path(one, term) for term in asked.paths)]
    if asked.paths and asked.data_limit is not None:
        for one in fit:
            one.cut_to(asked.data_limit)
    return {one.jid: one for one in fit}


def _fits_path(record: JobRecord, term: Term) -> bool:
    """Check terms such as `data.user.id:42`, of which the store sees only the value's text."""
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
