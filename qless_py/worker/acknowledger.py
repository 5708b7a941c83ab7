"""A child's connection to the store: calls are pipelined, and their replies are read later.

Pipelines are answered in the order in which they were sent, on a connection of their own. Results
that come up while one is under way are kept and go out with the next one, at the latest with the
next fetch. A child reads the replies to its results before it records the jobs of a later fetch, so
it never holds more than the jobs of two fetches.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from qless_py import protocol
from qless_py.client.client import Client
from qless_py.errors import JobNotFoundError, LostLeaseError, StaleRequestError
from qless_py.handlers.logs import Event, fields_of
from qless_py.handlers.result import Transition
from qless_py.handlers.retry import RECONNECT
from qless_py.protocol import Call
from qless_py.store.dedicated import DedicatedConnection, readable
from qless_py.store.outage import UNAVAILABLE, OutageLog
from qless_py.store.resend import PIPELINE, ResendPolicy
from qless_py.store.runner import Flight, Runner
from qless_py.worker.control_pipe import ControlPipe

logger = logging.getLogger(__name__)

T = TypeVar("T")

_TOO_LATE: Final = (LostLeaseError, JobNotFoundError, StaleRequestError)
# Between two attempts a child reads its control messages.
_RESEND: Final = ResendPolicy(limit=2.0, retry_forbidden=True)
_BATCH_RESULT: Final = 4096  # Completions with results up to this many bytes share one call.
_PLAIN_ARGUMENTS: Final = 5  # Of a completion that puts no jobs.


class StopWaiting(Exception):  # noqa: N818 - the way out of a wait, not an error
    """Waiting for the store has become pointless: the child is to exit."""


class UnconfirmedFetch(StopWaiting):
    """The store may have leased jobs that no process knows of: the supervisor reports it."""


@dataclass(slots=True)
class Request:
    """Calls that were sent ahead, and those of their replies that were read by now."""

    count: int
    replies: list[Any] = field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Whether all replies were read."""
        return len(self.replies) == self.count


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call under way and the transitions it carries; a batch has a reply for each of them.

    One that carries none belongs to a request.
    """

    call: Call[Any]
    transitions: tuple[Transition, ...] = ()
    is_batch: bool = False
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """Calls that were sent together and whose replies were not read yet."""

    flight: Flight
    pending: list[PendingCall]


class Acknowledger:
    """Sends the results of a child.

    `settled` is called with each transition that is dealt with and the store's reply: an exception
    if it came too late or was rejected, None if the handler had reported it itself.
    """

    def __init__(
        self, client: Client, control: ControlPipe, settled: Callable[[Transition, Any], None]
    ) -> None:
        self.runner = Runner(client.redis, client.namespace, client.runner.clock, policy=_RESEND)
        self.pool = client.redis.connection_pool
        self._control = control
        self._settled = settled
        self._connection = DedicatedConnection(self.pool)
        self._kept: list[Transition] = []
        self._sent: deque[_Pipeline] = deque()  # oldest first
        self._unbatched: set[str] = set()
        self._outage = OutageLog(logger)

    def add(self, transition: Transition) -> None:
        """Keep a result until it is sent."""
        if transition.call is None:
            self._settle(transition, None)
        else:
            self._kept.append(transition)

    @property
    def has_kept(self) -> bool:
        """Whether a result has not been sent yet."""
        return bool(self._kept)

    @property
    def descriptor(self) -> int | None:
        """The descriptor that becomes readable when a reply arrives, while one is awaited."""
        if not self._sent or self._sent[0].flight.failure is not None:
            return None
        return self._connection.fileno()

    def send(self) -> None:
        """Send what is kept, unless a pipeline is under way."""
        if not self._sent and self._kept:
            self._begin(self._take_kept())

    def send_next(self) -> None:
        """Send what is kept, after the replies to what is under way."""
        self._finish_all()
        self.send()

    def flush(self) -> None:
        """Send what is kept if that is possible without waiting; safe in a signal handler."""
        if self._kept:
            pending = self._take_kept()
            try:
                self._send(pending)
            except UNAVAILABLE:
                self._kept = [transition for one in pending for transition in one.transitions]

    def poll(self) -> None:
        """Read the replies if they have arrived, and send what was kept meanwhile."""
        if not self._sent:
            return
        descriptor = self.descriptor
        if descriptor is None or readable(0, descriptor):
            self._finish()
            self.send()

    def request(self, *calls: Call[Any]) -> Request:
        """Send what is kept and these calls without waiting; `answers` returns the replies.

        While the store is unavailable it waits; raises `StopWaiting` once that is pointless.
        """
        made = Request(len(calls))
        pending = [*self._take_kept(), *(PendingCall(one, request=made) for one in calls)]
        for start in range(0, len(pending), PIPELINE):
            self._begin(pending[start : start + PIPELINE])
        return made

    def answers(self, request: Request) -> list[Any]:
        """Wait for the replies to the calls of a request, and read all those in front of them."""
        while not request.is_answered:
            self._finish()
        return request.replies

    def exchange(self, *calls: Call[Any]) -> list[Any]:
        """Send everything, wait for all replies, and return those to these calls.

        Retries while the store is unavailable; raises `StopWaiting` once that is pointless.
        """
        self._finish_all()
        made = self.request(*calls)
        self._finish_all()
        # Results beyond the first pipeline, and those that follow a rejected one.
        while self._kept:
            self._begin(self._take_kept())
            self._finish_all()
        return made.replies

    def insist(
        self, attempt: Callable[[], T], *, while_stopping: bool = True, is_answered: bool = True
    ) -> T:
        """Repeat an attempt while the store is unavailable and return its result.

        An attempt that is not answered, since it only sends, does not show that the store is back.
        Raises `StopWaiting` once the child must exit, or already when it is asked to stop.
        """
        failures = 0
        while True:
            try:
                result = attempt()
            except UNAVAILABLE as error:
                self._outage.failed(error)
            else:
                if is_answered:
                    self._outage.succeeded()
                return result
            failures += 1
            self._control.wait(RECONNECT.seconds(failures))
            if self._control.orphaned or self._control.release:
                raise StopWaiting
            if self._control.stop and not while_stopping:
                raise StopWaiting

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def close_inherited(self) -> None:
        """Close the connection in a forked process without affecting the original."""
        self._sent.clear()
        self._connection.close_inherited()

    def _take_kept(self) -> list[PendingCall]:
        """Remove and return what is kept as calls, as many as one pipeline carries."""
        kept, self._kept = self._kept[:PIPELINE], self._kept[PIPELINE:]
        pending, batch = [], []
        for transition in kept:
            if transition.call is None:
                continue
            if _is_plain(transition.call) and transition.call.args[1] not in self._unbatched:
                batch.append(transition)
            else:
                pending.append(PendingCall(transition.call, (transition,)))
        if len(batch) == 1 and batch[0].call is not None:
            pending.append(PendingCall(batch[0].call, (batch[0],)))
        elif batch:
            pending.append(PendingCall(_complete_many(batch), tuple(batch), is_batch=True))
        return pending

    def _begin(self, pending: list[PendingCall]) -> None:
        self.insist(lambda: self._send(pending), is_answered=False)

    def _send(self, pending: list[PendingCall]) -> None:
        flight = self.runner.begin([one.call for one in pending], self._connection.get())
        self._sent.append(_Pipeline(flight, pending))
        if flight.failure is not None:
            self._lose_sent()

    def _finish_all(self) -> None:
        while self._sent:
            self._finish()

    def _finish(self) -> None:
        """Read the replies to the oldest pipeline."""
        oldest = self._sent.popleft()
        try:
            replies: list[Any] = self.insist(lambda: self.runner.finish(oldest.flight))
        except StaleRequestError:
            # The store no longer knows whether it ran the calls. Sending them again is safe: the
            # lease decides which of them may still run, and a fetch leases other jobs.
            self._lose_sent()
            self._begin(oldest.pending)
            return
        if self._connection.fileno() is None:
            self._lose_sent()
        for one, reply in zip(oldest.pending, replies, strict=True):
            self._check(one, reply)

    def _lose_sent(self) -> None:
        """Have the replies that were still to come on a lost connection asked for on another."""
        for one in self._sent:
            self.runner.lose(one.flight, "the connection was lost")

    def _check(self, pending: PendingCall, reply: Any) -> None:
        if pending.request is not None:
            pending.request.replies.append(reply)
            return
        if pending.is_batch and isinstance(reply, Exception):
            # One result made the store reject the whole batch: send each one by itself.
            self._unbatched.update(one.job.lease for one in pending.transitions)
            self._kept += pending.transitions
            return
        replies = reply if pending.is_batch else [reply] * len(pending.transitions)
        for transition, one in zip(pending.transitions, replies, strict=True):
            if not isinstance(one, Exception) or self._is_over(transition, one):
                self._settle(transition, one)

    def _is_over(self, transition: Transition, error: Exception) -> bool:
        """Return whether nothing is left to be sent for a job whose result was refused."""
        fields = fields_of(transition.job)
        if isinstance(error, _TOO_LATE):
            logger.warning(Event("result came too late or twice", **fields, error=error))
            return True
        logger.warning(Event("result rejected", **fields, error=error))
        if transition.call is not None and transition.call.script != "fail":
            self._kept.append(Transition.refused(transition.job, error))
            return False
        logger.error(Event("job cannot be failed either", **fields, error=error))
        return True

    def _settle(self, transition: Transition, reply: Any) -> None:
        if self._unbatched:
            self._unbatched.discard(transition.job.lease)
        self._settled(transition, reply)


def _is_plain(call: Call[Any]) -> bool:
    """Return whether a call completes a job and does nothing else, so it can join a batch."""
    if call.script != "complete" or len(call.args) != _PLAIN_ARGUMENTS:
        return False
    _, _, data, result, options = call.args
    is_small = isinstance(result, bytes) and len(result) <= _BATCH_RESULT
    return data == b"" and options == b"" and is_small


def _complete_many(transitions: Sequence[Transition]) -> Call[Any]:
    """Return one call that completes all these jobs, with a reply for each."""
    calls = [one.call.args for one in transitions if one.call is not None]
    leases = [(str(args[0]), str(args[1])) for args in calls]
    values = [args[3] for args in calls if isinstance(args[3], bytes)]
    return protocol.jobs.complete_many(leases, values)
