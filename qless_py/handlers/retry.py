"""Decide whether a job whose handler raised runs again, when, and at whose cost.

`RetryPolicy.decide` makes the decision from the exception and from the earlier tries of the job.
The parts of a policy come first: `Backoff` (how long to wait) and `RetryRule` (what to do about one
kind of exception). `QueuePolicies` reads the policies that queues have.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args

from redis.exceptions import RedisError

from qless_py.errors import BadArgumentError, QlessError
from qless_py.handlers import exceptions, resolve
from qless_py.handlers.outcomes import Discard, Outcome, Retry, Snooze
from qless_py.protocol import Call, arguments, config
from qless_py.protocol.options import Seconds

logger = logging.getLogger(__name__)

Custom = Callable[[int, Any], Seconds]
Load = Callable[[str], Any]

Action = Literal["retry", "snooze", "discard", "fail"]
ACTIONS: Final = get_args(Action)
_BY_STRICTNESS: Final = ("fail", "retry", "snooze", "discard")
_MAX_TEXT: Final = 4000  # bytes that the store keeps of a policy, or of the tries under it
_MAX_WAIT: Final = 3155760000.0
_MAX_FACTOR: Final = 1000.0
_BACKOFF_KEYS: Final = frozenset({"first", "factor", "most", "jitter", "by"})
_RULE_KEYS: Final = frozenset({"then", "backoff", "retries", "within"})
_POLICY_KEYS: Final = frozenset({"backoff", "on", "retries", "within"})
_REREAD_AFTER: Final = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before each retry; made by `fixed`, `exponential` or `custom`.

    The wait before the first retry is `first` seconds and grows by `factor` with each further one,
    up to `most`. `jitter` is the share of the wait that is random, from 0 (none) to 1 (anything
    from 0 on): it spreads jobs that failed together. 1 is the "full jitter" and 0.5 the "equal
    jitter" of M. Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).
    """

    first: float = 1.0
    factor: float = 1.0
    most: float = _MAX_WAIT
    jitter: float = 0.0
    by: Custom | str | None = None

    def __post_init__(self) -> None:
        for name in ("first", "most"):
            arguments.span(name, getattr(self, name))
        _check_range("factor", self.factor, 1.0, _MAX_FACTOR)
        _check_range("jitter", self.jitter, 0.0, 1.0)
        by: Any = self.by
        if not (by is None or callable(by) or (isinstance(by, str) and by)):
            raise BadArgumentError(f"by {self.by!r} is neither a function nor the name of one")

    @classmethod
    def fixed(cls, seconds: float, jitter: float = 0.0) -> Backoff:
        """Wait equally long before each retry."""
        return cls(first=seconds, jitter=jitter)

    @classmethod
    def exponential(
        cls, first: float = 1.0, factor: float = 2.0, most: float = 3600.0, jitter: float = 0.5
    ) -> Backoff:
        """Wait first, first * factor, first * factor ** 2, … seconds, at most `most`."""
        return cls(first, factor, most, jitter)

    @classmethod
    def custom(cls, by: Custom | str) -> Backoff:
        """Wait as many seconds as a function of the retry's number and the exception returns.

        In a policy stored with a job or a queue, pass the function's dotted name; a worker calls
        it only if it is in a module that the worker may run.
        """
        return cls(by=by)

    def seconds(
        self, number: int, error: BaseException | None = None, load: Load = resolve.load
    ) -> float:
        """Return the wait before retry `number`, from 1; `load` imports a named function."""
        if self.by is not None:
            function = load(self.by) if isinstance(self.by, str) else self.by
            return arguments.span("seconds from the backoff", function(number, error)) / 1000
        # Beyond 100 doublings the wait is over the limit, and the power might overflow.
        grown = self.first * self.factor ** min(number - 1, 100)
        longest = min(grown, self.most)
        return longest - self.jitter * longest * random.random()  # noqa: S311 - no secret

    def as_map(self) -> dict[str, Any]:
        """Return the backoff as a map for JSON."""
        if self.by is not None:
            return {"by": arguments.klass_name(self.by)}
        return {name: getattr(self, name) for name in ("first", "factor", "most", "jitter")}

    @classmethod
    def of(cls, value: Any) -> Backoff:
        """Return the backoff that `value` describes: a backoff, its map, or seconds."""
        if isinstance(value, Backoff):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return cls.fixed(value)
        if not isinstance(value, Mapping):
            raise BadArgumentError(f"backoff {value!r} is neither a map nor a number of seconds")
        return cls(**_known("backoff", value, _BACKOFF_KEYS))


@dataclass(frozen=True, slots=True)
class RetryRule:
    """What to do with a job that raised one kind of exception.

    `then` is `retry`, `snooze` (run later without spending a retry), `discard` or `fail`. Snoozes
    are not counted, so with `snooze` each wait is the first of the backoff: it never grows.
    `retries` is a budget of this rule, spent instead of the job's retries. `within` limits retries
    to that many seconds after the first failed run started, by the clock of the server.
    """

    then: Action = "retry"
    backoff: Backoff = field(default_factory=Backoff.exponential)
    retries: int | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        arguments.choice("then", self.then, ACTIONS)
        _check_budget(self.retries, self.within)
        if self.then != "retry" and (self.retries, self.within) != (None, None):
            raise BadArgumentError(
                f"a rule with then={self.then!r} takes no budget: leave out retries and within"
            )

    def as_map(self) -> dict[str, Any]:
        """Return the rule as a map for JSON."""
        if self.then in {"discard", "fail"}:
            return {"then": self.then}
        budget = _without_none(retries=self.retries, within=self.within)
        return {"then": self.then, "backoff": self.backoff.as_map(), **budget}

    @classmethod
    def of(cls, value: Any) -> RetryRule:
        """Return the rule that `value` describes: a rule, its map, an action, or a backoff."""
        if isinstance(value, RetryRule):
            return value
        if isinstance(value, str):
            return cls(then=cast("Action", value))
        if not isinstance(value, Mapping) or "then" not in value:
            return cls(backoff=Backoff.of(value))
        known = _known("rule", value, _RULE_KEYS)
        if "backoff" in known:
            known["backoff"] = Backoff.of(known["backoff"])
        return cls(**known)


class RetryPolicy:
    """Which exceptions run a job again.

    With only a `backoff`, or without arguments, every `Exception` does. `on` maps exceptions (the
    class or its dotted name) to a `RetryRule`, a `Backoff` or an action. If several match, the one
    closest to the exception's own class applies; if none matches, `backoff` applies, and without a
    `backoff` the job fails. A group of exceptions counts as its strictest member, unless a rule
    names its class; an exception that no rule matches is the strictest.

    A retry spends one of the job's retries unless there is a budget: `retries` of the rule, or of
    the policy, which all its rules share. When the budget is spent, or the next run would start
    later than `within` seconds after the first failed one, the job fails with the exception.

    An exception may have an attribute `retry_after`: the wait is not shorter than these seconds,
    for example those that a service has asked for. One with a true attribute `never_retry` reaches
    no policy; it fails its job.

    A job uses the policy of its put, else the attribute `retry` of its class, else the option
    `<queue>-retry-policy` of its queue (a policy as JSON), else the option `retry` of its worker.
    Exceptions that the decorator `retry` or the middleware `RetryOn` handles reach no policy.
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
        if on is not None and not isinstance(on, Mapping):
            raise BadArgumentError(f"on {on!r} is not a map of exceptions to rules")
        rules = {_name(kind): RetryRule.of(rule) for kind, rule in (on or {}).items()}
        if backoff is not None or on is None:
            chosen = Backoff.exponential() if backoff is None else Backoff.of(backoff)
            rules.setdefault("Exception", RetryRule(backoff=chosen))
        _check_budget(retries, within)
        self._on, self._retries, self._within = rules, retries, within

    @property
    def attempts(self) -> int | None:
        """How often a handler that raises is run; None if the policy has no budget of its own."""
        return None if self._retries is None else self._retries + 1

    def as_map(self) -> dict[str, Any]:
        """Return the policy as a map for JSON."""
        on = {name: rule.as_map() for name, rule in self._on.items()}
        return {"on": on, **_without_none(retries=self._retries, within=self._within)}

    def text(self) -> str:
        """Return the policy as the JSON that is stored."""
        text = json.dumps(self.as_map(), separators=(",", ":"))
        if len(text) > _MAX_TEXT:
            raise BadArgumentError(
                f"the retry policy has {len(text)} bytes of JSON, at most {_MAX_TEXT} fit"
            )
        return text

    @classmethod
    def of(cls, value: Any) -> RetryPolicy:
        """Return the policy that `value` describes: a policy, its map or JSON, or a backoff."""
        if isinstance(value, RetryPolicy):
            return value
        if isinstance(value, str):
            return cls.of(_parse(value))
        if isinstance(value, Mapping) and value.keys() & _POLICY_KEYS:
            return cls(**_known("retry policy", value, _POLICY_KEYS))
        return cls(Backoff.of(value))

    def decide(
        self, error: BaseException, tries: Tries, load: Load = resolve.load
    ) -> Outcome | None:
        """Return what to do with a job that raised `error`, or None to let it fail."""
        name, error = self._match(error)
        if name is None:
            return None
        rule = self._on[name]
        if rule.then == "fail":
            return None
        if rule.then == "discard":
            return Discard(exceptions.line(error))
        number = tries.number(name)
        delay = max(rule.backoff.seconds(number + 1, error, load), _asked_for(error))
        if rule.then == "snooze":
            return Snooze(max(delay, 0.001))
        if self._is_spent(rule, number, tries, delay):
            return None
        retry = Retry(delay)
        retry.tries = tries.with_one_more(name)
        retry.has_own_budget = rule.retries is not None or self._retries is not None
        return retry

    def _match(self, error: BaseException) -> tuple[str | None, BaseException]:
        """Return the name of the rule that applies, and the exception that it applies to.

        A rule for a class of groups applies to a whole group. Otherwise each member has its rule,
        and the strictest decides: no rule, which fails the job, then fail, retry, snooze, discard.
        """
        kinds = exceptions.classes(error)
        if not exceptions.is_a(error, BaseExceptionGroup):
            return self._rule_for(kinds), error
        groups = [one for one in kinds if issubclass(one, BaseExceptionGroup)]
        name = self._rule_for(groups)
        if name is not None:
            return name, error
        matched = [
            (self._rule_for(exceptions.classes(one)), one) for one in exceptions.members(error)
        ]
        return min(matched, key=lambda pair: self._leniency(pair[0]))

    def _rule_for(self, kinds: Sequence[type]) -> str | None:
        return next((name for name in _matching_names(kinds) if name in self._on), None)

    def _leniency(self, name: str | None) -> int:
        return -1 if name is None else _BY_STRICTNESS.index(self._on[name].then)

    def _is_spent(self, rule: RetryRule, number: int, tries: Tries, delay: float) -> bool:
        counts = ((rule.retries, number), (self._retries, tries.total))
        if any(most is not None and used >= most for most, used in counts):
            return True
        next_start = tries.age + delay
        return any(most is not None and next_start > most for most in (rule.within, self._within))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RetryPolicy) and self.as_map() == other.as_map()

    def __hash__(self) -> int:
        return hash(self.text())

    def __repr__(self) -> str:
        return f"RetryPolicy.of({self.text()!r})"


@dataclass(frozen=True, slots=True)
class Tries:
    """The failed runs of a job that a policy retried, counted by the name of the rule.

    `since` is when the first of them was popped, `now` when the present run was.
    """

    now: float
    since: float
    counts: Mapping[str, int]

    @classmethod
    def of(cls, stored: str | None, now: float) -> Tries:
        """Read what `with_one_more` wrote; anything unreadable counts as no tries."""
        try:
            value = json.loads(stored or "{}")
            counts = {str(name): int(count) for name, count in value["counts"].items()}
            return cls(now, arguments.finite("since", value["since"]), counts)
        except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
            return cls(now, now, {})

    @property
    def total(self) -> int:
        """The number of retried runs, under any rule."""
        return sum(self.counts.values())

    @property
    def age(self) -> float:
        """Seconds from the start of the first retried run to that of the present one."""
        return self.now - self.since

    def number(self, name: str) -> int:
        """Return the number of runs retried under a rule."""
        return self.counts.get(name, 0)

    def with_one_more(self, name: str) -> str:
        """Return what to store with the job when the present run is retried under a rule."""
        counts = {**self.counts, name: self.number(name) + 1}
        return json.dumps({"since": self.since, "counts": counts}, separators=(",", ":"))


class QueuePolicies:
    """The option `<queue>-retry-policy` of each queue, read again after ten seconds.

    Needed only when a handler raised. While the store is unreachable, the last known policies
    apply. `run` sends a call to the store of the job.
    """

    def __init__(self) -> None:
        self._read_at = -_REREAD_AFTER
        self._config: Mapping[str, Any] = {}

    def of(self, queue: str, run: Callable[[Call[Any]], Any]) -> RetryPolicy | None:
        """Return the policy of a queue, or None if it has none."""
        if self._is_stale():
            try:
                self._config = run(config.read())
                self._read_at = time.monotonic()
            except (RedisError, QlessError, OSError) as error:
                _warn(error)
        return self._policy(queue)

    async def of_async(self, queue: str, run: Callable[[Call[Any]], Any]) -> RetryPolicy | None:
        """Return the policy of a queue through a client of either kind."""
        if self._is_stale():
            try:
                answer = run(config.read())
                self._config = await answer if hasattr(answer, "__await__") else answer
                self._read_at = time.monotonic()
            except (RedisError, QlessError, OSError) as error:
                _warn(error)
        return self._policy(queue)

    def _is_stale(self) -> bool:
        return time.monotonic() - self._read_at >= _REREAD_AFTER

    def _policy(self, queue: str) -> RetryPolicy | None:
        stored = self._config.get(f"{queue}-retry-policy")
        try:
            return None if stored is None else RetryPolicy.of(stored)
        except QlessError as error:
            logger.error("invalid option %s-retry-policy: %s", queue, error)  # noqa: TRY400 - expected
            return None


def _warn(error: Exception) -> None:
    logger.warning("cannot read the retry policies of queues: %s", error)


def _asked_for(error: BaseException) -> float:
    """Return the seconds in the attribute `retry_after` of an exception, 0 if there are none."""
    try:
        return min(max(0.0, arguments.finite("retry_after", error.retry_after)), _MAX_WAIT)  # type: ignore[attr-defined]
    except BaseException:  # noqa: BLE001 - none, no number, or whatever __getattr__ raises
        return 0.0


def _matching_names(kinds: Sequence[type]) -> Iterator[str]:
    """Yield the names of the rules that match an exception of these classes, the closest first."""
    for one in kinds:
        if one is object:
            continue
        yield _name(one)
        if one.__module__ == "builtins":
            yield f"builtins.{one.__qualname__}"


def _name(kind: type[BaseException] | str) -> str:
    if isinstance(kind, str):
        return arguments.line("on", kind)
    if BaseException not in getattr(kind, "__mro__", ()):
        raise BadArgumentError(f"on has {kind!r}, which is not an exception class")
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _check_budget(retries: Any, within: Any) -> None:
    if retries is not None:
        arguments.whole("retries", retries, 0, arguments.MAX_RETRIES)
    if within is not None:
        arguments.span("within", within)


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    if not low <= arguments.finite(name, value) <= high:
        raise BadArgumentError(f"{name} {value!r} is not between {low:g} and {high:g}")


def _known(what: str, value: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    unknown = value.keys() - known
    if unknown:
        raise BadArgumentError(
            f"{what} has unknown keys {', '.join(sorted(map(str, unknown)))}; "
            f"known are {', '.join(sorted(known))}"
        )
    return dict(value)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _parse(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadArgumentError(f"the retry policy is not JSON: {error}") from None
    if isinstance(value, str):
        raise BadArgumentError(f"the retry policy {value!r} is a string, not a map or seconds")
    return value


# While the store is unreachable; processes that lost it together spread their attempts.
RECONNECT: Final = Backoff.exponential(first=0.05, most=5.0)
