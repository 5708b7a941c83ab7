"""Searches of a caller who may be limited to queues, or may not see all data."""

from __future__ import annotations

from qless_py.client.search import parse
from qless_py.http.context import caller, redactor
from qless_py.http.problems import Problem


def checked(text: str) -> str:
    """Return a search that the caller may make; raises `SearchError` or a `Problem`.

    Nobody may search what is hidden from them. A caller who is limited to one name or pattern of
    queues searches these.
    """
    hides = redactor()
    if hides is not None:
        hides.check_search(text)
    terms = parse(text)
    if len(caller().queues) == 1 and not any(term.field == "queue" for term in terms):
        return f"{text} queue:{caller().queues[0]}".strip()
    return text


def within_queues(text: str) -> str:
    """Return a search whose matches are all in queues of the caller; refuse any other."""
    search = checked(text)
    own = caller().queues
    if not own:
        return search
    named = [term for term in parse(search) if term.field == "queue" and not term.is_negated]
    if any(term.value in own or (term.exact and caller().may_use(term.exact)) for term in named):
        return search
    terms = ", ".join(f"queue:{one}" for one in own)
    raise Problem("forbidden", f"{caller().name} is limited to queues: add one of {terms}")
