"""Cluster error messages that differ only in numbers, ids, quoted text and paths."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from qless_py.client.humanize import error_line
from qless_py.client.search import quote
from qless_py.protocol.failures import FailureText

ANYTHING: Final = "…"
_MAX_LINE: Final = 300  # Characters of an error that are compared.
_MAX_EXAMPLES: Final = 5  # Jids that are kept of each cluster.
_MAX_PIECES: Final = 4
_LEAST_PIECE: Final = 4  # Characters of a piece that is worth searching for.

# What differs from one failure of a kind to the next, the longest forms first.
_VARIABLE: Final = re.compile(
    r"""
      (?<!\w)'[^']{0,200}'(?!\w) | "[^"]{0,200}" | `[^`]{0,200}`            # quoted text
    | \b[a-z][a-z0-9+.-]*://[^\s,;)>\]]+                        # URLs
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+                              # addresses of mail
    | (?<![\w.])(?:~|\.{1,2})?(?:/[\w.@%+~-]+){2,}/?            # paths
    | \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b  # UUIDs
    | \b0[xX][0-9a-fA-F]+\b
    | \b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}\b     # hexadecimal ids
    | \b(?=[\w-]*\d[\w-]*\d)[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*\d[\w-]*   # ids such as order-17-b
    | [-+]?\d[\d.,:]*\d | \d                                    # numbers, times
    """,
    re.VERBOSE,
)
_REPEATED: Final = re.compile(rf"{ANYTHING}(?:[\s,:;.-]*{ANYTHING})+")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Failures with messages like one another; `line` is that of the newest.

    `pattern` is the message with … for what varies. `search` finds these jobs, as closely as the
    constant parts of the message tell: a message that holds them all matches as well.
    """

    pattern: str
    line: str
    count: int
    first_at: float
    last_at: float
    jids: tuple[str, ...]
    search: str


def fingerprint(message: str) -> str:
    """Return the error of a message with … in place of numbers, ids, quoted text and paths."""
    line = " ".join(error_line(message)[:_MAX_LINE].split())
    return _REPEATED.sub(ANYTHING, _VARIABLE.sub(ANYTHING, line))


def clusters(
    group: str, texts: Iterable[FailureText], shown: Callable[[str], str] = str
) -> list[Cluster]:
    """Cluster failures, the largest cluster first; `shown` redacts a message."""
    found: dict[str, list[FailureText]] = {}
    for one in texts:
        found.setdefault(fingerprint(shown(one.message)), []).append(one)
    made = [_cluster(group, pattern, some, shown) for pattern, some in found.items()]
    return sorted(made, key=lambda one: (-one.count, -one.last_at))


def _cluster(
    group: str, pattern: str, texts: Sequence[FailureText], shown: Callable[[str], str]
) -> Cluster:
    newest = max(texts, key=lambda one: one.failed_at)
    return Cluster(
        pattern=pattern,
        line=" ".join(error_line(shown(newest.message))[:_MAX_LINE].split()),
        count=len(texts),
        first_at=min(one.failed_at for one in texts),
        last_at=newest.failed_at,
        jids=tuple(one.jid for one in texts[:_MAX_EXAMPLES]),
        search=search_of(group, pattern),
    )


def search_of(group: str, pattern: str) -> str:
    """Return a search for the failed jobs of a group whose error has the parts of a pattern."""
    pieces = [piece.strip() for piece in pattern.split(ANYTHING)]
    longest = sorted((one for one in pieces if len(one) >= _LEAST_PIECE), key=len)[-_MAX_PIECES:]
    terms = [f"error:{quote(one)}" for one in pieces if one in longest]
    return " ".join(["state:failed", f"group:{quote(group)}", *dict.fromkeys(terms)])


def most_common(values: Iterable[str], most: int = 10) -> list[tuple[str, int]]:
    """Return the most frequent values with their numbers."""
    return Counter(value for value in values if value).most_common(most)
