"""What a request must bring before any page sees it, and what each answer carries.

A request that changes something must come from a page of ours: `Sec-Fetch-Site` decides where the
browser sends it (it does not to plain HTTP on other hosts than this machine), else `Origin` must
name the host that was asked; beyond that each form carries a token that only our pages know: the
HMAC of a random cookie (signed double submit; OWASP, Cross-Site Request Forgery Prevention).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from flask import Request, Response

from qless_py.dashboard.config import DashboardConfig

COOKIE: Final = "qless_py_form"
FIELD: Final = "form_token"
HEADER: Final = "X-Form-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_COOKIE_BYTES: Final = 16

CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """The request is answered with this status and message; `code` names the problem."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def check_host(request: Request, config: DashboardConfig, *, is_open: bool) -> None:
    """Refuse a host name that is not ours, with which a foreign page could reach a local server.

    Without `trusted_hosts` and without authentication (`is_open`) only names of this machine are.
    """
    host = (urlsplit(f"//{request.host}").hostname or "").lower()
    trusted = {one.lower() for one in config.trusted_hosts}
    if not trusted and is_open:
        trusted = {"localhost", "127.0.0.1", "::1"}
    if trusted and host not in trusted:
        raise Refusal(400, "untrusted-host", f"this dashboard is not known as {host!r}")


def check_origin(request: Request, config: DashboardConfig) -> None:
    """Refuse a change that a page of another origin asks for."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if origin is not None and origin in config.trusted_origins:
        return
    if site is not None:
        allowed = site in ("same-origin", "none")
    elif origin is not None:
        # The scheme may differ behind a proxy that ends TLS; the host may not.
        allowed = urlsplit(origin).netloc.lower() == request.host.lower()
    else:
        allowed = is_bearer(request)
    if not allowed:
        raise Refusal(403, "cross-origin", "this change was asked for by a page of another origin")


def check_writable(request: Request, config: DashboardConfig) -> None:
    """Refuse every change where the dashboard is there to look only."""
    if config.read_only and request.method not in _SAFE:
        raise Refusal(403, "read-only", "this dashboard only shows")


def is_bearer(request: Request) -> bool:
    """Tell whether the request brings its own credential, which no browser adds by itself."""
    return request.authorization is not None and request.authorization.type == "bearer"


def check_token(request: Request, secret: bytes) -> None:
    """Refuse a change without the token of one of our pages."""
    if request.method in _SAFE or is_bearer(request):
        return
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or not hmac.compare_digest(given.encode(), token(cookie, secret).encode()):
        raise Refusal(403, "bad-form-token", "the form is too old: load the page again, then retry")


def token(cookie: str, secret: bytes) -> str:
    """Give the token that belongs to a cookie."""
    return hmac.new(secret, cookie.encode(), hashlib.sha256).hexdigest()


def cookie_of(request: Request) -> str:
    """Give the cookie of this browser, or a new one."""
    return request.cookies.get(COOKIE) or secrets.token_hex(_COOKIE_BYTES)


def keep_cookie(response: Response, request: Request, cookie: str, path: str) -> None:
    """Set the cookie where the browser does not have it yet."""
    if request.cookies.get(COOKIE) != cookie:
        response.set_cookie(
            COOKIE, cookie, httponly=True, samesite="Strict", secure=request.is_secure, path=path
        )


def add_headers(response: Response) -> None:
    """Add what tells the browser to run nothing but our own files."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")


def challenges(authenticators: Iterable[object]) -> list[str]:
    """Give what a browser is asked for."""
    found = (getattr(one, "challenge", None) for one in authenticators)
    return [one for one in found if one]
