"""Find jobs by what is known of them: one grammar for every door, bounded in its work."""

from qless_py.client.search.grammar import STATES, SearchError, Term, parse, quote
from qless_py.client.search.run import BUDGET, Found, SearchPage, steps

__all__ = [
    "BUDGET",
    "STATES",
    "Found",
    "SearchError",
    "SearchPage",
    "Term",
    "parse",
    "quote",
    "steps",
]
