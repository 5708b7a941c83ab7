"""Follow what happens: events of the stream, as server-sent events or page by page."""

from __future__ import annotations

import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator
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
from qless_py.http.event_fanout import EventSubscription, Found
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.problems import Problem
from qless_py.http.route import Routes
from qless_py.protocol import events
from qless_py.protocol.events import Gap

routes = Routes("events", "Follow what happens.")

LIFE: Final = 300.0  # Seconds after which a stream ends; the browser connects again.
HEARTBEAT: Final = 15.0  # Seconds between comments while nothing happens.
_RETRY: Final = 3000  # Milliseconds after which a browser connects again.
_LOOK: Final = 1.0  # Seconds after which a stream notices that its client has left.
_RETRY_AFTER: Final = 10
_TOGETHER: Final = 500  # Events of one chunk.
_KEPT: Final = 5000  # Events whose text is kept for other streams.
_PATTERNS: Final = 1000  # Pairs of a type and a queue of which a filter knows whether they fit.
_PAGES: Final = 20  # Pages without a wanted event that one request looks through.
_STREAM: Final = "text/event-stream"
_ID: Final = r"^(0|[0-9]{1,16}-[0-9]{1,16})$"

Wanted = Callable[[Found], bool]


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


@routes.get("/events/poll", scope="read", returns=EventsAnswer, problems=("event-stream-off",))
def poll_events(query: PollQuery) -> Any:
    """Read a page of events, and wait if there is none yet."""
    wanted = _filter(query, caller())
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
    wanted = _filter(query, caller())
    after = _position(request.headers.get("Last-Event-ID") or query.after)
    subscription = api().events.open(after)
    if subscription is None:
        raise Problem(
            "too-many-streams", "too many event streams are open", retry_after=_RETRY_AFTER
        )
    close = partial(api().events.close, subscription)
    has_left = partial(long_poll.has_left, request.environ)
    hidden = _hidden(caller())
    response = Response(
        _stream(subscription, wanted, has_left, hidden, api().events.written), mimetype=_STREAM
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
    wanted: Wanted,
    has_left: Callable[[], bool],
    hidden: frozenset[str],
    written: dict[tuple[str, bool], str],
) -> Iterator[str]:
    yield f"retry: {_RETRY}\n\n"
    end = time.monotonic() + LIFE
    quiet_until = time.monotonic() + HEARTBEAT
    while time.monotonic() < end and not has_left():
        try:
            text = _come_by_now(subscription, wanted, hidden, written)
        except (QlessError, RedisError, OSError):
            return  # The client connects again, and gets a problem that says why.
        if text:
            yield text
            quiet_until = time.monotonic() + HEARTBEAT
        elif time.monotonic() >= quiet_until:
            # With the position, so that a client that filters begins no earlier than this.
            yield f": {subscription.position}\n\n"
            quiet_until = time.monotonic() + HEARTBEAT


def _hidden(sender: Caller) -> frozenset[str]:
    """Return the fields that the caller does not see: what a job failed with may hold secrets."""
    return frozenset() if sender.shows_data else frozenset({"message"})


def _shown(found: Found, hidden: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.as_dict().items() if name not in hidden}


def _come_by_now(
    subscription: EventSubscription,
    wanted: Wanted,
    hidden: frozenset[str],
    written: dict[tuple[str, bool], str],
) -> str:
    """Wait for an event, and return it with all others that are there, as they are sent."""
    texts: list[str] = []
    for number in range(_TOGETHER):
        found = subscription.get(0 if number else _LOOK)
        if found is None:
            break
        if wanted(found):
            texts.append(_as_text(found, hidden, written))
    return "".join(texts)


def _as_text(found: Found, hidden: frozenset[str], written: dict[tuple[str, bool], str]) -> str:
    """Return an event as it is sent; it is written once for all streams that get it."""
    if isinstance(found, events.Gap):
        return _written(found, hidden)
    key = (found.id, bool(hidden))
    text = written.get(key)
    if text is None:
        if len(written) >= _KEPT:
            written.clear()
        text = written[key] = _written(found, hidden)
    return text


def _written(found: Found, hidden: frozenset[str]) -> str:
    data = json.dumps(_shown(found, hidden), separators=(",", ":"))
    return f"id: {found.id}\nevent: {found.type}\ndata: {data}\n\n"


def _page(query: PollQuery, wanted: Wanted, wait: float) -> dict[str, Any]:
    """Read pages until one has an event that is wanted, or the time is over.

    Without one, the answer says how far it has looked.
    """
    end = time.monotonic() + wait
    after, hidden = query.after, _hidden(caller())
    for number in itertools.count(1):
        left = max(0.0, end - time.monotonic())
        span = min(left, _LOOK)
        page = client().events.read(after, limit=query.limit, wait=span)
        found = [_shown(one, hidden) for one in page.events if wanted(one)]
        is_over = left <= 0 and (len(page.events) < query.limit or number >= _PAGES)
        if found or is_over or long_poll.has_left(request.environ):
            return {"events": found, "last": page.last}
        after = page.last
    raise AssertionError("unreachable")


def _filter(query: EventsQuery, sender: Caller) -> Wanted:
    """Return what decides whether an event is for this request."""
    queues = query.queues.split(",") if query.queues else []
    given = query.types.split(",") if query.types else []
    types = events.check_types("types", [one for one in given if one != events.GAP])

    @functools.lru_cache(_PATTERNS)
    def fits(kind: str, queue: str) -> bool:
        if sender.queues and not (queue and sender.may_use(queue)):
            return False
        in_queues = not queues or (bool(queue) and events.matches(queue, queues))
        return in_queues and events.matches(kind, types)

    def wanted(found: Found) -> bool:
        return isinstance(found, Gap) or (
            fits(found.type, found.queue)
            and query.jid in (None, found.jid)
            and query.worker in (None, found.worker)
        )

    return wanted
