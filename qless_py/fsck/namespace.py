"""The namespace under examination, and what its rules share."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.layout import TYPES, Keys, raw_bytes, text
from qless_py.fsck.rules import Command, Finding, Rule, RuleEnded

Fits = Callable[[Any], bool]

# Releases that are searched for the one that a job still waits for, at most.
RELEASES = 100_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """A read command, the test of its reply, and the finding if the reply does not fit."""

    command: Command
    fits: Fits
    finding: Finding


class Namespace:
    """The namespace that is examined."""

    def __init__(self, namespace: str) -> None:
        self.keys = Keys(namespace)
        # The counter of the namespace as last read; it only grows.
        self.sequence = 0
        self._releases: dict[str, list[str]] | None = None

    def key(self, pattern: str, name: str = "") -> bytes:
        """Return a key."""
        return self.keys.make(pattern, name)

    def shown(self, pattern: str, name: str = "") -> str:
        """Return a key as text, for a finding."""
        return text(self.key(pattern, name))

    def refresh(self) -> None:
        """Discard what was read for all rules: a rule is about to be repeated."""
        self._releases = None

    @contextlib.contextmanager
    def reading(
        self, pattern: str, name: str, jid: str | None = None, member: bytes = b""
    ) -> Iterator[None]:
        """End the rule with a finding if a value of this key cannot be unpacked in the block."""
        try:
            yield
        except records.UnreadableError as error:
            finding = Finding("unreadable", self.shown(pattern, name), str(error), jid, member)
            raise RuleEnded(finding) from error

    def expect(
        self,
        command: tuple[str, tuple[str, str], *tuple[Any, ...]],
        fits: Fits,
        finding: tuple[str, str, str | None],
    ) -> Expectation:
        """Return what a command of a key, given as (pattern, name), must reply.

        `finding` is the kind, the detail and the jid of the finding otherwise.
        """
        verb, (pattern, name), *more = command
        kind, detail, jid = finding
        member = more[0] if more else b""
        wrong = Finding(kind, self.shown(pattern, name), detail, jid, member)
        return Expectation((verb, self.key(pattern, name), *more), fits, wrong)

    def known_queue(self, queue: str) -> Expectation:
        """Return that a queue must be listed."""
        member = raw_bytes(queue)
        detail = f"the queue {queue} is in use, but not listed"
        command = ("ZSCORE", ("queues", ""), member)
        return self.expect(command, is_there, ("unknown-queue", detail, None))

    def job(self, jid: str) -> Generator[list[Command], list[Any], records.Record | None]:
        """Read a job; an unreadable one is reported by the rule for jobs only."""
        (value,) = yield [("GET", self.key("job:*", jid))]
        try:
            return records.job(value)
        except records.UnreadableError:
            return records.Record({"state": "unreadable"}, b"")

    def releases_of(self, parent: str) -> Generator[list[Command], list[Any], list[str]]:
        """Read the tokens of the pending releases of a parent."""
        if self._releases is None:
            found: dict[str, list[str]] = {}
            (tokens,) = yield [("ZRANGE", self.key("releases"), 0, RELEASES - 1)]
            for token in map(text, tokens or []):
                (value,) = yield [("GET", self.key("release:*:record", token))]
                if value is None:
                    continue
                with contextlib.suppress(records.UnreadableError):  # Reported by its own rule.
                    record = records.packed_map(value)
                    found.setdefault(str(record.get("parent")), []).append(token)
            self._releases = found
        return self._releases.get(parent, [])


def unmet(expectations: list[Expectation]) -> Rule:
    """Read for all expectations in one round; return the findings of those that are not met."""
    replies = yield [one.command for one in expectations]
    return [
        one.finding for one, reply in zip(expectations, replies, strict=True) if not one.fits(reply)
    ]


def is_there(reply: Any) -> bool:
    """Return whether a read found anything; a score of zero counts."""
    return reply is not None and (isinstance(reply, float) or reply != 0)


def equals(wanted: Any) -> Fits:
    """Return the test for exactly this reply."""
    return lambda reply: bool(reply == wanted)


def number(stored: Any, default: int = 0) -> int:
    """Return a stored whole number, the default for anything else."""
    try:
        return int(stored)
    except (TypeError, ValueError):
        return default


def late_task(ns: Namespace, task: str, instant: float, noted: float | None) -> Rule:
    """Check that a maintenance task is due at `instant` or earlier."""
    if noted is not None and noted > instant:
        # A task that is long overdue has the time of the last call as its instant.
        (time,) = yield [("HGET", ns.key("meta"), b"time")]
        instant = max(instant, number(time))
    if noted is not None and noted <= instant:
        return []
    detail = f"{task} must be due by {instant:.0f}, but is due at {noted}"
    return [Finding("due", ns.shown("due"), detail, member=raw_bytes(task))]


def still_there(ns: Namespace, pattern: str, name: str, finding: Finding) -> Rule:
    """Report an entry unless it was removed since it was listed."""
    verb = "ZSCORE" if TYPES[pattern] == "zset" else "SISMEMBER"
    (score,) = yield [(verb, ns.key(pattern, name), finding.member)]
    if score is None or (verb == "SISMEMBER" and not score):
        return []
    return [finding]
