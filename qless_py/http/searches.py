"""Searches of a caller who may be limited to queues, or may not see all data."""

from __future__ import annotations

from qless_py.client.search import Term, parse
from qless_py.http.context import caller, redactor
from qless_py.http.problems import Problem


def checked(text: str) -> str:
    """Return a search that the caller may make; raises `SearchError` or a `Problem`.

    A caller may not search values hidden from it. A caller who is limited to one name or pattern of
    queues searches these. One who is limited to several names one of them, except in a search by
    states: whether a page ends with a cursor tells whether jobs match that it does not show.
    """
    hides = redactor()
    if hides is not None:
        hides.check_search(text)
    own, terms = caller().queues, parse(text)
    if not own or _is_within(terms):
        return text
    if len(own) == 1:
        return f"{text} queue:{own[0]}".strip()
    if all(term.field == "state" for term in terms):
        return text
    raise _outside()


def within_queues(text: str) -> str:
    """Return a search whose matches are all in queues of the caller; refuse any other."""
    search = checked(text)
    if not caller().queues or (_is_within(parse(search)) and not _names_others(text)):
        return search
    raise _outside()


def _is_within(terms: list[Term]) -> bool:
    """Return whether a term limits the search to queues of the caller; all terms have to match."""
    own = caller().queues
    named = [term for term in terms if term.field == "queue" and not term.is_negated]
    return any(term.value in own or (term.exact and caller().may_use(term.exact)) for term in named)


def _names_others(text: str) -> bool:
    """Return whether a search names queues, but none of the caller's."""
    terms = parse(text)
    return any(term.field == "queue" for term in terms) and not _is_within(terms)


def _outside() -> Problem:
    terms = ", ".join(f"queue:{one}" for one in caller().queues)
    return Problem("forbidden", f"{caller().name} is limited to queues: add one of {terms}")
