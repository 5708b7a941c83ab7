"""What an action tells the page that comes after it, in a signed cookie of one request's life."""

from __future__ import annotations

from typing import Final

from flask import after_this_request, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response as Answer

from qless_py.dashboard import redaction as shown
from qless_py.dashboard.context import dashboard

COOKIE: Final = "qless_py_notes"
_LIFE: Final = 60
_LONGEST: Final = 600


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(dashboard().secret, salt="notes")


def say(text: str, kind: str = "done") -> None:
    """Have the next page say this; `kind` is `done`, `refused` or `hint`."""
    told: list[tuple[str, str]] = g.setdefault("qless_py_told", [])
    if not told:
        after_this_request(_keep)
    told.append((kind, shown.cut(text, _LONGEST)))


def _keep(response: Answer) -> Answer:
    value = _serializer().dumps(g.qless_py_told)
    response.set_cookie(
        COOKIE,
        str(value),
        max_age=_LIFE,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure,
        path=request.script_root or "/",
    )
    return response


def take() -> list[tuple[str, str]]:
    """Give what is to be said, once."""
    value = request.cookies.get(COOKIE)
    if value is None or g.get("qless_py_access") is None:
        return []
    after_this_request(_forget)
    try:
        told = _serializer().loads(value, max_age=_LIFE)
    except BadSignature:
        return []
    return [(str(kind), str(text)) for kind, text in told]


def _forget(response: Answer) -> Answer:
    response.delete_cookie(COOKIE, path=request.script_root or "/")
    return response
