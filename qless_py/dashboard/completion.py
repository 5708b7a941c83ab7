"""Completion of a search: its fields, and the names that exist in the store, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from qless_py.client.redaction import SEARCHED_DATA
from qless_py.client.search import STATES, literally
from qless_py.client.search.fields import FIELDS
from qless_py.dashboard import context
from qless_py.overview.snapshot import count

_MOST: Final = 12
# Tags, users and throttles that are read, and jobs whose class is: the first or most used ones.
_TAGS: Final = 1000
_NAMES: Final = 250
_JOBS: Final = 100
_SCANNED: Final = 500
_ALIASES: Final = {"class": "klass", "prio": "priority"}

Value = tuple[str, str]
"""A value and what there is to say about it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Texts with explanations that can replace the characters from `start` to `end`."""

    start: int
    end: int
    options: list[Value]


def complete(text: str, at: int) -> Completion:
    """Return what may stand at a position of a search."""
    start = _start_of_term(text, at)
    term = text[start:at]
    sign = "-" if term.startswith("-") else ""
    field, colon, part = term.removeprefix("-").partition(":")
    if not colon:
        return Completion(
            start, at, [(f"{sign}{name}:", meaning) for name, meaning in _fields(field)]
        )
    name = _ALIASES.get(field.lower(), field.lower())
    begun, _, part = part.rpartition(",") if name == "state" else ("", "", part)
    head = f"{sign}{field}:{begun}{',' if begun else ''}"
    found = _values(name, part.strip('"'))
    return Completion(start, at, [(f"{head}{one}", why) for one, why in found])


def _start_of_term(text: str, at: int) -> int:
    """Return where the term at a position begins; spaces in quotes do not end a term."""
    start, is_quoted = 0, False
    for index, one in enumerate(text[:at]):
        if one == '"':
            is_quoted = not is_quoted
        elif one.isspace() and not is_quoted:
            start = index + 1
    return start


def _fields(begun: str) -> Iterable[Value]:
    hidden = SEARCHED_DATA if context.redactor() else frozenset[str]()
    for name, field in FIELDS.items():
        if name.startswith(begun.lower()) and name not in hidden:
            yield name, field.meaning


def _values(field: str, part: str) -> list[Value]:
    """Return values of a field that contain a text; those that begin with it come first."""
    if field not in FIELDS:
        return []
    if FIELDS[field].examples:
        return [one for one in FIELDS[field].examples if one[0].startswith(part)]
    read = _READERS.get(field)
    wanted = part.casefold()
    found = [one for one in read(part) if wanted in one[0].casefold()] if read else []
    found.sort(key=lambda one: not one[0].casefold().startswith(wanted))
    return [(literally(name), why) for name, why in found[:_MOST]]


def _states(_: str) -> list[Value]:
    snapshot = context.snapshot()
    counts = {**snapshot.totals, "failed": snapshot.failed, "complete": snapshot.complete}
    return [(state, f"{counts[state]:,}") for state in STATES]


def _queues(_: str) -> list[Value]:
    rows = context.snapshot().queues
    return [(row["name"], f"{count(row, 'waiting'):,} waiting") for row in rows]


def _groups(_: str) -> list[Value]:
    return [(name, f"{number:,} failed") for name, number in context.snapshot().failures.items()]


def _workers(_: str) -> list[Value]:
    return [(row["name"], "") for row in context.snapshot().workers]


def _klasses(part: str) -> list[Value]:
    """Read the classes of the first jobs that match: the store has no list of classes."""
    search = f"klass:*{part}*" if part and literally(part) == part else ""
    page = context.client().jobs.search(search, limit=_JOBS, budget=_SCANNED, data_limit=0)
    return [(name, "") for name in sorted({job.klass_name for job in page.jobs})]


def _tags(_: str) -> list[Value]:
    return [(tag, f"{number:,}") for tag, number in context.client().tag_counts(0, _TAGS)]


def _users(_: str) -> list[Value]:
    page = context.client().users.page(None, _NAMES)
    return [(one.name, "") for one in page.users]


def _throttles(_: str) -> list[Value]:
    page = context.client().throttles.page(None, _NAMES)
    return [(one.id, "") for one in page.throttles]


def _codecs(_: str) -> list[Value]:
    return [(name, "") for name in context.client().settings.codecs]


_READERS: Final[Mapping[str, Callable[[str], list[Value]]]] = {
    "state": _states,
    "queue": _queues,
    "klass": _klasses,
    "tag": _tags,
    "user": _users,
    "group": _groups,
    "worker": _workers,
    "throttle": _throttles,
    "codec": _codecs,
}
