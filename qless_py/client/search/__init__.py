"""Search for jobs: one grammar for the client, the CLI and the dashboard, with bounded work."""

from qless_py.client.search.grammar import (
    MAX_LENGTH,
    STATES,
    SearchError,
    Term,
    literally,
    parse,
    quote,
    split,
)
from qless_py.client.search.run import BUDGET, Found, SearchPage, steps

__all__ = [
    "BUDGET",
    "MAX_LENGTH",
    "STATES",
    "Found",
    "SearchError",
    "SearchPage",
    "Term",
    "literally",
    "parse",
    "quote",
    "split",
    "steps",
]
