"""Search for jobs: one grammar for the client, the CLI and the dashboard, with bounded work."""

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
