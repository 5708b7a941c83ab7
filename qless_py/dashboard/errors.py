"""Errors as answers: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

from typing import Final

from flask import current_app, g, json, render_template, request
from werkzeug.wrappers import Response as Answer

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


def of_error(error: errors.QlessError) -> Answer:
    """Answer for a refusal of the core."""
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            return answer(status, code, str(error))
    return answer(500, "failed", str(error))


def wants_json() -> bool:
    """Tell whether the sender prefers JSON to a page."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def answer(status: int, code: str, message: str) -> Answer:
    """Make the answer: `code` names the problem for programs, `message` tells a person."""
    if wants_json():
        body = {"type": f"about:blank#{code}", "title": code, "status": status, "detail": message}
        return current_app.response_class(
            json.dumps(body), status=status, mimetype="application/problem+json"
        )
    is_known = g.get("qless_py_access") is not None
    page = render_template(
        "qless_py/problem.html", status=status, code=code, message=message, is_known=is_known
    )
    return current_app.response_class(page, status=status)
