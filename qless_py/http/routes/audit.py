"""Read who changed what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from werkzeug.wrappers import Response

from qless_py.client.audit_export import WRITERS
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Instant, Line
from qless_py.http.listing import PageQuery, by_cursor, page
from qless_py.http.route import Routes

routes = Routes("audit", "See who changed what.")

_KINDS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


class FilterQuery(PageQuery):
    """Which changes; in `who`, `action` and `target` a star matches any characters."""

    who: Line | None = Field(None, description="The user, token or worker.")
    action: Line | None = Field(None, description="What was done, such as `queue pause`.")
    target: Line | None = Field(None, description="The name of what was changed.")
    door: Literal["dashboard", "command line", "http", "worker"] | None = None
    outcome: Literal["done", "refused"] | None = None
    since: Instant | None = Field(None, description="Only changes since then.")
    format: Literal["json", "csv", "ndjson"] = Field(
        "json", description="`csv` and `ndjson` return all that match, without pages."
    )


class AuditAnswer(Answer):
    """Changes, the newest first; a page of a search can be empty and have a cursor.

    `limit` is how many changes the namespace keeps, 0 if the log is off.
    """

    entries: list[dict[str, Any]]
    limit: int
    cursor: str | None


@routes.get(
    "/audit",
    scope="read",
    returns=AuditAnswer,
    problems=("bad-cursor",),
    media=tuple(_KINDS.values()),
)
def list_audit(query: FilterQuery) -> Any:
    """List who changed what by dashboard, command line or HTTP API."""
    caller().require_all_queues("the audit log")
    filters = query.model_dump(include={"who", "action", "target", "door", "outcome", "since"})
    if query.format != "json":
        lines = WRITERS[query.format](client().audit.search(**filters))
        return Response((f"{line}\n" for line in lines), mimetype=_KINDS[query.format])
    found = by_cursor(
        query, lambda cursor, count: client().audit.page(cursor=cursor, count=count, **filters)
    )
    entries = [one.as_dict() for one in found.entries]
    return page("entries", entries, found.cursor, limit=found.limit)
