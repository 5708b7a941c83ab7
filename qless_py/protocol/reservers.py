"""Which queues the next job may come from, and in which order.

    worker = OrderedReserver(["urgent", "mail-*", "!mail-slow"])

An entry is the name of a queue, a pattern in which each `*` matches any characters, or either of
them after a `!`, which excludes queues. Every pop matches patterns against the known queues, so new
queues are used at once. A named queue has the place of its entry; queues that match a pattern have
the place of the first one they match, in alphabetical order. At most 100 entries, 20 of them
patterns. With more than 5,000 known queues, each pop matches a random sample of about 5,000.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments

MAX_PATTERNS: Final = 20
TURNS: Final = 2**31
_PATTERN: Final = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.:@~+*-]{0,127}", re.ASCII)
_MIN_WEIGHT: Final = 1e-6
_MAX_WEIGHT: Final = 1e6


class Reserver:
    """Chooses the queues of each pop; subclass it for an order of your own.

    A worker calls `entries` and then `options` once per pop in each child, so a reserver's state
    is per child. Neither may raise or block.
    """

    def entries(self) -> Sequence[str]:
        """Return the entries for the next pop, in order of preference: 1 to 100 of them."""
        raise NotImplementedError

    def options(self) -> Mapping[str, Any]:
        """Return the options of the next pop: `order`, `turn` and `weights`; by default none."""
        return {}


class OrderedReserver(Reserver):
    """Strict order: a queue is served only while all earlier ones have no ready job."""

    def __init__(self, queues: Iterable[str]) -> None:
        self._entries = entries(queues)

    def entries(self) -> Sequence[str]:
        """Return the entries as they were passed."""
        return self._entries

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._entries!r})"


class RoundRobinReserver(OrderedReserver):
    """Each queue with ready jobs in turn, one turn per pop.

    `turn` sets which one begins; by default each child of a worker begins at a random one.
    """

    def __init__(self, queues: Iterable[str], turn: int | None = None) -> None:
        super().__init__(queues)
        self._turn = None if turn is None else arguments.whole("turn", turn, 0, TURNS - 1)

    def options(self) -> Mapping[str, Any]:
        """Return the next turn."""
        # Drawn at first use, so that forked processes begin at different turns.
        turn = secrets.randbelow(TURNS) if self._turn is None else self._turn
        self._turn = (turn + 1) % TURNS
        return {"order": "round-robin", "turn": turn}


class ShuffledReserver(OrderedReserver):
    """A random order for each pop, all queues alike."""

    def options(self) -> Mapping[str, Any]:
        """Return a random turn."""
        return {"order": "shuffled", "turn": secrets.randbelow(TURNS)}


class WeightedReserver(OrderedReserver):
    """A random order for each pop: queues with ready jobs come first in proportion to weight.

    Weights belong to entries, default 1; each queue that matches a pattern has its weight.
    """

    def __init__(self, queues: Iterable[str], weights: Mapping[str, float]) -> None:
        super().__init__(queues)
        self._weights = _weights(weights, self._entries)

    def options(self) -> Mapping[str, Any]:
        """Return a random turn."""
        return {"order": "weighted", "turn": secrets.randbelow(TURNS), "weights": self._weights}


class CallableReserver(Reserver):
    """A function that returns the entries for the next pop."""

    def __init__(self, choose: Callable[[], Iterable[str]]) -> None:
        self._choose = choose

    def entries(self) -> Sequence[str]:
        """Call the function and check its entries."""
        return entries(self._choose())


Queues = Reserver | Callable[[], Iterable[str]] | Iterable[str]
"""What chooses queues: a reserver, a function that returns entries, or entries in their order."""


def reserver(queues: Queues) -> Reserver:
    """Return the reserver that the argument describes."""
    if isinstance(queues, Reserver):
        return queues
    if callable(queues):
        return CallableReserver(queues)
    return OrderedReserver(queues)


def entries(queues: Any) -> list[str]:
    """Return valid entries without duplicates."""
    if isinstance(queues, str | bytes | Mapping) or not isinstance(queues, Iterable):
        raise BadArgumentError(f"queues {queues!r} is not a list of queues")
    checked = list(dict.fromkeys(_entry(one) for one in queues))
    if all(one.startswith("!") for one in checked):
        raise BadArgumentError(f"queues {checked!r} names no queue to pop from")
    if len(checked) > arguments.MAX_PER_CALL:
        raise BadArgumentError(f"queues has {len(checked)} entries, over {arguments.MAX_PER_CALL}")
    patterns = sum("*" in one for one in checked)
    if patterns > MAX_PATTERNS:
        raise BadArgumentError(f"queues has {patterns} patterns, over {MAX_PATTERNS}")
    return checked


def takes(given: Iterable[str], queue: str) -> bool:
    """Return whether the entries include a queue."""
    wanted = False
    for entry in given:
        if not wanted and not entry.startswith("!"):
            wanted = fits(entry, queue)
        elif entry.startswith("!") and fits(entry[1:], queue):
            return False
    return wanted


def fits(pattern: str, name: str) -> bool:
    """Return whether a name matches a pattern as a whole; `*` matches any characters."""
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


def is_pattern(value: Any) -> TypeGuard[str]:
    """Return whether a value is the name of a queue, or a pattern for such names."""
    return isinstance(value, str) and _PATTERN.fullmatch(value) is not None


def _entry(value: Any) -> str:
    if not isinstance(value, str) or not is_pattern(value.removeprefix("!")):
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
        if not _MIN_WEIGHT <= arguments.finite(f"weight of {entry}", weight) <= _MAX_WEIGHT:
            raise BadArgumentError(
                f"weight {weight!r} of {entry} is not from {_MIN_WEIGHT:g} to {_MAX_WEIGHT:g}"
            )
        checked[entry] = weight
    return checked
