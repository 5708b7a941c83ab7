"""Choose the indexes that a search must examine, and encode where it continues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.client.search.grammar import STATES, Term
from qless_py.protocol import cursors
from qless_py.protocol.cursors import Mark
from qless_py.protocol.reservers import fits
from qless_py.protocol.search import MAX_WITHIN

# The indexes in which jobs of a state can be, in the order in which they are looked through.
_SETS: Final = {
    "waiting": ("waiting", "shared", "scheduled"),
    "running": ("running",),
    "scheduled": ("scheduled",),
    "stalled": ("running", "waiting", "shared"),
    "depends": ("depends",),
    "throttled": ("throttled",),
}
_ORDER: Final = (
    "running", "waiting", "shared", "scheduled", "throttled", "depends", "failed", "complete",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """One index: a set, and the queue or the name (of a group, tag, worker) that it belongs to.

    Of an index of ended jobs, those that ended more than `within` milliseconds ago are left out.
    """

    set: str
    queue: str = ""
    name: str = ""
    within: int | None = field(default=None, compare=False)

    def argument(self) -> dict[str, str | int]:
        """Return the source as an argument of the script."""
        made = {"set": self.set, "queue": self.queue, "name": self.name}
        named: dict[str, str | int] = {key: value for key, value in made.items() if value}
        return named if self.within is None else {**named, "within": self.within}

    def rank(self) -> tuple[int, str, str]:
        """Return the position in the order of sources, which must be stable for cursors."""
        place = _ORDER.index(self.set) if self.set in _ORDER else len(_ORDER)
        return (place, self.queue, self.name)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a search continues: in this source, after this score and member."""

    source: Source
    after: Mark | None

    def text(self) -> str:
        """Return the cursor as text that fits into a URL."""
        return cursors.write(self.source.set, self.source.queue, self.source.name, self.after)

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Decode the text of a cursor; raises `BadArgumentError` for anything else."""
        try:
            name, queue, own, after = cursors.read(text)
            return cls(Source(str(name), str(queue), str(own)), cursors.mark(after))
        except (ValueError, TypeError) as error:
            raise cursors.refused(text) from error


def states_of(terms: Iterable[Term]) -> set[str]:
    """Return the states that matching jobs can have."""
    wanted = set(STATES)
    for term in terms:
        if term.states is not None:
            wanted &= term.states
    return wanted


def _within(terms: Iterable[Term]) -> int | None:
    """Return in how many milliseconds matching jobs have ended, if the terms limit that."""
    limits = [term.within for term in terms if term.within is not None]
    # Rounded up: the conditions are exact.
    return max(0, min(math.ceil(min(limits)), MAX_WITHIN)) if limits else None


def direct(terms: Sequence[Term]) -> Source | None:
    """Return the one small index that holds all jobs that can match, if the terms name one."""
    exact = {term.field: term.exact for term in terms if term.exact is not None}
    if "jid" in exact:
        return Source("jid", name=exact["jid"] or "")
    if "tag" in exact:
        return Source("tag", name=exact["tag"] or "")
    if "worker" in exact:
        return Source("worker", name=exact["worker"] or "")
    if "group" in exact:
        return Source("failed", name=exact["group"] or "", within=_within(terms))
    return None


def queue_of(terms: Iterable[Term]) -> str | None:
    """Return the one queue in which all matching jobs must be, if the terms name one."""
    return next((one.exact for one in terms if one.field == "queue" and one.exact), None)


def sources(terms: Sequence[Term], queues: Iterable[str], groups: Iterable[str]) -> list[Source]:
    """Return all indexes that must be examined, in the order of `Source.rank`."""
    states, within = states_of(terms), _within(terms)
    known = [name for name in queues if _may_be(name, terms, "queue")]
    sets = {name for state in states & set(_SETS) for name in _SETS[state]}
    found = {Source(name, queue=queue) for name in sets for queue in known}
    if "failed" in states:
        named = [one for one in groups if _may_be(one, terms, "group")]
        found |= {Source("failed", name=one, within=within) for one in named}
    if "complete" in states:
        found.add(Source("complete", within=within))
    return sorted(found, key=Source.rank)


def _may_be(name: str, terms: Iterable[Term], field: str) -> bool:
    """Return whether a name meets the terms about this field."""
    for term in terms:
        if term.field != field:
            continue
        is_so = fits(str(term.value), name) if term.op == "like" else name in term.value
        if is_so == term.is_negated:
            return False
    return True
