"""Runs rules over a store that others are changing: many at once, and exactly before reporting.

A rule is a generator: it yields lists of read commands, is sent their replies, and returns what it
found. So a thousand rules share each round trip, and one whose reads may have been torn apart by a
transition can be repeated with proof that all its replies belong to one instant.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, ParamSpec

import redis as redis_py

from qless_py.fsck.finding import Finding

Command = tuple[Any, ...]
Rule = Generator[list[Command], list[Any], list[Finding]]
Unit = Callable[[], Rule]

AT_ONCE = 1000
ATTEMPTS = 8

_Arguments = ParamSpec("_Arguments")


def unit(rule: Callable[_Arguments, Rule], *args: Any) -> Unit:
    """Bind a rule to its subject, so that it can be started more than once."""
    return partial(rule, *args)


def read(redis: redis_py.Redis, commands: list[Command], *, at_once: bool = False) -> list[Any]:
    """Read in one round trip; `at_once`: in one instant. A refused command reads as None."""
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
    """Run every unit and give only what is found again when it is looked at a second time.

    `refresh` is called before each further look: whatever rules share must be read anew, and with
    what the rule itself reads, or both would not have been true at the same time.
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
            commands, found = _advance(rule, reply)
            if commands is None:
                suspects += [one] if found else []
            else:
                waiting.append((one, rule))
                wanted.append(commands)
        answers = iter(read(redis, [command for commands in wanted for command in commands]))
        replies = [list(islice(answers, len(commands))) for commands in wanted]
        running = waiting
    return suspects


def _advance(rule: Rule, reply: list[Any] | None) -> tuple[list[Command] | None, list[Finding]]:
    try:
        return (next(rule) if reply is None else rule.send(reply)), []
    except StopIteration as stop:
        return None, stop.value


def _confirmed(redis: redis_py.Redis, suspect: Unit, refresh: Callable[[], None]) -> list[Finding]:
    """Run one rule until all that it read was true at the same time."""
    for _ in range(ATTEMPTS):
        refresh()
        commands: list[Command] = []
        replies: list[Any] = []
        rule = suspect()
        wanted, found = _advance(rule, None)
        while wanted is not None:
            answers = read(redis, wanted)
            commands += wanted
            replies += answers
            wanted, found = _advance(rule, answers)
        if not found or read(redis, commands, at_once=True) == replies:
            return found
    # It changes faster than it can be read, so it is alive: nothing that was seen can be trusted.
    return []
