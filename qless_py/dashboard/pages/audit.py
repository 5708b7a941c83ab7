"""Who changed what: the audit log, searched, in pages, and as a file."""

from __future__ import annotations

import itertools
from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from qless_py.client.audit_export import WRITERS
from qless_py.dashboard import commands
from qless_py.dashboard.context import client, redactor
from qless_py.dashboard.paging import page_cursor
from qless_py.errors import BadArgumentError
from qless_py.protocol.audit import DOORS, OUTCOMES, AuditEntry, AuditPage

_PER_PAGE: Final = 50
_MOST_ROWS: Final = 100_000  # Of a file.
_KINDS: Final = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
# Choices of the field “Since”, in seconds.
PERIODS: Final = {"1h": 3600.0, "24h": 86400.0, "7d": 604800.0, "30d": 2592000.0}
FIELDS: Final = ("who", "action", "target", "door", "outcome", "since")
# What an entry is about, by the first word of its action: the page that shows it.
_PAGES: Final = {
    "job": ("job", "jid"), "queue": ("queue", "name"), "worker": ("worker", "name"),
    "operation": ("operation", "jid"), "failures": ("failure", "group"),
    "recurring": ("recurring_job", "jid"), "throttle": ("throttle", "name"),
}  # fmt: skip


def audit() -> str | tuple[str, int] | Response:
    texts = {name: request.args.get(name, "").strip() for name in FIELDS}
    given = {name: text for name, text in texts.items() if text}
    error, page = "", AuditPage([], None, 1)
    try:
        filters = _filters(given)
        if (kind := request.args.get("format")) in _KINDS:
            return _file(str(kind), filters)
        page = client().audit.page(cursor=page_cursor(), count=_PER_PAGE, **filters)
    except BadArgumentError as problem:
        error = str(problem)
    shown = render_template(
        "qless_py/audit.html", page=page, texts=texts, given=given, error=error, doors=DOORS,
        outcomes=OUTCOMES, periods=PERIODS, cursor=page_cursor(), pages=_PAGES,
        shows_address=redactor() is None, commands=_commands(given),
    )  # fmt: skip
    return (shown, 422) if error else shown


def _filters(given: dict[str, str]) -> dict[str, Any]:
    filters: dict[str, Any] = dict(given)
    if "since" in filters:
        if filters["since"] not in PERIODS:
            raise BadArgumentError(f"since must be one of {', '.join(PERIODS)}")
        filters["since"] = max(0.0, client().settings.clock() - PERIODS[filters["since"]])
    return filters


def _file(kind: str, filters: dict[str, Any]) -> Response:
    hidden = redactor()
    found: Any = itertools.islice(client().audit.search(**filters), _MOST_ROWS)
    if hidden is not None:
        found = (_hidden(one) for one in found)
    response = Response((f"{line}\n" for line in WRITERS[kind](found)), mimetype=_KINDS[kind])
    response.headers["Content-Disposition"] = f"attachment; filename=audit.{kind}"
    return response


def _hidden(one: AuditEntry) -> AuditEntry:
    """Return an entry as viewers see it: without the address."""
    fields = {name: getattr(one, name) for name in AuditEntry.__dataclass_fields__}
    return AuditEntry(**{**fields, "address": ""})


def _commands(given: dict[str, str]) -> list[list[str]]:
    options = [word for name, text in given.items() for word in (f"--{name}", text)]
    return [
        commands.command("audit", *options),
        commands.command("audit", *options, "--export", "csv"),
    ]


ROUTES: Final = (("GET", "/audit", audit),)
