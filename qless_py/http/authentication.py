"""Authenticate a request: by an access token, by an authenticator, or as a local one."""

from __future__ import annotations

import math

from flask import request

from qless_py.auth.identity import is_local
from qless_py.auth.login_limiter import LoginLimiter
from qless_py.http import callers
from qless_py.http.callers import Caller, Verify
from qless_py.http.config import HttpConfig
from qless_py.http.problems import Problem


def bearer_token() -> str | None:
    """Return the token of the request, if it has one."""
    given = request.authorization
    return given.token or "" if given is not None and given.type == "bearer" else None


def identify(config: HttpConfig, limiter: LoginLimiter, verify: Verify) -> Caller:
    """Return the sender of this request; raise a `Problem` if it is not authenticated."""
    blocked = limiter.blocked_for(request)
    if blocked > 0:
        seconds = math.ceil(blocked)
        detail = f"too many wrong tokens from this address: try again in {seconds} s"
        raise Problem("too-many-attempts", detail, retry_after=seconds)
    token = bearer_token()
    known = verify(token) if token else None
    if known is not None:
        return known
    for authenticator in config.auth:
        found = authenticator(request)
        if found is not None:
            limiter.record_success(request)
            return callers.of_access(found)
    if token is None and not config.auth and config.open_locally:
        if is_local(request):
            return callers.LOCAL
        raise Problem("local-only", "without a token only this machine has access")
    limiter.record_failure(request)
    raise Problem("unauthenticated", "send a valid token: Authorization: Bearer …")
