"""Published events, typed: by callback, in a thread, or as an iterator."""

import contextlib
import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Final, Self

import redis

from qless_py.client import event_stream
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.events import EventPage
from qless_py.protocol.options import Seconds
from qless_py.protocol.settings import Settings
from qless_py.store.soft_limit import SoftLimitGuard

_log = logging.getLogger(__name__)

TRACKED: Final = ("canceled", "completed", "failed", "popped", "put", "stalled")
PLAIN: Final = (*TRACKED, "track", "untrack")
LOG: Final = "log"
_POLL: Final = 0.2  # seconds; also the longest that ending an iteration takes


Message = tuple[str, bytes]

QUIET: Final = 15.0
FIRST_PAUSE: Final = 0.05
MAX_PAUSE: Final = 2.0
LOST: Final = (redis.ConnectionError, redis.TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its name, and the job and queue it concerns, if any.

    `channel` is where it was received: `log` for all events of the namespace, `worker:<name>` for
    those that concern one worker, or the event's name for tracked jobs, with only their jid.
    """

    name: str
    channel: str
    jid: str = ""
    queue: str = ""
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class JobAdvanced(Event):
    """A job completed in one queue and was put into the next."""

    to: str = ""


@dataclass(frozen=True, slots=True)
class JobFailed(Event):
    """A job failed, by its worker or because its retries ran out."""

    worker: str = ""
    group: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobCanceled(Event):
    """A job was deleted; `worker` is the one that held it, if any."""

    worker: str = ""
    lease: str = ""


@dataclass(frozen=True, slots=True)
class LockLost(Event):
    """A worker lost its lease of a job."""

    worker: str = ""
    lease: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChanged(Event):
    """An option was set, or reset to its default if `value` is empty."""

    option: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Resubscribed(Event):
    """The connection was lost and is back: events published in between were missed."""

    NAME: ClassVar[str] = "resubscribed"


_KINDS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        "advanced": JobAdvanced,
        "failed": JobFailed,
        "canceled": JobCanceled,
        "lock_lost": LockLost,
        "config_set": ConfigChanged,
        "config_unset": ConfigChanged,
    }
)


def parse(channel: str, data: bytes) -> Event:
    """Decode one message of a channel."""
    if channel in PLAIN:
        return Event(channel, channel, data.decode("utf-8", "replace"))
    try:
        details = json.loads(data)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        return Event("unreadable", channel, details={"data": data})
    name = str(details.get("event", ""))
    kind = _KINDS.get(name, Event)
    known = {one.name for one in dataclasses.fields(kind)} - {"name", "channel", "details"}
    given = {what: str(value) for what, value in details.items() if what in known}
    return kind(name, channel, details=MappingProxyType(details), **given)


def channel_names(names: tuple[str, ...]) -> list[str]:
    """Return valid names of channels; without any, the log of all events."""
    for name in names:
        if name not in PLAIN and name != LOG:
            prefix, _, worker = name.partition(":")
            arguments.choice("channel", prefix, ("worker",) if worker else (*PLAIN, LOG))
            arguments.name("worker", worker)
    return list(names) or [LOG]


class Channels:
    """Maps the server's names of channels to those that users know."""

    def __init__(self, settings: Settings, names: tuple[str, ...]) -> None:
        self.names = {settings.channel(name): name for name in channel_names(names)}

    def parse(self, message: tuple[str, bytes]) -> Event:
        """Decode one message."""
        return parse(self.names.get(message[0], message[0]), message[1])


class Subscription:
    """A subscription on a connection of its own, renewed whenever the connection was lost.

    Messages published in between are missed; `losses` counts such gaps.
    """

    def __init__(self, connection: Any, channels: Sequence[str]) -> None:
        self._redis = connection
        self._channels = list(channels)
        self._pubsub: Any = None
        self._received_at = 0.0
        self._has_pinged = False
        self._pause = FIRST_PAUSE
        self._try_at = 0.0
        self._closed = threading.Event()
        self.losses = 0

    def get(self, timeout: float) -> Message | None:
        """Return the next message as (channel, data), or `None` after `timeout` seconds.

        Also returns `None` right after subscribing again, so that the caller notices the gap.
        """
        deadline = time.monotonic() + timeout
        soft_limit = SoftLimitGuard()
        while True:
            left = deadline - time.monotonic()
            was_open = self.is_open
            try:
                message = self._next(max(0.0, min(left, QUIET)))
            except LOST as error:
                self._lose(error)
                message = None
            soft_limit.reraise()
            if message is not None:
                return message
            if deadline - time.monotonic() <= 0 or (self.is_open and not was_open):
                return None

    @property
    def is_open(self) -> bool:
        """Whether the subscription is active."""
        return self._pubsub is not None

    def close(self) -> None:
        """Close the connection."""
        self._closed.set()
        self._drop()

    def _drop(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            _discard(pubsub)

    def open(self) -> None:
        """Subscribe, and wait for the server to confirm, so that no later message is missed."""
        pubsub, soft_limit = self._redis.pubsub(), SoftLimitGuard()
        try:
            pubsub.subscribe(*self._channels)
            answers = [pubsub.get_message(timeout=QUIET) for _ in self._channels]
        except BaseException:
            _discard(pubsub)
            soft_limit.reraise()
            raise
        if None in answers:
            _discard(pubsub)
            soft_limit.reraise()
            raise redis.TimeoutError("the server did not confirm a subscription")
        self._pubsub, self._pause = pubsub, FIRST_PAUSE
        self._received()

    def _next(self, timeout: float) -> Message | None:
        if self._pubsub is None:
            self._closed.wait(min(timeout, max(0.0, self._try_at - time.monotonic())))
            if time.monotonic() >= self._try_at:
                self.open()
            return None
        self._ping_if_quiet()
        message = self._pubsub.get_message(timeout=timeout)
        if message is None:
            return None
        self._received()
        if message["type"] != "message":
            return None
        return _text(message["channel"]), _bytes(message["data"])

    def _received(self) -> None:
        self._received_at, self._has_pinged = time.monotonic(), False

    def _ping_if_quiet(self) -> None:
        """Ping a silent connection, to notice one that died without a FIN."""
        silence = time.monotonic() - self._received_at
        if silence >= 2 * QUIET and self._has_pinged:
            raise redis.TimeoutError("the server no longer answers")
        if silence >= QUIET and not self._has_pinged:
            self._pubsub.ping()
            self._has_pinged = True

    def _lose(self, error: Exception) -> None:
        # One warning per loss, however many attempts fail.
        level = logging.WARNING if self.is_open else logging.DEBUG
        _log.log(level, "lost the connection for events, subscribing again: %s", error)
        self.losses += self.is_open
        self._drop()
        self._try_at = time.monotonic() + self._pause
        self._pause = min(MAX_PAUSE, 2 * self._pause)


def _discard(pubsub: Any) -> None:
    with contextlib.suppress(*LOST):
        pubsub.close()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class Listener:
    """An iterator of events that runs until `end` or `close`."""

    def __init__(self, session: Session, names: tuple[str, ...]) -> None:
        self._channels = Channels(session.settings, names)
        self._subscription = Subscription(session.redis, list(self._channels.names))
        self._subscription.open()
        self._losses = 0
        self._held: Message | None = None
        self._closing = threading.Event()

    def get(self, timeout: float) -> Event | None:
        """Return the next event, or `None` after `timeout` seconds."""
        message, self._held = self._held, None
        message = message or self._subscription.get(timeout)
        if self._subscription.losses > self._losses and self._subscription.is_open:
            self._losses, self._held = self._subscription.losses, message
            return Resubscribed(Resubscribed.NAME, "")
        return None if message is None else self._channels.parse(message)

    def __iter__(self) -> Iterator[Event]:
        while not self._closing.is_set():
            event = self.get(_POLL)
            if event is not None:
                yield event

    def end(self) -> None:
        """End the iteration within 0.2 s; may be called from any thread."""
        self._closing.set()

    def close(self) -> None:
        """End the iteration and close the connection."""
        self._closing.set()
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


Callback = Callable[[Event], object]


class Events:
    """`client.events`: callbacks by channel, and ways to have them called.

    The channels `canceled`, `completed`, `failed`, `popped`, `put` and `stalled` carry events of
    tracked jobs, `track` and `untrack` changes of tracking, `log` all events, and `worker:<name>`
    the leases one worker lost. Delivery is at most once: events published while the connection is
    lost are missed, and a `Resubscribed` event follows.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._callbacks: dict[str, list[Callback]] = {}

    def on(self, name: str, callback: Callback) -> None:
        """Call a function with each event of a channel."""
        channel_names((name,))
        if not callable(callback):
            raise BadArgumentError(f"callback {callback!r} cannot be called")
        self._callbacks.setdefault(name, []).append(callback)

    def off(self, name: str, callback: Callback | None = None) -> None:
        """Remove one callback of a channel, or all of them."""
        left = [one for one in self._callbacks.get(name, ()) if callback not in (None, one)]
        if left:
            self._callbacks[name] = left
        else:
            self._callbacks.pop(name, None)

    def listen(self, *names: str) -> Listener:
        """Listen from now on, on a connection of its own; by default to `log`."""
        return Listener(self._session, names)

    def read(self, after: str | None = None, *, limit: int = 100, wait: Seconds = 0) -> EventPage:
        """Read events that the stream keeps behind the id `after`, oldest first.

        "0" begins with the oldest event, None with the next one. `wait` is how many seconds to wait
        for one if there is none yet. A `Gap` stands for events that are no longer kept, so none is
        missed silently. Raises `EventStreamOffError` while the option `event-stream` is 0.
        """
        return event_stream.read(self._session, after, limit, wait)

    def thread(self) -> "EventThread":
        """Start a thread that calls the callbacks until it is stopped."""
        listener = Listener(self._session, tuple(self._callbacks))
        return EventThread(listener, self.dispatch)

    def run(self) -> None:
        """Call the callbacks in this thread, forever."""
        with self.listen(*self._callbacks) as listener:
            for event in listener:
                self.dispatch(event)

    def dispatch(self, event: Event) -> None:
        """Call the callbacks of one event; an exception in one is logged."""
        for callback in list(self._callbacks.get(event.channel, ())):
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - one callback must not silence the others
                _log.exception("a callback for %s raised", event.channel)


class EventThread:
    """A thread that listens; call `stop`, or use it as a context manager."""

    def __init__(self, listener: Listener, dispatch: Callback) -> None:
        self._listener = listener
        self._dispatch = dispatch
        self._thread = threading.Thread(target=self._run, name="qless-events", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._listener:
            for event in self._listener:
                self._dispatch(event)

    def stop(self, timeout: float | None = None) -> None:
        """Stop listening and wait for the thread to end."""
        self._listener.end()
        self._thread.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
