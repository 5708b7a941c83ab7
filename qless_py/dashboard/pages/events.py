"""A live tail of the event stream, with filters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py.client.redaction import data_line
from qless_py.dashboard import commands
from qless_py.dashboard.context import client, redactor
from qless_py.errors import BadArgumentError, EventStreamOffError
from qless_py.protocol import events as stream
from qless_py.protocol.events import EventPage, StoredEvent

_SHOWN: Final = 100
FIELDS: Final = ("kind", "queue", "klass", "jid")


def events() -> str | tuple[str, int]:
    """Show the newest events that match; a script then adds those that come."""
    texts = {name: request.args.get(name, "").strip() for name in FIELDS}
    given = {name: text for name, text in texts.items() if text}
    page, error, is_on = EventPage((), "0-0"), "", True
    try:
        _check(texts)
        page = client().run(stream.recent(_SHOWN))
    except EventStreamOffError:
        is_on = False
    except BadArgumentError as problem:
        error = str(problem)
    rows = _rows(page.events, texts)[::-1]
    shown = render_template(
        "qless_py/events.html", rows=rows, last=page.last, texts=texts, given=given, error=error,
        is_on=is_on, kinds=sorted(set(stream.TYPES.values())), number=len(page.events),
        commands=_commands(given),
    )  # fmt: skip
    return (shown, 422) if error else shown


def new_events() -> Response:
    """Return the events behind an id as JSON: the newest ones, and how many came before them."""
    texts = {name: request.args.get(name, "").strip() for name in FIELDS}
    _check(texts)
    after = stream.position("after", request.args.get("after"))
    page = client().run(stream.recent(_SHOWN))
    behind = [one for one in page.events if stream.is_behind(one.id, after)]
    first = stream.number(behind[0].id) if behind else stream.number(page.last) + 1
    skipped = max(0, first - stream.number(after) - 1)
    answer = {"last": page.last, "skipped": skipped, "events": _rows(behind, texts)}
    return Response(json.dumps(answer), mimetype="application/json")


def _check(texts: dict[str, str]) -> None:
    if texts["kind"]:
        stream.check_types("kind", [texts["kind"]])


def _rows(found: Iterable[Any], texts: dict[str, str]) -> list[dict[str, Any]]:
    """Return the events that match, as they are shown."""
    return [_row(one) for one in found if isinstance(one, StoredEvent) and _is_wanted(one, texts)]


def _is_wanted(one: StoredEvent, texts: dict[str, str]) -> bool:
    pairs: Sequence[tuple[str, str]] = (
        (one.type, texts["kind"]), (one.queue, texts["queue"]), (one.klass, texts["klass"]),
        (one.jid, texts["jid"]),
    )  # fmt: skip
    return all(not pattern or stream.matches(value, [pattern]) for value, pattern in pairs)


def _row(one: StoredEvent) -> dict[str, Any]:
    hidden = redactor()
    details = {
        name: value
        for name, value in one.details.items()
        # What a job failed with may hold secrets that no rule finds.
        if hidden is None or name != "message"
    }
    texts = (
        f"{name}={data_line(value, hidden) if not isinstance(value, str) else value[:200]}"
        for name, value in details.items()
    )
    joined = "  ".join(texts)
    return {
        "id": one.id, "at": one.time, "kind": one.type, "jid": one.jid, "queue": one.queue,
        "klass": one.klass, "worker": one.worker,
        "details": hidden.redact_text(joined, 400) if hidden else joined[:400],
    }  # fmt: skip


def _commands(given: dict[str, str]) -> list[list[str]]:
    names = {"kind": "--event", "queue": "--queue", "jid": "--jid"}
    options = [
        word for name, text in given.items() if name in names for word in (names[name], text)
    ]
    return [
        commands.command("listen", "--from", "0", *options),
        commands.command("config", "set", "event-stream", 10000),
    ]


ROUTES: Final = (
    ("GET", "/events", events),
    ("GET", "/events/new", new_events),
)
