"""Errors as problem details (RFC 9457): one table of codes, and the responses made from it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from flask import request, url_for
from pydantic import ValidationError
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError
from werkzeug.wrappers import Response

from qless_py import errors
from qless_py.auth.guard import RequestRejected

logger = logging.getLogger(__name__)

# code -> status, and what it means.
CODES: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "malformed-json": (400, "The body is not JSON."),
        "bad-cursor": (400, "The cursor does not come from a page of this list."),
        "untrusted-host": (400, "The API is not served under this host name."),
        "unauthenticated": (401, "The request carries no valid token."),
        "forbidden": (403, "The token does not allow this."),
        "read-only": (403, "This API accepts no changes."),
        "cross-origin": (403, "The change was requested by a page of another origin."),
        "local-only": (403, "Without authentication only this machine has access."),
        "not-found": (404, "There is nothing at this path."),
        "job-not-found": (404, "No job has this jid: it was canceled, has expired, or never was."),
        "webhook-not-found": (404, "No webhook has this id."),
        "queue-not-found": (404, "No queue has this name."),
        "worker-not-found": (404, "No worker has this name."),
        "recurring-not-found": (404, "No recurring job has this jid."),
        "operation-not-found": (404, "No operation has this jid."),
        "throttle-not-found": (404, "No throttle with this id has limits."),
        "user-not-found": (404, "No user with this name has settings."),
        "batch-not-found": (404, "No batch has this name."),
        "deploy-not-found": (404, "No deploy marker has this id."),
        "method-not-allowed": (405, "The path does not allow this method; see Allow."),
        "job-canceled": (410, "The job was canceled; `by` and `reason` say who did it and why."),
        "lease-lost": (409, "The lease is gone: stop the work, another worker may have the job."),
        "already-finished": (409, "The lease is gone because the job has ended."),
        "already-exists": (409, "A job with this jid or unique key exists."),
        "wrong-state": (409, "The job is in a state that does not allow this."),
        "data-changed": (409, "The data of the job was changed since it was read."),
        "has-dependents": (409, "Other jobs depend on this one."),
        "queue-not-empty": (409, "The queue has jobs."),
        "cycle": (409, "The job would depend on itself."),
        "event-stream-off": (409, "No events are kept: the option `event-stream` is 0."),
        "batch-closed": (409, "The batch accepts no more jobs."),
        "worker-dead": (409, "This worker was reported dead; begin again under another name."),
        "data-too-large": (413, "Data or a result is larger than `max-data-size`."),
        "body-too-large": (413, "The body is larger than this API accepts."),
        "form-required": (415, "A task is sent as a form or as JSON."),
        "json-required": (415, "A body needs the content type application/json."),
        "invalid": (422, "A field is unknown, missing, or has a wrong type or value."),
        "bad-config": (422, "The option is unknown or its value is invalid."),
        "key-reused": (422, "The Idempotency-Key was used for another request."),
        "too-many-attempts": (429, "Too many wrong tokens came from this address."),
        "too-many-streams": (503, "This process serves no further event stream now."),
        "server-error": (500, "The server failed; its log says why."),
        "store-unavailable": (503, "The store does not respond; nothing is known to be changed."),
        "store-full": (503, "The store has no memory left for new jobs."),
    }
)

_OF_ERROR: Final[Sequence[tuple[type[errors.QlessError], str]]] = (
    (errors.JobNotFoundError, "job-not-found"),
    (errors.BatchNotFoundError, "batch-not-found"),
    (errors.BatchClosedError, "batch-closed"),
    (errors.AlreadyFinishedError, "already-finished"),
    (errors.LostLeaseError, "lease-lost"),
    (errors.AlreadyExistsError, "already-exists"),
    (errors.WrongStateError, "wrong-state"),
    (errors.DataChangedError, "data-changed"),
    (errors.CycleError, "cycle"),
    (errors.DependencyError, "has-dependents"),
    (errors.IdempotencyKeyError, "key-reused"),
    (errors.DeadWorkerError, "worker-dead"),
    (errors.EventStreamOffError, "event-stream-off"),
    (errors.WebhookNotFoundError, "webhook-not-found"),
    (errors.DataTooLargeError, "data-too-large"),
    (errors.BadArgumentError, "invalid"),
    (errors.StoreFullError, "store-full"),
    (errors.StoreError, "store-unavailable"),
    (errors.ConfigError, "bad-config"),
)

_OF_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}
)

_RETRY_AFTER: Final = 5  # Seconds.

# Kinds of pydantic's errors whose own message needs knowledge of Python.
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "this field is required",
        "extra_forbidden": "there is no such field",
        "model_type": "this must be a JSON object",
        "model_attributes_type": "this must be a JSON object",
        "dict_type": "this must be a JSON object",
        "list_type": "this must be a JSON array",
    }
)


class Problem(Exception):  # noqa: N818 - becomes a response, like an HTTPException
    """Ends a request with a problem; `code` is one of `CODES`, `detail` says what was wrong here.

    Further keywords become members of the problem.
    """

    def __init__(self, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.more = more
        self.status, self.title = CODES[code]

    def as_map(self) -> dict[str, Any]:
        """Return the problem as a JSON object; its type is a path of this API that explains it."""
        kind = _place(self.code)
        found = {"type": kind, "title": self.title, "status": self.status}
        return {**found, "code": self.code, "detail": self.detail, **self.more}


def _place(code: str) -> str:
    """Return the path of this API that explains a code."""
    try:
        return url_for(f"{request.blueprint}.get_problem", code=code)
    except BuildError:  # A route that is served outside of /api/v1.
        return f"{request.script_root}/api/v1/problems/{code}"


def response(problem: Problem) -> Response:
    """Return the response for a problem."""
    text = json.dumps(problem.as_map(), ensure_ascii=False)
    made = Response(text, status=problem.status, mimetype="application/problem+json")
    if problem.status == 401:  # noqa: PLR2004 - RFC 9110: a 401 names how to sign in
        made.headers["WWW-Authenticate"] = 'Bearer realm="qless_py"'
    if problem.status == 503:  # noqa: PLR2004
        made.headers["Retry-After"] = str(_RETRY_AFTER)
    return made


def from_error(error: Exception) -> Problem | None:
    """Return the problem for an exception, None for an unexpected one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestRejected):
        return Problem(error.code if error.code in CODES else "forbidden", error.message)
    if isinstance(error, errors.QlessError):
        return Problem(code_of(error), str(error))
    if isinstance(error, RedisError):
        # The error names the address of the store, and its reader may be anybody.
        logger.warning("store does not respond path=%r: %s", request.path, error)
        return Problem("store-unavailable", "the store does not respond; the log says why")
    if isinstance(error, HTTPException):
        code = _OF_STATUS.get(error.code or 0)
        return None if code is None else Problem(code, error.description or error.name)
    return None


def code_of(error: errors.QlessError) -> str:
    """Return the code of an error of the client or the store."""
    return next((code for kind, code in _OF_ERROR if isinstance(error, kind)), "server-error")


def from_validation(error: ValidationError, where: str) -> Problem:
    """Return what pydantic found wrong in a part of the request, one entry for each field."""
    found = [
        {
            "pointer": "".join(f"/{part}" for part in one["loc"]),
            "detail": _WORDS.get(one["type"], one["msg"]),
        }
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    first = found[0]
    name = first["pointer"].strip("/").replace("/", ".")
    detail = f"{where}{f' {name}' if name else ''}: {first['detail']}"
    return Problem("invalid", detail, errors=found)
