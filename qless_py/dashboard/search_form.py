"""The form of the jobs page: the terms of a search as chips, and menus that add one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from flask import request

from qless_py.client.job import Job
from qless_py.client.search import STATES, SearchError, Term, literally, parse, plan, split
from qless_py.dashboard.context import client, link, snapshot
from qless_py.overview.snapshot import count

_MOST: Final = 25  # Entries of a menu.
# Two terms about one of these match no job, so a new one takes the place of the old one.
_SINGLE: Final = frozenset(
    {"state", "queue", "klass", "user", "worker", "group", "failed", "finished", "started", "age"}
)
_TIMES: Final = (
    ("failed:<1h", "failed in the last hour"),
    ("failed:<1d", "failed in the last day"),
    ("finished:<1h", "ended in the last hour"),
    ("started:<1h", "popped in the last hour"),
    ("started:>1h", "popped over an hour ago"),
    ("age:>1h", "put over an hour ago"),
    ("age:>1d", "put over a day ago"),
)


@dataclass(frozen=True, slots=True)
class Chip:
    """A term of a search, and the URL of the search without it."""

    term: str
    url: str


@dataclass(frozen=True, slots=True)
class Menu:
    """Terms that can be added, each with its label."""

    label: str
    terms: Sequence[tuple[str, str]]


def chips(text: str) -> list[Chip]:
    """Return the terms of a valid search."""
    terms = split(text)
    rests = [" ".join([*terms[:at], *terms[at + 1 :]]) for at in range(len(terms))]
    return [
        Chip(term, link("jobs", q=rest or None)) for term, rest in zip(terms, rests, strict=True)
    ]


def with_terms(text: str, added: Iterable[str]) -> str:
    """Return a search with further terms.

    One that is already there is not repeated, and one about the same single thing is replaced.
    """
    try:
        terms = split(text)
        for term in added:
            (new,) = parse(term)
            terms = [one for one in terms if not _gives_way(one, new)]
            terms.append(term)
    except (SearchError, ValueError):  # The page shows what is wrong.
        return " ".join([text, *added])
    return " ".join(terms)


def _gives_way(term: str, new: Term) -> bool:
    (old,) = parse(term)
    is_same = new.exact is not None and old.exact == new.exact
    return old.field == new.field and not old.is_negated and (old.field in _SINGLE or is_same)


def exactly(field: str, value: str) -> str:
    """Return the term for jobs of which a field has this value."""
    return f"{field}:{literally(value)}"


def search_for(**fields: str) -> str:
    """Return a search for jobs with exactly these values."""
    return " ".join(exactly(name, value) for name, value in fields.items())


def url_with(field: str, value: str) -> str:
    """Return the URL of the search of this page, if it is one, with one more term."""
    is_search = (request.endpoint or "").endswith(".jobs")
    text = request.args.get("q", "").strip() if is_search else ""
    return link("jobs", q=with_terms(text, [exactly(field, value)]))


def only_state(text: str) -> str:
    """Return the one state that all matches of a valid search have, "" if there are several."""
    states = plan.states_of(parse(text))
    return states.pop() if len(states) == 1 else ""


def menus(jobs: Iterable[Job]) -> list[Menu]:
    """Return what can be added to a search; the classes are those of the jobs shown."""
    queues = sorted(snapshot().queues, key=lambda row: -sum(count(row, one) for one in STATES))
    names = sorted(row["name"] for row in queues[:_MOST])
    klasses = sorted({job.klass_name for job in jobs})
    tags = [tag for tag, _ in client().tag_counts(0, _MOST)]
    found = [
        Menu("State", [(f"state:{state}", state) for state in STATES]),
        Menu("Time", _TIMES),
        Menu("Queue", [(exactly("queue", name), name) for name in names]),
        Menu("Class", [(exactly("klass", name), name) for name in klasses]),
        Menu("Tag", [(exactly("tag", name), name) for name in tags]),
    ]
    return [menu for menu in found if menu.terms]
