"""What is published, as typed events: by callback, in a thread, or as an iterator."""

import dataclasses
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Final, Self

from qless_py.client.session import Session
from qless_py.client.subscription import Message, Subscription
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as checks
from qless_py.protocol.settings import Settings

_log = logging.getLogger(__name__)

TRACKED: Final = ("canceled", "completed", "failed", "popped", "put", "stalled")
PLAIN: Final = (*TRACKED, "track", "untrack")
LOG: Final = "log"
_POLL: Final = 0.2  # also the longest time that ending an iteration takes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: its name, and the job and queue it happened to, if any.

    `channel` is where it was heard: `log` for all events of the namespace, `worker:<name>` for
    what one worker must know, or the name itself for tracked jobs, which tell only their jid.
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
    """A job was deleted; `worker` held it at that time, if any did."""

    worker: str = ""
    lease: str = ""


@dataclass(frozen=True, slots=True)
class LockLost(Event):
    """A worker lost its lease of a job."""

    worker: str = ""
    lease: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChanged(Event):
    """An option was set, or with `value` empty went back to its default."""

    option: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Resubscribed(Event):
    """The connection was lost and is back: what was published in between was not heard."""

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
    """Read one message of a channel."""
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
    """Check names of channels; none given is the log of all events."""
    for name in names:
        if name not in PLAIN and name != LOG:
            prefix, _, worker = name.partition(":")
            checks.choice("channel", prefix, ("worker",) if worker else (*PLAIN, LOG))
            checks.name("worker", worker)
    return list(names) or [LOG]


class Channels:
    """Translates between the channels that users name and those of the server."""

    def __init__(self, settings: Settings, names: tuple[str, ...]) -> None:
        self.names = {settings.channel(name): name for name in channel_names(names)}

    def parse(self, message: tuple[str, bytes]) -> Event:
        """Read one message."""
        return parse(self.names.get(message[0], message[0]), message[1])


class Listener:
    """An iterator of events that goes on until it is ended or closed."""

    def __init__(self, session: Session, names: tuple[str, ...]) -> None:
        self._channels = Channels(session.settings, names)
        self._subscription = Subscription(session.redis, list(self._channels.names))
        self._losses = 0
        self._held: Message | None = None
        self._closing = threading.Event()

    def get(self, timeout: float) -> Event | None:
        """Give the next event, or `None` when there was none in time."""
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
        """End the iteration, soon; may be called from any thread."""
        self._closing.set()

    def close(self) -> None:
        """End the iteration and give the connection back."""
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
    """Callbacks by channel, and ways to have them called.

    `canceled`, `completed`, `failed`, `popped`, `put` and `stalled` tell of tracked jobs, `track`
    and `untrack` of what is tracked, `log` of everything, `worker:<name>` of one worker's losses.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._callbacks: dict[str, list[Callback]] = {}

    def on(self, name: str, callback: Callback) -> None:
        """Have a function called with each event of a channel."""
        channel_names((name,))
        if not callable(callback):
            raise BadArgumentError(f"callback {callback!r} cannot be called")
        self._callbacks.setdefault(name, []).append(callback)

    def off(self, name: str, callback: Callback | None = None) -> None:
        """Drop one callback of a channel, or all of them."""
        left = [one for one in self._callbacks.get(name, ()) if callback not in (None, one)]
        if left:
            self._callbacks[name] = left
        else:
            self._callbacks.pop(name, None)

    def listen(self, *names: str) -> Listener:
        """Listen from now on, on a connection of its own; `log` if no channel is named."""
        return Listener(self._session, names)

    def thread(self) -> "EventThread":
        """Call the callbacks in a thread of their own, from now until it is stopped."""
        listener = Listener(self._session, tuple(self._callbacks))
        return EventThread(listener, self.dispatch)

    def run(self) -> None:
        """Call the callbacks in this thread, for ever."""
        with self.listen(*self._callbacks) as listener:
            for event in listener:
                self.dispatch(event)

    def dispatch(self, event: Event) -> None:
        """Call the callbacks of one event; one that raises does not keep the others from it."""
        for callback in list(self._callbacks.get(event.channel, ())):
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - one listener must not silence the others
                _log.exception("a callback for %s raised", event.channel)


class EventThread:
    """A thread that listens; stop it, or use it as a context manager."""

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
