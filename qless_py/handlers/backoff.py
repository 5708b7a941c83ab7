"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.handlers import resolve as handlers
from qless_py.protocol import arguments as options

Custom = Callable[[int, BaseException], options.Seconds]
Load = Callable[[str], Any]

_LONGEST: Final = 3155760000.0
_STEEPEST: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before the n-th retry, n from 1; made by `fixed`, `exponential` or `custom`.

    The wait grows from `first` by `factor` each time, up to `most` seconds; `jitter` is the share
    of it that is left to chance, from 0 (none) to 1 (anything from 0 on). Chance keeps jobs that
    failed together from coming back together: with 1 this is the "full jitter", with 0.5 the
    "equal jitter" of M. Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).
    """

    first: float = 1.0
    factor: float = 1.0
    most: float = _LONGEST
    jitter: float = 0.0
    by: Custom | str | None = None

    def __post_init__(self) -> None:
        for what in ("first", "most"):
            options.span(what, getattr(self, what))
        _between("factor", self.factor, 1.0, _STEEPEST)
        _between("jitter", self.jitter, 0.0, 1.0)
        _check_function(self.by)

    @classmethod
    def fixed(cls, seconds: float, jitter: float = 0.0) -> Backoff:
        """Wait the same each time."""
        return cls(first=seconds, jitter=jitter)

    @classmethod
    def exponential(
        cls, first: float = 1.0, factor: float = 2.0, most: float = 3600.0, jitter: float = 0.5
    ) -> Backoff:
        """Wait longer each time: first, first * factor, first * factor ** 2, … up to most."""
        return cls(first, factor, most, jitter)

    @classmethod
    def custom(cls, by: Custom | str) -> Backoff:
        """Wait what a function of the number of the retry and the exception says, in seconds.

        In a policy that is stored with a job or a queue the function is named; a worker calls it
        only if it is below a module that the worker may run.
        """
        return cls(by=by)

    def seconds(self, number: int, error: BaseException, load: Load = handlers.load) -> float:
        """Give the wait before this retry; `load` finds a function that is named."""
        if self.by is not None:
            custom = load(self.by) if isinstance(self.by, str) else self.by
            return options.span("what the backoff says", custom(number, error)) / 1000
        # Whatever the power would overflow to is over the limit anyway.
        grown = self.first * self.factor ** min(number - 1, 100)
        longest = min(grown, self.most)
        return longest - self.jitter * longest * random.random()  # noqa: S311 - no secret

    def as_map(self) -> dict[str, Any]:
        """Give what JSON can carry."""
        if self.by is not None:
            return {"by": options.klass_name(self.by)}
        return {name: getattr(self, name) for name in ("first", "factor", "most", "jitter")}

    @classmethod
    def of(cls, value: Any) -> Backoff:
        """Read what `as_map` gives, or a number of seconds."""
        if isinstance(value, Backoff):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return cls.fixed(value)
        if not isinstance(value, Mapping):
            raise BadArgumentError(f"backoff {value!r} is neither a map nor seconds")
        unknown = value.keys() - {"first", "factor", "most", "jitter", "by"}
        if unknown:
            raise BadArgumentError(f"a backoff has no {', '.join(sorted(map(str, unknown)))}")
        return cls(**value)


def _check_function(by: Any) -> None:
    if not (by is None or callable(by) or (isinstance(by, str) and by)):
        raise BadArgumentError(f"the backoff is by {by!r}, which is no function, nor its name")


def _between(what: str, value: Any, low: float, high: float) -> None:
    if not low <= options.finite(what, value) <= high:
        raise BadArgumentError(f"{what} {value!r} is not from {low:g} to {high:g}")
