"""The stream of events: their types, reading it page by page, and the gaps in it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, unpack
from qless_py.protocol.reservers import fits

# The name that a script publishes, and the type under which the stream, its HTTP doors and webhooks
# show it.
TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "put": "job.put",
        "popped": "job.popped",
        "completed": "job.completed",
        "advanced": "job.advanced",
        "failed": "job.failed",
        "retried": "job.retried",
        "released": "job.released",
        "snoozed": "job.snoozed",
        "canceled": "job.canceled",
        "lock_lost": "job.lock_lost",
        "progress": "job.progress",
        "conflict": "job.conflict",
        "track": "job.track",
        "untrack": "job.untrack",
        "paused": "queue.paused",
        "unpaused": "queue.unpaused",
        "throttle_set": "throttle.set",
        "throttle_deleted": "throttle.deleted",
        "throttle_blocked": "throttle.blocked",
        "throttle_released": "throttle.released",
        "user_set": "user.set",
        "user_unset": "user.unset",
        "config_set": "config.set",
        "config_unset": "config.unset",
        "token_created": "token.created",
        "token_revoked": "token.revoked",
        "deploy_marked": "deploy.marked",
        "deploy_removed": "deploy.removed",
        "schedule_dry": "schedule.dry",
        "webhook_added": "webhook.added",
        "webhook_changed": "webhook.changed",
        "webhook_removed": "webhook.removed",
        "webhook_disabled": "webhook.disabled",
        "webhook_gap": "webhook.gap",
        "clock_set_back": "clock.set_back",
    }
)
GAP: Final = "gap"
MAX_LIMIT: Final = 1000
_ID: Final = re.compile(r"(\d{1,16})-(\d{1,16})")
_OWN: Final = ("event", "jid", "queue", "klass", "worker")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of the stream; `details` holds what else the event says, such as the group.

    `id` grows with each event. `time` is in Unix seconds.
    """

    id: str
    type: str
    time: float
    jid: str = ""
    queue: str = ""
    klass: str = ""
    worker: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the event as a JSON object; fields that do not apply are left out."""
        shown = {"jid": self.jid, "queue": self.queue, "klass": self.klass, "worker": self.worker}
        given = {name: value for name, value in shown.items() if value}
        return {"id": self.id, "type": self.type, "time": self.time, **given, **self.details}


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were missed, because the stream no longer holds them.

    They came behind the id `after`; reading goes on behind `id`. `lost` is how many there were at
    least, None if that cannot be known.
    """

    id: str
    after: str
    lost: int | None = None

    @property
    def type(self) -> str:
        """The type, `gap`."""
        return GAP

    def as_dict(self) -> dict[str, Any]:
        """Return the gap as a JSON object."""
        return {"id": self.id, "type": GAP, "after": self.after, "lost": self.lost}


EventsRead = Sequence[StoredEvent | Gap]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in their order, with a `Gap` where some are missing; read on behind `last`."""

    events: EventsRead
    last: str


def read(after: str | None, limit: int = 100) -> Call[EventPage]:
    """Read at most `limit` events behind an id; None returns only the newest id, "0" begins early.

    The page begins with a gap if events directly behind the id are no longer kept.
    """
    where = "" if after is None else position("after", after)
    args = (where, arguments.whole("limit", limit, 1, MAX_LIMIT))
    return Call("read/events", args, unpack).map(lambda reply: _page(where, dict(reply)))


def recent(limit: int = 100) -> Call[EventPage]:
    """Read the newest `limit` events, oldest first."""
    args = (arguments.whole("limit", limit, 1, MAX_LIMIT),)
    return Call("read/recent_events", args, unpack).map(lambda reply: _recent(dict(reply)))


def position(what: str, value: Any) -> str:
    """Return the id of an event, or "0"; raises BadArgumentError for anything else."""
    if isinstance(value, str) and (value == "0" or _ID.fullmatch(value)):
        return value
    raise BadArgumentError(
        f"{what} is {value!r}, not the id of an event like '1764547200123-57', or '0'"
    )


def at(instant: float) -> str:
    """Return a position in front of every event at that time (Unix seconds) or later."""
    return f"{max(0, arguments.instant('since', instant) - 1)}-{10**16 - 1}"


def _recent(reply: Mapping[str, Any]) -> EventPage:
    found = tuple(parse(str(identity), text) for identity, text in reply["events"])
    return EventPage(found, str(reply["last"]))


def _page(after: str, reply: Mapping[str, Any]) -> EventPage:
    newest = str(reply["last"])
    if not after:
        return EventPage((), newest)
    found: list[StoredEvent | Gap] = []
    before = after
    for identity, text in reply["events"]:
        if (gap := _gap(before, str(identity))) is not None:
            found.append(gap)
        found.append(parse(str(identity), text))
        before = str(identity)
    if not reply["events"] and after not in ("0", newest) and not _is_time(after):
        lost = number(newest) - number(after)
        found.append(Gap(newest, after, lost if lost > 0 else None))
        before = newest
    return EventPage(tuple(found), before)


def _gap(before: str, following: str) -> Gap | None:
    """Return what is missing between two ids that were read one after the other."""
    missing = number(following) - number(before) - 1
    if before == "0" or _is_time(before) or missing == 0:
        return None
    ahead = f"{following.partition('-')[0]}-{max(0, number(following) - 1)}"
    return Gap(ahead, before, missing if missing > 0 else None)


def number(identity: str) -> int:
    """Return the number of an event, the part of its id that each event raises by one."""
    return int(identity.partition("-")[2] or 0)


def _is_time(identity: str) -> bool:
    """Return whether a position was made by `at`, so that it names no event."""
    return number(identity) == 10**16 - 1


def time_of(identity: str) -> float:
    """Return the time that an id carries, in Unix seconds."""
    return int(identity.partition("-")[0]) / 1000


def is_behind(identity: str, other: str) -> bool:
    """Return whether an id is newer than another."""
    return number(identity) > number(other)


def parse(identity: str, text: Any) -> StoredEvent:
    """Decode one entry of the stream."""
    time = time_of(identity)
    try:
        read = json.loads(text if isinstance(text, str) else bytes(text))
    except ValueError:
        read = None
    if not isinstance(read, dict):
        return StoredEvent(identity, "unreadable", time)
    name = str(read.get("event", ""))
    own = {field: str(read.get(field) or "") for field in _OWN if field != "event"}
    details = {key: value for key, value in read.items() if key not in _OWN}
    return StoredEvent(identity, TYPES.get(name, name), time, **own, details=details)


def check_types(what: str, patterns: Iterable[str]) -> list[str]:
    """Return patterns of event types (`job.failed`, `job.*`); each must fit one at least."""
    chosen = list(patterns)
    for pattern in chosen:
        arguments.line(what, pattern)
        if not any(fits(pattern, one) for one in TYPES.values()):
            near = arguments.nearest(pattern, TYPES.values())
            hint = f"; did you mean {near}?" if near else f" ({', '.join(TYPES.values())})"
            raise BadArgumentError(f"{what}: no event has the type {pattern!r}{hint}")
    return chosen


def matches(value: str, patterns: Sequence[str]) -> bool:
    """Return whether a value fits one of the patterns; no patterns fit everything."""
    # Patterns come with requests: fnmatch would keep 32,768 of them compiled, for good.
    return not patterns or any(fits(pattern, value) for pattern in patterns)
