"""Record the changes that come through the HTTP API: who requested what, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import request
from pydantic import BaseModel
from werkzeug.wrappers import Response

from qless_py.auth.audit_log import LOGGER
from qless_py.client import audited as entries
from qless_py.errors import QlessError
from qless_py.http.context import caller, client
from qless_py.http.problems import Problem, from_error
from qless_py.protocol.audit import AuditEntry

# Parts of a body that name what is changed.
_TARGETS: Final = ("jids", "group", "name")


def audited(
    route: str, path: Mapping[str, str], body: BaseModel | None, serve: Callable[[], Response]
) -> Response:
    """Serve a request that changes something, and record it.

    A dry run is no change, nor is a request that is not allowed, not valid, or about something that
    does not exist.
    """
    fields = {} if body is None else body.model_dump(exclude_unset=True)
    if fields.get("dry_run"):
        return serve()
    try:
        response = serve()
    except (Problem, QlessError) as error:
        problem = from_error(error)
        if problem is not None and problem.status == HTTPStatus.CONFLICT:
            _record(route, path, fields, problem.detail)
        raise
    answer = response.get_json(silent=True) if response.is_json else None
    count = entries.count_of(answer)
    _record(route, path, fields, None, 1 if count is None and path else count)
    LOGGER.info(
        "%s %r: user=%s address=%s status=%s",
        route, dict(path), caller().name, request.remote_addr, response.status_code,
    )  # fmt: skip
    return response


def _record(
    route: str,
    path: Mapping[str, str],
    fields: Mapping[str, Any],
    refusal: str | None,
    count: int | None = None,
) -> None:
    named = [fields[name] for name in _TARGETS if name in fields]
    rest = {name: value for name, value in fields.items() if name not in _TARGETS}
    what = rest.pop("command", None) or rest.pop("action", None)
    entry = AuditEntry(
        who=caller().name,
        door="http",
        address=request.remote_addr or "",
        action=entries.action_of_route(route, what),
        targets=entries.names_of([*path.values(), *named]),
        details=entries.details_of(rest),
        count=count,
        outcome="done" if refusal is None else "refused",
        result=entries.text_of(refusal or ""),
    )
    entries.record(client(), entry)
