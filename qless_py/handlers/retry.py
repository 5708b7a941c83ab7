"""Policies of retries: which exceptions run a job again, when, how often and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.handlers import resolve as handlers
from qless_py.handlers.backoff import Backoff, Load
from qless_py.handlers.outcomes import Discard, Outcome, Retry, Snooze
from qless_py.protocol import arguments as options

ACTIONS: Final = ("retry", "snooze", "discard", "fail")
_KEYS: Final = {"backoff", "on", "retries", "within"}
LONGEST: Final = 4000  # Bytes of a policy, or of what it remembers, that the store keeps.


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What becomes of a job that raised one kind of exception.

    `then` is `retry`, `snooze` (later, at no cost), `discard` or `fail`. `retries` is a budget of
    this rule's own, which is spent instead of the job's. `within` seconds of the first run that
    failed, by the clock of the server, another one may begin.
    """

    then: str = "retry"
    backoff: Backoff = field(default_factory=Backoff.exponential)
    retries: int | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        options.choice("then", self.then, ACTIONS)
        _check_budget(self.retries, self.within)
        if self.then != "retry" and (self.retries, self.within) != (None, None):
            raise BadArgumentError(f"only a retry has a budget, {self.then} has none")

    def as_map(self) -> dict[str, Any]:
        """Give what JSON can carry."""
        if self.then in {"discard", "fail"}:
            return {"then": self.then}
        budget = _given(retries=self.retries, within=self.within)
        return {"then": self.then, "backoff": self.backoff.as_map(), **budget}

    @classmethod
    def of(cls, value: Any) -> RetryRule:
        """Read what `as_map` gives; an action or a backoff alone is a rule, too."""
        if isinstance(value, RetryRule):
            return value
        if isinstance(value, str):
            return cls(then=value)
        if not isinstance(value, Mapping) or "then" not in value:
            return cls(backoff=Backoff.of(value))
        rest = _known(value, {"then", "backoff", "retries", "within"})
        if "backoff" in rest:
            rest["backoff"] = Backoff.of(rest["backoff"])
        return cls(**rest)


class RetryPolicy:
    """Which exceptions run a job again.

    With a `backoff` alone, or nothing at all, every `Exception` does. `on` names exceptions, by
    their class or its dotted name, with a `RetryRule`, a `Backoff` or an action for each; of
    those that fit, the closest to the exception's own class is taken. What fits none fails,
    unless there is a `backoff` for all others.

    A retry spends one of the job's own, unless a budget counts: `retries` of a rule, or those of
    the policy, which all its rules share. When they are spent, or no run could begin `within` so
    many seconds of the first failed one, the job fails with that exception.

    A job takes the policy of its put, else the attribute `retry` of its class, else the option
    `<queue>-retry-policy` of its queue, a policy as JSON.
    """

    __slots__ = ("_on", "_retries", "_within")

    def __init__(
        self,
        backoff: Backoff | float | None = None,
        *,
        on: Mapping[type[BaseException] | str, RetryRule | Backoff | float | str] | None = None,
        retries: int | None = None,
        within: float | None = None,
    ) -> None:
        rules = {_name(kind): RetryRule.of(rule) for kind, rule in _rules(on).items()}
        if backoff is not None or on is None:
            chosen = Backoff.exponential() if backoff is None else Backoff.of(backoff)
            rules.setdefault("Exception", RetryRule(backoff=chosen))
        _check_budget(retries, within)
        self._on, self._retries, self._within = rules, retries, within

    def as_map(self) -> dict[str, Any]:
        """Give what JSON can carry."""
        on = {name: rule.as_map() for name, rule in self._on.items()}
        return {"on": on, **_given(retries=self._retries, within=self._within)}

    def text(self) -> str:
        """Give the policy as the store keeps it."""
        written = json.dumps(self.as_map(), separators=(",", ":"))
        if len(written) > LONGEST:
            raise BadArgumentError(f"a policy has at most {LONGEST} bytes, this one {len(written)}")
        return written

    @classmethod
    def of(cls, value: Any) -> RetryPolicy:
        """Read a policy: itself, what `as_map` gives, that as JSON, or a backoff."""
        if isinstance(value, RetryPolicy):
            return value
        if isinstance(value, str):
            return cls.of(_json(value))
        if isinstance(value, Mapping) and value.keys() & _KEYS:
            return cls(**_known(value, _KEYS))
        return cls(Backoff.of(value))

    def decide(
        self, error: BaseException, tries: Tries, load: Load = handlers.load
    ) -> Outcome | None:
        """Say what becomes of the job that raised, knowing its earlier tries; None: it fails."""
        name = next((name for name in _names(type(error)) if name in self._on), None)
        if name is None:
            return None
        rule = self._on[name]
        if rule.then == "fail":
            return None
        if rule.then == "discard":
            return Discard(f"{type(error).__name__}: {error}")
        number = tries.number(name)
        wait = rule.backoff.seconds(number + 1, error, load)
        if rule.then == "snooze":
            return Snooze(max(wait, 0.001))
        if self._is_spent(rule, number, tries, wait):
            return None
        retry = Retry(wait)
        retry.tries = tries.one_more(name)
        retry.apart = rule.retries is not None or self._retries is not None
        return retry

    def _is_spent(self, rule: RetryRule, number: int, tries: Tries, wait: float) -> bool:
        counts = ((rule.retries, number), (self._retries, tries.total))
        if any(most is not None and used >= most for most, used in counts):
            return True
        later = tries.age + wait
        return any(most is not None and later > most for most in (rule.within, self._within))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RetryPolicy) and self.as_map() == other.as_map()

    def __hash__(self) -> int:
        return hash(self.text())

    def __repr__(self) -> str:
        return f"RetryPolicy.of({self.text()!r})"


@dataclass(frozen=True, slots=True)
class Tries:
    """What a job remembers of its runs that a policy gave another try.

    `since` is when the first of them had been handed out, `now` when the present one was.
    """

    now: float
    since: float
    counts: Mapping[str, int]

    @classmethod
    def of(cls, stored: str | None, now: float) -> Tries:
        """Read what `text` wrote; whatever else it is counts as nothing."""
        try:
            value = json.loads(stored or "{}")
            counts = {str(name): int(count) for name, count in value["counts"].items()}
            return cls(now, options.finite("since", value["since"]), counts)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
            return cls(now, now, {})

    @property
    def total(self) -> int:
        """How many there were, whatever the exception."""
        return sum(self.counts.values())

    @property
    def age(self) -> float:
        """Seconds between the first of them and the present one."""
        return self.now - self.since

    def number(self, name: str) -> int:
        """Give how many there were under a rule."""
        return self.counts.get(name, 0)

    def one_more(self, name: str) -> str:
        """Give what is to be remembered when the present run is given another try."""
        counts = {**self.counts, name: self.number(name) + 1}
        return json.dumps({"since": self.since, "counts": counts}, separators=(",", ":"))


def _names(kind: type[BaseException]) -> Iterator[str]:
    """Give the names under which a rule may stand, the closest first."""
    for one in kind.__mro__[:-1]:
        yield _name(one)
        if one.__module__ == "builtins":
            yield f"builtins.{one.__qualname__}"


def _name(kind: type[BaseException] | str) -> str:
    if isinstance(kind, str):
        return options.line("on", kind)
    if BaseException not in getattr(kind, "__mro__", ()):
        raise BadArgumentError(f"{kind!r} is not a class of exceptions")
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{where}{kind.__qualname__}"


def _rules(on: Any) -> Mapping[Any, Any]:
    if on is None:
        return {}
    if not isinstance(on, Mapping):
        raise BadArgumentError(f"on {on!r} is not a map of exceptions to rules")
    return on


def _check_budget(retries: Any, within: Any) -> None:
    if retries is not None:
        options.whole("retries", retries, 0, options.MOST_RETRIES)
    if within is not None:
        options.span("within", within)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _known(value: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    unknown = value.keys() - known
    if unknown:
        raise BadArgumentError(f"a policy has no {', '.join(sorted(map(str, unknown)))}")
    return dict(value)


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArgumentError(f"the policy is not JSON: {error}") from None
    if isinstance(value, str):
        raise BadArgumentError(f"{value!r} is not a policy")
    return value
