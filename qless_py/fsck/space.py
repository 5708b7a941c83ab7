"""What the rules of one check share: the namespace, and what was read once for all of them."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from qless_py.fsck import records
from qless_py.fsck.finding import Finding
from qless_py.fsck.names import Keys, raw_bytes, text
from qless_py.fsck.reader import Command, Rule

Fits = Callable[[Any], bool]
Reading = Generator[list[Command], list[Any], Any]

# As many releases are looked through for the one that a job still waits for.
RELEASES = 100_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """A read, what its reply must be like, and what is wrong when it is not."""

    command: Command
    fits: Fits
    finding: Finding


class Space:
    """A namespace under examination."""

    def __init__(self, namespace: str) -> None:
        self.keys = Keys(namespace)
        # The counter of the namespace as last seen; it only grows.
        self.sequence = 0
        self._releases: dict[str, list[str]] | None = None

    def key(self, pattern: str, name: str = "") -> bytes:
        """Spell a key."""
        return self.keys.make(pattern, name)

    def shown(self, pattern: str, name: str = "") -> str:
        """Spell a key for people."""
        return text(self.key(pattern, name))

    def refresh(self) -> None:
        """Forget what was read for all, because a second look begins."""
        self._releases = None

    def expect(
        self,
        command: tuple[str, tuple[str, str], *tuple[Any, ...]],
        fits: Fits,
        finding: tuple[str, str, str | None],
    ) -> Expectation:
        """Expect something of one key, given as (pattern, name); finding: kind, detail, jid."""
        verb, (pattern, name), *more = command
        kind, detail, jid = finding
        member = more[0] if more else b""
        wrong = Finding(kind, self.shown(pattern, name), detail, jid, member)
        return Expectation((verb, self.key(pattern, name), *more), fits, wrong)

    def known_queue(self, queue: str) -> Expectation:
        """Expect a queue to be among the known ones."""
        member = raw_bytes(queue)
        detail = f"the queue {queue} is used and not known"
        command = ("ZSCORE", ("queues", ""), member)
        return self.expect(command, is_there, ("unknown-queue", detail, None))

    def job(self, jid: str) -> Generator[list[Command], list[Any], records.Record | None]:
        """Read a job; one that cannot be read is reported by the rule for jobs only."""
        (value,) = yield [("GET", self.key("job:*", jid))]
        try:
            return records.job(value)
        except records.UnreadableError:
            return records.Record({"state": "unreadable"}, b"")

    def releases_of(self, parent: str) -> Generator[list[Command], list[Any], list[str]]:
        """Give the tokens of the releases that a parent's end has left to be drained."""
        if self._releases is None:
            found: dict[str, list[str]] = {}
            (tokens,) = yield [("ZRANGE", self.key("releases"), 0, RELEASES - 1)]
            for token in map(text, tokens or []):
                (value,) = yield [("GET", self.key("release:*:record", token))]
                if value is not None:
                    record = records.packed_map(value)
                    found.setdefault(str(record.get("parent")), []).append(token)
            self._releases = found
        return self._releases.get(parent, [])


def judged(expectations: list[Expectation]) -> Rule:
    """Read for all expectations in one round and give what disappoints them."""
    replies = yield [one.command for one in expectations]
    return [
        one.finding for one, reply in zip(expectations, replies, strict=True) if not one.fits(reply)
    ]


def is_there(reply: Any) -> bool:
    """Tell whether a read found anything; a score of zero is something."""
    return reply is not None and (isinstance(reply, float) or reply != 0)


def equals(wanted: Any) -> Fits:
    """Give the test for exactly this reply."""
    return lambda reply: bool(reply == wanted)


def late(space: Space, duty: str, instant: float, noted: float | None) -> Rule:
    """Find a duty that will be looked at later than at `instant`, or never."""
    if noted is not None and noted > instant:
        # One that has been due for long is noted with the time at which it was last looked at.
        (time,) = yield [("HGET", space.key("meta"), b"time")]
        instant = max(instant, int(time or 0))
    if noted is not None and noted <= instant:
        return []
    detail = f"{duty} must be looked at by {instant:.0f}; noted is {noted}"
    return [Finding("due", space.shown("due"), detail, member=raw_bytes(duty))]
