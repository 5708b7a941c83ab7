"""Follow what happens: events of the stream, as server-sent events or page by page."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from flask import request
from pydantic import Field
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from qless_py.errors import BadArgumentError, QlessError
from qless_py.http import long_poll
from qless_py.http.callers import Caller
from qless_py.http.context import api, caller, client
from qless_py.http.event_fanout import EventSubscription
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.problems import Problem
from qless_py.http.route import Routes
from qless_py.protocol import events
from qless_py.protocol.events import EventsRead, Gap, StoredEvent
from qless_py.protocol.reservers import fits

routes = Routes("events", "Follow what happens.")

LIFE: Final = 300.0  # Seconds after which a stream ends; the browser connects again.
HEARTBEAT: Final = 15.0  # Seconds between comments while nothing happens.
_RETRY: Final = 3000  # Milliseconds after which a browser connects again.
_LOOK: Final = 1.0  # Seconds after which a stream notices that its client has left.
_RETRY_AFTER: Final = 10
_KEPT: Final = 20  # Pages whose text is kept for other streams.
_PAGES: Final = 20  # Pages without a wanted event that one request looks through.
_STREAM: Final = "text/event-stream"
_ID: Final = r"^(0|[0-9]{1,16}-[0-9]{1,16})$"


class EventsQuery(Model):
    """Which events to show: those behind an id, of these queues, types, job and worker."""

    after: str | None = Field(
        None, pattern=_ID, description="The id of an event; 0 for all that are kept."
    )
    queues: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.:@~+*,-]{1,2000}$",
        description="Queues and patterns, separated by commas.",
    )
    types: str | None = Field(
        None,
        pattern=r"^[a-z_.*,]{1,1000}$",
        description="Types and patterns such as `job.*`, separated by commas.",
    )
    jid: Name | None = None
    worker: Name | None = None


class PollQuery(EventsQuery):
    """Which events to show, how many, and how long to wait for the first one."""

    limit: int = Field(100, ge=1, le=events.MAX_LIMIT)
    wait: float = Field(0, ge=0, le=3600, description="Seconds to wait if there is none yet.")


class EventsAnswer(Answer):
    """Events, oldest first, and the id after which to continue.

    An event of the type `gap` stands for events that are no longer kept.
    """

    events: list[dict[str, Any]]
    last: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a request gets, and whether what failures say is hidden from its sender."""

    queues: tuple[str, ...]
    types: tuple[str, ...]
    jid: str | None
    worker: str | None
    # The queues that the sender is limited to; none means any.
    allowed: tuple[str, ...]
    hides_messages: bool

    @classmethod
    def of(cls, query: EventsQuery, sender: Caller) -> Filter:
        """Return the filter of a request; raises `BadArgumentError` for an unknown type."""
        queues = query.queues.split(",") if query.queues else []
        given = query.types.split(",") if query.types else []
        types = events.check_types("types", [one for one in given if one != events.GAP])
        return cls(
            tuple(queues), tuple(types), query.jid, query.worker, sender.queues,
            hides_messages=not sender.shows_data,
        )  # fmt: skip

    def wants(self, found: StoredEvent | Gap) -> bool:
        """Return whether the request gets an event; it gets every gap."""
        if isinstance(found, Gap):
            return True
        return bool(
            self.jid in (None, found.jid)
            and self.worker in (None, found.worker)
            and events.matches(found.type, self.types)
            and (not (self.queues or self.allowed) or self._wants_queue(found.queue))
        )

    def _wants_queue(self, queue: str) -> bool:
        is_allowed = not self.allowed or any(fits(one, queue) for one in self.allowed)
        return bool(queue) and is_allowed and events.matches(queue, self.queues)

    def shown(self, found: StoredEvent | Gap) -> dict[str, Any]:
        """Return an event as the request gets it: messages of failures may hold secrets."""
        made = found.as_dict()
        if self.hides_messages:
            made.pop("message", None)
        return made

    def text(self, page: EventsRead) -> bytes:
        """Return the events of a page that the request gets, as they are sent."""
        return "".join(
            f"id: {one.id}\nevent: {one.type}\ndata: {_compact(self.shown(one))}\n\n"
            for one in page
            if self.wants(one)
        ).encode()


_compact = json.JSONEncoder(separators=(",", ":")).encode


@routes.get("/events/poll", scope="read", returns=EventsAnswer, problems=("event-stream-off",))
def poll_events(query: PollQuery) -> Any:
    """Read a page of events, and wait if there is none yet."""
    wanted = Filter.of(query, caller())
    with api().may_wait(query.wait) as wait:
        return _page(query, wanted, wait)


@routes.get(
    "/events",
    scope="read",
    returns={200: None},
    problems=("event-stream-off", "too-many-streams"),
    headers={"Last-Event-ID": "The id of the last event that was seen, instead of `after`."},
)
def stream_events(query: EventsQuery) -> Any:
    """Follow events as server-sent events.

    Each has its id, its type as the name of the event, and its JSON as data. The stream ends after
    five minutes; connect again with the last id.
    """
    wanted = Filter.of(query, caller())
    after = _position(request.headers.get("Last-Event-ID") or query.after)
    subscription = api().events.open(after)
    if subscription is None:
        raise Problem(
            "too-many-streams", "too many event streams are open", retry_after=_RETRY_AFTER
        )
    close = partial(api().events.close, subscription)
    has_left = partial(long_poll.has_left, request.environ)
    response = Response(
        _stream(subscription, wanted, has_left, api().events.texts), mimetype=_STREAM
    )
    # A generator that was never begun does not run its `finally`.
    response.call_on_close(close)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _position(given: str | None) -> str:
    """Return where a stream begins; without an id at the newest event."""
    try:
        newest = client().events.read().last
        return newest if given is None else events.position("Last-Event-ID", given)
    except BadArgumentError as error:
        raise Problem("invalid", str(error)) from None


def _stream(
    subscription: EventSubscription,
    wanted: Filter,
    has_left: Callable[[], bool],
    texts: dict[Hashable, bytes],
) -> Iterator[bytes]:
    yield f"retry: {_RETRY}\n\n".encode()
    end = time.monotonic() + LIFE
    quiet_until = time.monotonic() + HEARTBEAT
    while time.monotonic() < end and not has_left():
        try:
            page = subscription.take(_LOOK)
        except (QlessError, RedisError, OSError):
            return  # The client connects again, and gets a problem that says why.
        text = _text(texts, wanted, page) if page else b""
        if text:
            yield text
            quiet_until = time.monotonic() + HEARTBEAT
        elif time.monotonic() >= quiet_until:
            # With the position, so that a client that filters begins no earlier than this.
            yield f": {subscription.position}\n\n".encode()
            quiet_until = time.monotonic() + HEARTBEAT


def _text(texts: dict[Hashable, bytes], wanted: Filter, page: EventsRead) -> bytes:
    """Return the text of a page; streams with equal filters get it at about the same time."""
    key = (wanted, page[0].id, page[-1].id, len(page))
    text = texts.get(key)
    if text is None:
        if len(texts) >= _KEPT:
            texts.clear()
        text = texts[key] = wanted.text(page)
    return text


def _page(query: PollQuery, wanted: Filter, wait: float) -> dict[str, Any]:
    """Read pages until one has an event that is wanted, or the time is over.

    Without one, the answer says how far it has looked.
    """
    end = time.monotonic() + wait
    after = query.after
    for number in itertools.count(1):
        left = max(0.0, end - time.monotonic())
        span = min(left, _LOOK)
        page = client().events.read(after, limit=query.limit, wait=span)
        found = [wanted.shown(one) for one in page.events if wanted.wants(one)]
        is_over = left <= 0 and (len(page.events) < query.limit or number >= _PAGES)
        if found or is_over or long_poll.has_left(request.environ):
            return {"events": found, "last": page.last}
        after = page.last
    raise AssertionError("unreachable")
