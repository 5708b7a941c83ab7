"""A child's line to the store: verdicts go out without waiting, their answers are read later.

One pipeline at a time is under way, on a connection of its own. What comes up meanwhile is kept and
travels with the next one, at the latest with the next request for jobs, whose answer is waited for:
so nobody takes jobs while verdicts are unanswered.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.exceptions import RedisError

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import (
    JobNotFoundError,
    LostLeaseError,
    StaleRequestError,
    StoreError,
)
from qless_py.handlers.retry import RECONNECT
from qless_py.protocol import Call
from qless_py.store.readable import readable
from qless_py.store.resend import PIPELINE, ResendPolicy
from qless_py.store.runner import Flight, Runner
from qless_py.worker import perform
from qless_py.worker.control_pipe import Orders
from qless_py.worker.perform import Verdict

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY: Final = (RedisError, StoreError, OSError)  # What being without a store looks like.
_TOO_LATE: Final = (LostLeaseError, JobNotFoundError, StaleRequestError)
# Between two tries a child looks at its orders.
_IMPATIENT: Final = ResendPolicy(limit=2.0, retry_forbidden=True)
_SMALL: Final = 4096  # Results up to this many bytes are sent together.
_PLAIN: Final = 5  # Arguments of a completion that puts no jobs.


class Leave(Exception):  # noqa: N818 - the way out of a wait, not an error
    """There is no more reason to wait for the store."""


class Unsettled(Leave):
    """The store may have given a job that nobody knows of; the parent must report the process."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A call and the verdicts that it carries; the answer is one, or one for each verdict."""

    call: Call[Any]
    verdicts: tuple[Verdict, ...]
    is_joint: bool = False


class Post:
    """What a child sends. `settled` is called with the lease of each job whose verdict is known."""

    def __init__(self, client: Client, orders: Orders, settled: Callable[[str], None]) -> None:
        self.runner = Runner(client.redis, client.namespace, policy=_IMPATIENT)
        self.pool = client.redis.connection_pool
        self._orders = orders
        self._settled = settled
        self._connection: Any = None
        self._kept: list[Verdict] = []
        self._flight: Flight | None = None
        self._letters: list[_Letter] = []
        self._alone: set[str] = set()
        self._is_away = False

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict until it is sent."""
        if verdict.call is None:
            self._settle(verdict.job.lease)
        else:
            self._kept.append(verdict)

    @property
    def has_kept(self) -> bool:
        """Whether a verdict was not sent yet."""
        return bool(self._kept)

    @property
    def descriptor(self) -> int | None:
        """What becomes readable when an answer arrives, while one is to come."""
        if self._flight is None or self._flight.failure is not None:
            return None
        return _descriptor(self._connection)

    def send(self) -> None:
        """Send what is kept, unless something is under way already."""
        if self._flight is None and self._kept:
            self._begin(self._take_kept())

    def push(self) -> None:
        """Send what is kept, as soon as what is under way has been answered."""
        self._finish()
        self.send()

    def flush(self) -> None:
        """Send what is kept, if that is possible at this moment; safe in a signal handler."""
        if self._flight is None and self._kept:
            letters = self._take_kept()
            try:
                self._flight, self._letters = self._sent(letters), letters
            except AWAY:
                self._kept = [one for letter in letters for one in letter.verdicts]

    def poll(self) -> None:
        """Take in the answers that have arrived; what came up meanwhile is sent now."""
        if self._flight is None:
            return
        descriptor = self.descriptor
        if descriptor is None or readable(0, descriptor):
            self._finish()
            self.send()

    def exchange(self, *calls: Call[Any]) -> list[Any]:
        """Send everything, wait until all is answered, and give the answers to these calls.

        Goes on trying while the store is away; raises `Leave` when that has lost its purpose.
        """
        self._finish()
        letters = [*self._take_kept(), *(_Letter(call, ()) for call in calls)]
        answers: list[Any] = []
        for start in range(0, len(letters), PIPELINE):
            self._begin(letters[start : start + PIPELINE])
            answers += self._finish()
        # Those over the first hundred, and what a refusal leaves behind.
        while self._kept:
            self._begin(self._take_kept())
            self._finish()
        return answers[len(answers) - len(calls) :] if calls else []

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                connection.disconnect()
            self.pool.release(connection)

    def drop(self) -> None:
        """Close the connection in a forked process without a word to the server."""
        connection, self._connection, self._flight = self._connection, None, None
        sever(connection)

    def _take_kept(self) -> list[_Letter]:
        """Make letters of what is kept, as many as one pipeline carries."""
        kept, self._kept = self._kept[:PIPELINE], self._kept[PIPELINE:]
        letters, joint = [], []
        for verdict in kept:
            if verdict.call is None:
                continue
            if _is_plain(verdict.call) and verdict.job.lease not in self._alone:
                joint.append(verdict)
            else:
                letters.append(_Letter(verdict.call, (verdict,)))
        if len(joint) == 1 and joint[0].call is not None:
            letters.append(_Letter(joint[0].call, (joint[0],)))
        elif joint:
            letters.append(_Letter(_together(joint), tuple(joint), is_joint=True))
        return letters

    def _settle(self, lease: str) -> None:
        self._alone.discard(lease)
        self._settled(lease)

    def _begin(self, letters: list[_Letter]) -> None:
        self._flight = self.insist(lambda: self._sent(letters))
        self._letters = letters

    def _sent(self, letters: list[_Letter]) -> Flight:
        if self._connection is None:
            self._connection = self.pool.get_connection()
        return self.runner.begin([one.call for one in letters], self._connection)

    def _finish(self) -> list[Any]:
        flight, letters = self._flight, self._letters
        if flight is None:
            return []
        self._flight, self._letters = None, []
        try:
            answers: list[Any] = self.insist(lambda: self.runner.finish(flight))
        except StaleRequestError:
            # Nobody remembers any more whether it ran; a lease tells what may still be done.
            self._begin(letters)
            return self._finish()
        for letter, answer in zip(letters, answers, strict=True):
            self._check(letter, answer)
        return answers

    def insist(self, step: Callable[[], T], *, also_stopping: bool = True) -> T:
        """Take a step again and again while the store is away.

        Raises `Leave` once there is no time left, or already when told to stop.
        """
        attempt = 0
        while True:
            try:
                result = step()
            except AWAY as error:
                self._tell(error)
            else:
                self._tell(None)
                return result
            attempt += 1
            self._orders.wait(RECONNECT.seconds(attempt))
            if self._orders.orphaned or self._orders.release:
                raise Leave
            if self._orders.stop and not also_stopping:
                raise Leave

    def _tell(self, error: Exception | None) -> None:
        if error is not None and not self._is_away:
            logger.warning("no store, trying until it is back: %s", error)
        elif error is None and self._is_away:
            logger.warning("the store is back")
        self._is_away = error is not None

    def _check(self, letter: _Letter, answer: Any) -> None:
        """Look at what the store said to verdicts."""
        if letter.is_joint and isinstance(answer, Exception):
            # One of them is refused and keeps the others from being heard: ask for each.
            self._alone.update(one.job.lease for one in letter.verdicts)
            self._kept += letter.verdicts
            return
        answers = answer if letter.is_joint else [answer] * len(letter.verdicts)
        for verdict, one in zip(letter.verdicts, answers, strict=True):
            self._judge(verdict, one)

    def _judge(self, verdict: Verdict, answer: Any) -> None:
        job = verdict.job
        if isinstance(answer, _TOO_LATE):
            logger.info("the verdict on %s came too late or twice: %s", job.jid, answer)
        elif isinstance(answer, Exception):
            logger.warning("the verdict on %s was refused: %s", job.jid, answer)
            if verdict.call is not None and verdict.call.script != "fail":
                self._kept.append(perform.refused(job, answer))
                return
            logger.error("%s cannot be failed either: %s", job.jid, answer)
        self._settle(job.lease)


def _is_plain(call: Call[Any]) -> bool:
    """Tell whether this ends a job and does nothing else, so that it can be told with others."""
    if call.script != "complete" or len(call.args) != _PLAIN:
        return False
    _, _, data, result, options = call.args
    return data == b"" and options == b"" and isinstance(result, bytes) and len(result) <= _SMALL


def _together(verdicts: Sequence[Verdict]) -> Call[Any]:
    """Make the one call that completes all these jobs, each answered for itself."""
    calls = [one.call.args for one in verdicts if one.call is not None]
    leases = [(str(args[0]), str(args[1])) for args in calls]
    results = [args[3] for args in calls if isinstance(args[3], bytes)]
    return protocol.jobs.complete_many(leases, results)


def _descriptor(connection: Any) -> int | None:
    # The library offers no public way to select on a connection beside something else.
    sock = connection._sock  # noqa: SLF001
    return None if sock is None else sock.fileno()


def sever(connection: Any) -> None:
    """Close a connection that belongs to the process from which this one was forked."""
    # A disconnect would end it for that process, too.
    if connection is not None and connection._sock is not None:  # noqa: SLF001
        # Detached, so that the end of the object does not close what has its number by then.
        os.close(connection._sock.detach())  # noqa: SLF001
