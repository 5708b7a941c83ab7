"""Which queues the next job may come from, and which of them is asked first.

    worker = OrderedReserver(["urgent", "mail-*", "!mail-slow"])

An entry is a queue by its name; a pattern, in which each `*` stands for any characters; or either
of them behind a `!`: what is not to be taken. Patterns are held against the known queues by every
pop anew, so a queue that is new is taken from at once. A queue that is named keeps the place of its
name; one that fits a pattern gets the place of the first that it fits, in alphabetical order. At
most 100 entries, 20 of them patterns. Where more than 5,000 queues are known, each pop looks at
some 5,000 of them, drawn anew.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as checks

MOST_PATTERNS: Final = 20
TURNS: Final = 2**31
_PATTERN: Final = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.:@~+*-]{0,127}", re.ASCII)
_LEAST_WEIGHT: Final = 1e-6
_LARGEST_WEIGHT: Final = 1e6


class Reserver:
    """Says before each pop what to take from; subclass it for an order of one's own.

    A worker asks `entries` and then `options`, once each for every pop, in each of its children:
    what a reserver remembers is remembered for one child. Neither may raise nor take long.
    """

    def entries(self) -> Sequence[str]:
        """Give the queues for the next pop, in order of preference: 1 to 100 entries."""
        raise NotImplementedError

    def options(self) -> Mapping[str, Any]:
        """Give the options of the next pop: `order`, `turn` and `weights`; by default none."""
        return {}


class OrderedReserver(Reserver):
    """The first queue that has a job; a later one only gets what the earlier ones leave."""

    def __init__(self, queues: Iterable[str]) -> None:
        self._entries = entries(queues)

    def entries(self) -> Sequence[str]:
        """Give the queues as they were given."""
        return self._entries

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._entries!r})"


class RoundRobinReserver(OrderedReserver):
    """Each queue that has jobs in its turn, one turn for each pop.

    `turn` says which one begins; by default the children of a worker begin at different ones.
    """

    def __init__(self, queues: Iterable[str], turn: int | None = None) -> None:
        super().__init__(queues)
        self._turn = None if turn is None else checks.whole("turn", turn, 0, TURNS - 1)

    def options(self) -> Mapping[str, Any]:
        """Give the next turn."""
        # Drawn at the first use, so that forked processes do not begin alike.
        turn = secrets.randbelow(TURNS) if self._turn is None else self._turn
        self._turn = (turn + 1) % TURNS
        return {"order": "round-robin", "turn": turn}


class ShuffledReserver(OrderedReserver):
    """All queues alike, in an order that is drawn for each pop."""

    def options(self) -> Mapping[str, Any]:
        """Draw."""
        return {"order": "shuffled", "turn": secrets.randbelow(TURNS)}


class WeightedReserver(OrderedReserver):
    """In an order that is drawn for each pop: of those with jobs, each first as often as it weighs.

    Weights belong to entries, 1 if not given; each queue that fits a pattern has its weight.
    """

    def __init__(self, queues: Iterable[str], weights: Mapping[str, float]) -> None:
        super().__init__(queues)
        self._weights = _weights(weights, self._entries)

    def options(self) -> Mapping[str, Any]:
        """Draw."""
        return {"order": "weighted", "turn": secrets.randbelow(TURNS), "weights": self._weights}


class CallableReserver(Reserver):
    """A function that gives the entries for the next pop."""

    def __init__(self, choose: Callable[[], Iterable[str]]) -> None:
        self._choose = choose

    def entries(self) -> Sequence[str]:
        """Ask the function."""
        return entries(self._choose())


Queues = Reserver | Callable[[], Iterable[str]] | Iterable[str]
"""Whatever says which queues to take from: a reserver, a function, or entries in their order."""


def reserver(queues: Queues) -> Reserver:
    """Give the reserver that this stands for."""
    if isinstance(queues, Reserver):
        return queues
    if callable(queues):
        return CallableReserver(queues)
    return OrderedReserver(queues)


def entries(queues: Any) -> list[str]:
    """Check entries: names, patterns, and what not to take."""
    if isinstance(queues, str | bytes | Mapping) or not isinstance(queues, Iterable):
        raise BadArgumentError(f"queues {queues!r} is not a list of queues")
    checked = list(dict.fromkeys(_entry(one) for one in queues))
    if all(one.startswith("!") for one in checked):
        raise BadArgumentError(f"queues {checked!r} says nothing that may be taken")
    if len(checked) > checks.MOST_AT_ONCE:
        raise BadArgumentError(f"queues has {len(checked)} entries, over {checks.MOST_AT_ONCE}")
    patterns = sum("*" in one for one in checked)
    if patterns > MOST_PATTERNS:
        raise BadArgumentError(f"queues has {patterns} patterns, over {MOST_PATTERNS}")
    return checked


def takes(given: Iterable[str], queue: str) -> bool:
    """Tell whether these entries take from a queue of that name."""
    wanted = False
    for entry in given:
        if not wanted and not entry.startswith("!"):
            wanted = fits(entry, queue)
        elif entry.startswith("!") and fits(entry[1:], queue):
            return False
    return wanted


def fits(pattern: str, name: str) -> bool:
    """Tell whether a whole name is of this form, each `*` standing for any characters."""
    if "*" not in pattern:
        return pattern == name
    first, *middle, last = pattern.split("*")
    if not name.startswith(first):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, max(end, at))
        if found < 0:
            return False
        at = found + len(part)
    return at <= end and name.endswith(last)


def _entry(value: Any) -> str:
    text = value.removeprefix("!") if isinstance(value, str) else ""
    if _PATTERN.fullmatch(text) is None:
        raise BadArgumentError(
            f"queues holds {value!r}, which is no name, pattern with *, or either behind a !"
        )
    return str(value)


def _weights(weights: Any, known: Sequence[str]) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise BadArgumentError(f"weights {weights!r} is not a mapping from queues to numbers")
    checked = {}
    for entry, weight in weights.items():
        if entry not in known:
            raise BadArgumentError(f"weights holds {entry!r}, which is none of the queues")
        if not _LEAST_WEIGHT <= checks.finite(f"weight of {entry}", weight) <= _LARGEST_WEIGHT:
            raise BadArgumentError(
                f"weight {weight!r} of {entry} is not from {_LEAST_WEIGHT:g} to {_LARGEST_WEIGHT:g}"
            )
        checked[entry] = weight
    return checked
