"""Errors as responses: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

from typing import Final

from flask import current_app, g, json, render_template, request
from werkzeug.wrappers import Response

from qless_py import errors

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
    (errors.StoreError, 503, "store-away"),
)


def qless_error_response(error: errors.QlessError) -> Response:
    """Return the response for an error of the client or the store."""
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return error_response(status, code, str(error))
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
    page = render_template(
        "qless_py/error.html",
        status=status,
        code=code,
        message=message,
        is_authenticated=is_authenticated,
    )
    return current_app.response_class(page, status=status)
