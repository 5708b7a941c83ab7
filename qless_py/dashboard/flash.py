"""Messages for the page after an action, kept in a signed cookie until they are shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from flask import after_this_request, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from qless_py.client import redaction
from qless_py.dashboard.context import dashboard
from qless_py.errors import QlessError

COOKIE: Final = "qless_py_flash"
_MAX_AGE: Final = 60  # Seconds.
_MAX_TEXT: Final = 600
_MAX_REFUSALS: Final = 5


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(dashboard().secret, salt="flash 2")


def add(text: str, kind: str = "done", *, undo: str = "") -> None:
    """Show a message on the next page; `kind` is `done`, `refused` or `hint`.

    `undo` is the name under which what it reports can be undone.
    """
    messages: list[tuple[str, str, str]] = g.setdefault("qless_py_flash", [])
    if not messages:
        after_this_request(_store)
    messages.append((kind, redaction.truncate(text, _MAX_TEXT), undo))


def add_refusals(errors: Collection[Exception]) -> None:
    """Show why some of several jobs were refused: the first five reasons, and how many more."""
    for error in list(errors)[:_MAX_REFUSALS]:
        add(str(error), "refused")
    if len(errors) > _MAX_REFUSALS:
        add(f"and {len(errors) - _MAX_REFUSALS} more refused", "refused")


def _store(response: Response) -> Response:
    value = _serializer().dumps(g.qless_py_flash)
    response.set_cookie(
        COOKIE,
        str(value),
        max_age=_MAX_AGE,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
        path=request.script_root or "/",
    )
    return response


def is_pending() -> bool:
    """Return whether the last action left messages for the next page."""
    return COOKIE in request.cookies


def pop() -> list[tuple[str, str, str]]:
    """Return the messages of the last action as (kind, text, undo), and delete them."""
    value = request.cookies.get(COOKIE)
    if value is None or g.get("qless_py_access") is None:
        return []
    try:
        serializer = _serializer()
    except (RedisError, QlessError):
        return []  # The error page of a store that does not respond; a later page shows them.
    after_this_request(_delete)
    try:
        messages = serializer.loads(value, max_age=_MAX_AGE)
    except BadSignature:
        return []
    return [(str(kind), str(text), str(undo)) for kind, text, undo in messages]


def _delete(response: Response) -> Response:
    response.delete_cookie(COOKIE, path=request.script_root or "/")
    return response
