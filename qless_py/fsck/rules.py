"""Run rules over a store that is in use: many at once, and each finding confirmed exactly.

A rule is a generator: it yields lists of read commands, is sent their replies, and returns its
findings. A thousand rules share each round trip. A rule that finds something is repeated until all
its reads are proved to belong to one instant: a transition between two reads causes no finding.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, ParamSpec

import redis as redis_py


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind, the key where it shows, and a description.

    `jid` is the job concerned, if any; `member` the entry of the key, where that is not the jid.
    """

    kind: str
    key: str
    detail: str
    jid: str | None = None
    member: bytes = b""

    def __str__(self) -> str:
        about = f" (job {self.jid})" if self.jid else ""
        return f"{self.kind}: {self.key}: {self.detail}{about}"


Command = tuple[Any, ...]
Rule = Generator[list[Command], list[Any], list[Finding]]
Unit = Callable[[], Rule]

AT_ONCE = 1000
# What a damaged value can cause in code that takes its form for granted.
_UNEXPECTED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
ATTEMPTS = 8

_Arguments = ParamSpec("_Arguments")


class RuleEnded(Exception):  # noqa: N818 - it ends a rule with its finding
    """A rule cannot continue, because a value it needs is damaged."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def unit(rule: Callable[_Arguments, Rule], *args: Any) -> Unit:
    """Bind a rule to its subject, so that it can be run more than once."""
    return partial(rule, *args)


def read(redis: redis_py.Redis, commands: list[Command], *, at_once: bool = False) -> list[Any]:
    """Read in one round trip, with `at_once` in one instant; a refused read replies None."""
    if not commands:
        return []
    with redis.pipeline(transaction=at_once) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies = pipeline.execute(raise_on_error=False)
    return [None if isinstance(reply, redis_py.ResponseError) else reply for reply in replies]


def findings(
    redis: redis_py.Redis, units: Iterable[Unit], refresh: Callable[[], None]
) -> Iterator[Finding]:
    """Run every unit and yield the findings that are confirmed by a second run.

    `refresh` is called before each further run: what rules share must be read again together with
    the reads of the rule, or they would not belong to one instant.
    """
    remaining = iter(units)
    while batch := list(islice(remaining, AT_ONCE)):
        for suspect in _suspects(redis, batch):
            yield from _confirmed(redis, suspect, refresh)


def _suspects(redis: redis_py.Redis, batch: list[Unit]) -> list[Unit]:
    suspects: list[Unit] = []
    running = [(one, one()) for one in batch]
    replies: list[list[Any] | None] = [None] * len(running)
    while running:
        waiting: list[tuple[Unit, Rule]] = []
        wanted: list[list[Command]] = []
        for (one, rule), reply in zip(running, replies, strict=True):
            asked, found = _advance(one, rule, reply)
            if asked is None:
                suspects += [one] if found else []
            else:
                waiting.append((one, rule))
                wanted.append(asked)
        # Many rules read the same record, so each command is sent once.
        commands = list(dict.fromkeys(chain.from_iterable(wanted)))
        answers = dict(zip(commands, read(redis, commands), strict=True))
        replies = [[answers[command] for command in asked] for asked in wanted]
        running = waiting
    return suspects


def _advance(
    one: Unit, rule: Rule, reply: list[Any] | None
) -> tuple[list[Command] | None, list[Finding]]:
    try:
        return (next(rule) if reply is None else rule.send(reply)), []
    except StopIteration as stop:
        return None, stop.value
    except RuleEnded as ended:
        return None, [ended.finding]
    except _UNEXPECTED as error:
        # The rules for single keys report what is wrong there; this one cannot judge by it.
        detail = f"not checked, for damage elsewhere: {error!r}"
        return None, [Finding("unchecked", _subject(one), detail)]


def _subject(one: Unit) -> str:
    """Return what a rule was about: its arguments."""
    return "/".join(str(argument) for argument in getattr(one, "args", ())[1:])


def _confirmed(redis: redis_py.Redis, suspect: Unit, refresh: Callable[[], None]) -> list[Finding]:
    """Run one rule until all that it read was true at the same instant."""
    for _ in range(ATTEMPTS):
        refresh()
        commands: list[Command] = []
        replies: list[Any] = []
        rule = suspect()
        wanted, found = _advance(suspect, rule, None)
        while wanted is not None:
            answers = read(redis, wanted)
            commands += wanted
            replies += answers
            wanted, found = _advance(suspect, rule, answers)
        if not found or read(redis, commands, at_once=True) == replies:
            return found
    # The keys change faster than they can be read: what was read proves nothing.
    return []
