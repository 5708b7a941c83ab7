"""Errors as responses: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

from typing import Final

from flask import current_app, g, json, render_template, request
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from qless_py import errors
from qless_py.auth import guard
from qless_py.dashboard.actions import words
from qless_py.dashboard.context import dashboard

_STATUS: Final[tuple[tuple[type[errors.QlessError], int, str], ...]] = (
    (errors.JobNotFoundError, 404, "job-not-found"),
    (errors.BatchNotFoundError, 404, "batch-not-found"),
    (errors.AlreadyFinishedError, 409, "already-finished"),
    (errors.LostLeaseError, 409, "lease-lost"),
    (errors.AlreadyExistsError, 409, "already-exists"),
    (errors.WrongStateError, 409, "wrong-state"),
    (errors.DependencyError, 409, "has-dependents"),
    (errors.DataTooLargeError, 413, "data-too-large"),
    (errors.BadArgumentError, 422, "bad-argument"),
    (errors.ConfigError, 422, "bad-config"),
    (errors.StoreFullError, 503, "store-full"),
    (errors.StoreError, 503, "store-away"),
)


# Errors after which the form that was sent may be sent again.
_TRY_AGAIN: Final = frozenset({"bad-form-token", "store-away", "store-full"})
_OF_THE_FORM: Final = frozenset({guard.FIELD, "back"})
_NOT_TYPED: Final = frozenset({"confirmed", "state", "action", "do", "jid"})


def qless_error_response(error: errors.QlessError) -> Response:
    """Return the response for an error of the client or the store."""
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return error_response(status, code, words(error))
    return error_response(500, "failed", str(error))


def wants_json() -> bool:
    """Return whether the client prefers JSON to HTML."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error response: `code` identifies the problem, `message` explains it to people."""
    if wants_json():
        body = {"type": f"about:blank#{code}", "title": code, "status": status, "detail": message}
        return current_app.response_class(
            json.dumps(body), status=status, mimetype="application/problem+json"
        )
    is_authenticated = g.get("qless_py_access") is not None
    last = dashboard().snapshots.last() if is_authenticated and code == "store-away" else None
    if last is not None:
        g.qless_py_as_of = last[0].at
    page = render_template(
        "qless_py/error.html",
        status=status,
        code=code,
        message=message,
        is_authenticated=is_authenticated,
        last=last,
        typed=_typed(code) if is_authenticated else [],
        can_resend=_can_resend(code),
    )
    return current_app.response_class(page, status=status)


def _typed(code: str) -> list[tuple[str, str, bool]]:
    """Return what was submitted, if it can be sent again: name, value, whether to show it."""
    if request.method != "POST" or code not in _TRY_AGAIN:
        return []
    names = request.form.keys()
    return [
        (name, value, len(request.form.getlist(name)) == 1 and name not in _NOT_TYPED)
        for name in names
        for value in request.form.getlist(name)
        if name not in _OF_THE_FORM
    ]


def _can_resend(code: str) -> bool:
    """Return whether a form has a token, which a store that does not respond may prevent."""
    if code not in _TRY_AGAIN:
        return False
    try:
        return bool(dashboard().secret)
    except (RedisError, errors.QlessError):
        return False
