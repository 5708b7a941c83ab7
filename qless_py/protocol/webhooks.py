"""Webhooks: URLs that get events, the keys that sign for them, and the jobs that deliver them."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments, events, http_urls, signing_keys
from qless_py.protocol.call import Call, done, pack, text, unpack_raw
from qless_py.protocol.events import StoredEvent
from qless_py.protocol.options import Seconds
from qless_py.protocol.reservers import is_pattern
from qless_py.protocol.settings import Settings
from qless_py.protocol.signing_keys import LEAST, MOST, PREFIX

KLASS: Final = "webhook"
QUEUE: Final = "webhooks"
# The waits before the attempts after the first one: the schedule of Standard Webhooks 1.0.0.
SCHEDULE: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
DISABLE_AFTER: Final = 3 * 86400.0
KEEP_KEY: Final = 86400.0
PER_CALL: Final = 100
_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the store has it: written by a codec. It signs until `until`, if that is set."""

    data: bytes = field(repr=False)
    codec: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it was when it was read. Times are Unix seconds.

    It gets the events whose type matches one of `types` and whose queue matches one of `queues`;
    none of either means all. `state` is `enabled` or `disabled`, `reason` why it was disabled.
    `failing_since` is the first failed attempt since the last delivery that arrived.
    """

    id: str
    url: str
    types: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    description: str = ""
    state: str = "enabled"
    reason: str | None = None
    created_at: float = 0.0
    disabled_at: float | None = None
    disable_after: float | None = None
    delivered: int = 0
    failed: int = 0
    failing_since: float | None = None
    last_error: str | None = None
    last_status: int | None = None
    last_success_at: float | None = None
    last_failure_at: float | None = None
    # The id of the event after which it gets events.
    since: str = "0-0"
    keys: tuple[StoredKey, ...] = field(default=(), repr=False)

    @property
    def is_enabled(self) -> bool:
        """Whether it gets events."""
        return self.state == "enabled"

    @property
    def tag(self) -> str:
        """The tag of its deliveries."""
        return tag_of(self.id)

    def wants(self, event: StoredEvent) -> bool:
        """Return whether the event is for this webhook. Events of deliveries never are."""
        if event.queue == QUEUE or event.klass == KLASS or event.details.get("webhook") == self.id:
            return False
        if not events.matches(event.type, self.types):
            return False
        return not self.queues or (bool(event.queue) and events.matches(event.queue, self.queues))

    def as_dict(self) -> dict[str, Any]:
        """Return the webhook as a JSON object, without its keys."""
        hidden = {"keys", "since"}
        shown = {name: getattr(self, name) for name in self.__slots__ if name not in hidden}
        previous = self.keys[1].until if len(self.keys) > 1 else None
        shown |= {"types": list(self.types), "queues": list(self.queues)}
        return {**shown, "previous_key_until": previous}


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook that was just added: only now its `secret` is shown."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DispatchGap:
    """Events that no webhook got, because they left the stream before they were dispatched."""

    at: float
    after: str
    lost: int | None


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """All webhooks, and how far their events were dispatched.

    `position` is the event up to which deliveries were put, `newest` the newest event, and
    `behind` how many events are between them.
    """

    webhooks: tuple[Webhook, ...]
    position: str
    newest: str
    gap: DispatchGap | None = None

    @property
    def behind(self) -> int:
        """The number of events that are still to be dispatched."""
        return max(0, events.number(self.newest) - events.number(self.position))


def tag_of(webhook: str) -> str:
    """Return the tag of the deliveries of a webhook."""
    return f"webhook:{webhook}"


def new_id() -> str:
    """Return an id for a new webhook."""
    return f"wh_{secrets.token_hex(6)}"


def check_secret(secret: Any) -> str:
    """Return a secret; raises BadArgumentError, which does not show it, if it is none."""
    size = len(signing_keys.decoded(secret) or b"")
    if not isinstance(secret, str) or not secret.startswith(PREFIX) or not LEAST <= size <= MOST:
        raise BadArgumentError(
            f"the secret is not {PREFIX} and the base64 of {LEAST} to {MOST} bytes"
        )
    return secret


def add(settings: Settings, webhook: str, secret: str, **options: Any) -> Call[None]:
    """Add a webhook; `options` are those of `checked`."""
    given = {**checked(options), **encoded_key(settings, webhook, secret)}
    return Call("webhook_add", (check_id(webhook), pack(given)), done)


def change(webhook: str, **options: Any) -> Call[None]:
    """Change options of a webhook."""
    return Call("webhook_change", (check_id(webhook), pack(checked(options))), done)


def enable(webhook: str) -> Call[None]:
    """Enable a webhook, which then starts without failures."""
    return Call("webhook_change", (check_id(webhook), pack({"state": "enabled"})), done)


def disable(webhook: str, reason: str) -> Call[None]:
    """Disable a webhook: it gets no further events."""
    given = {"state": "disabled", "reason": arguments.line("reason", reason)}
    return Call("webhook_change", (check_id(webhook), pack(given)), done)


def rotate(settings: Settings, webhook: str, secret: str, keep: Seconds) -> Call[None]:
    """Replace the key of a webhook; both sign for `keep` seconds."""
    given = {**encoded_key(settings, webhook, secret), "keep": arguments.span("keep", keep)}
    return Call("webhook_change", (check_id(webhook), pack(given)), done)


def remove(webhook: str) -> Call[None]:
    """Remove a webhook."""
    return Call("webhook_remove", (check_id(webhook),), done)


def read() -> Call[WebhookStatus]:
    """Read all webhooks."""
    return Call("read/webhooks", (), unpack_raw).map(_status)


def report(
    webhook: str, *, ok: bool, status: int = 0, error: str = "", gone: bool = False
) -> Call[str]:
    """Note how a delivery ended; returns the state that the webhook has then."""
    outcome: dict[str, Any] = {"ok": ok, "gone": gone}
    outcome |= {"status": status} if status else {}
    # Cut by bytes, as the script counts them.
    outcome |= {"error": error.encode()[:250].decode(errors="ignore")} if error else {}
    return Call("webhook_report", (check_id(webhook), pack(outcome)), text)


def dispatch(position: str, to: str, lost: str, deliveries: Sequence["Delivery"]) -> Call[str]:
    """Put deliveries and move the position, unless another dispatcher was first."""
    jobs = pack([one.as_map() for one in deliveries])
    data = [one.data for one in deliveries]
    return Call("webhook_dispatch", (position, to, lost, jobs, *data), text)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that delivers one event to one webhook. Its jid is the id of the message."""

    jid: str
    webhook: str
    body: str

    def as_map(self) -> dict[str, Any]:
        """Return the job as the scripts take it, without its data."""
        return {
            "jid": self.jid,
            "klass": KLASS,
            "queue": QUEUE,
            "retries": len(SCHEDULE),
            "tags": [tag_of(self.webhook)],
            "on_conflict": "ignore",
        }

    @property
    def data(self) -> bytes:
        """The data of the job. The body is text, so each attempt sends the same bytes."""
        return json.dumps({"webhook": self.webhook, "body": self.body}).encode()


def delivery(webhook: str, event: StoredEvent) -> Delivery:
    """Return the delivery of an event: its jid is made of both, so it exists once."""
    data = {name: value for name, value in event.as_dict().items() if name not in ("type", "time")}
    return Delivery(f"{webhook}-{event.id}", webhook, body_of(event.type, event.time, data))


def trial(webhook: str, at: float) -> Delivery:
    """Return a delivery of the type `webhook.test`."""
    body = body_of("webhook.test", at, {"webhook": webhook})
    return Delivery(f"{webhook}-test-{secrets.token_hex(6)}", webhook, body)


def body_of(type_name: str, at: float, data: Mapping[str, Any]) -> str:
    """Return the body of a message: type, timestamp and data as JSON."""
    timestamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    payload = {"type": type_name, "timestamp": timestamp.replace("+00:00", "Z"), "data": data}
    return json.dumps(payload, separators=(",", ":"))


def check_id(webhook: Any) -> str:
    """Return the id of a webhook; raises BadArgumentError if it is none."""
    if isinstance(webhook, str) and _ID.fullmatch(webhook):
        return webhook
    raise BadArgumentError(f"id {webhook!r} is not 1 to 40 letters, digits, _ and -")


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options of a webhook as the scripts take them; `None` is not given."""
    found: dict[str, Any] = {}
    if options.get("url") is not None:
        found["url"] = http_urls.parse(options["url"], "url").text
    if options.get("types") is not None:
        found["types"] = events.check_types("types", _listed("types", options["types"]))
    if options.get("queues") is not None:
        found["queues"] = _listed("queues", options["queues"])
        for one in found["queues"]:
            if not is_pattern(one):
                raise BadArgumentError(f"queues holds {one!r}, which is no name or pattern")
    if options.get("description") is not None:
        found["description"] = arguments.text("description", options["description"], 255)
    if options.get("disable_after") is not None:
        found["disable_after"] = arguments.span("disable_after", options["disable_after"])
    return found


def encoded_key(settings: Settings, webhook: str, secret: str) -> dict[str, Any]:
    """Return a secret as it is stored: written by the codec of the client, bound to the id."""
    codec = settings.codec
    return {"key": codec.encode(check_secret(secret), webhook), "codec": codec.name}


def secrets_of(settings: Settings, webhook: Webhook, now: float) -> list[str]:
    """Return the secrets that sign now, the newest first.

    Raises `UndecodableDataError` if the client lacks the codec or the key that wrote one.
    """
    return [
        str(settings.codec_named(one.codec).decode(one.data, webhook.id))
        for one in webhook.keys
        if one.until is None or one.until > now
    ]


def _listed(what: str, value: Any) -> list[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadArgumentError(f"{what} must be a list, not {value!r}")
    found = list(value)
    if len(found) > 20:  # noqa: PLR2004 - the limit of the scripts
        raise BadArgumentError(f"{what} has {len(found)} entries, at most 20 are allowed")
    return found


def _status(reply: Mapping[bytes, Any]) -> WebhookStatus:
    given = dict(reply)
    found = [_webhook(_text(one), unpack_raw(packed)) for one, packed in given[b"webhooks"] or ()]
    gap = unpack_raw(given[b"gap"]) if given.get(b"gap") else None
    return WebhookStatus(
        tuple(sorted(found, key=lambda one: (one.created_at, one.id))),
        _text(given[b"position"]),
        _text(given[b"last"]),
        DispatchGap(gap[b"at"] / 1000, _text(gap[b"after"]), _whole(gap.get(b"lost")))
        if isinstance(gap, dict)
        else None,
    )


def _webhook(webhook: str, record: Mapping[bytes, Any]) -> Webhook:
    given = {_text(name): value for name, value in record.items()}
    seconds = ("created_at", "disabled_at", "disable_after", "failing_since", "last_success_at",
               "last_failure_at")  # fmt: skip
    return Webhook(
        id=webhook,
        url=_text(given["url"]),
        types=tuple(map(_text, given.get("types") or ())),
        queues=tuple(map(_text, given.get("queues") or ())),
        description=_text(given.get("description") or b""),
        state=_text(given["state"]),
        reason=_text(given["reason"]) if given.get("reason") else None,
        delivered=int(given.get("delivered") or 0),
        failed=int(given.get("failed") or 0),
        last_error=_text(given["last_error"]) if given.get("last_error") else None,
        last_status=_whole(given.get("last_status")),
        since=_text(given["since"]),
        keys=tuple(_key(one) for one in given["keys"]),
        **{name: given[name] / 1000 for name in seconds if given.get(name) is not None},
    )


def _key(record: Mapping[bytes, Any]) -> StoredKey:
    until = record.get(b"until")
    return StoredKey(record[b"key"], _text(record[b"codec"]), until / 1000 if until else None)


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
