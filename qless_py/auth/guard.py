"""Checks that every request passes before a page sees it, and the headers of every response.

Protection against forged requests has two layers. First, `Sec-Fetch-Site` must say that the request
comes from our own origin; browsers omit it over plain HTTP to other hosts than this machine, then
`Origin` must name the requested host. Second, every form carries a token that only our pages know:
an HMAC of a random cookie (signed double submit; OWASP, Cross-Site Request Forgery Prevention).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Container, Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flask import Request, Response

COOKIE: Final = "qless_py_form"
FIELD: Final = "form_token"
HEADER: Final = "X-Form-Token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_COOKIE_BYTES: Final = 16

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class RequestRejected(Exception):  # noqa: N818 - becomes a response, like an HTTPException
    """Rejects a request with an HTTP status; `code` identifies the problem for programs."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def check_host(request: Request, trusted_hosts: Iterable[str], *, is_open: bool) -> None:
    """Reject untrusted host names, which protects a local dashboard against DNS rebinding.

    Without `trusted_hosts` and without authentication (`is_open`) only loopback names are trusted.
    """
    host = (_split(f"//{request.host}").hostname or "").lower()
    trusted = {one.lower() for one in trusted_hosts}
    if not trusted and is_open:
        trusted = {"localhost", "127.0.0.1", "::1"}
    if trusted and host not in trusted:
        raise RequestRejected(
            400, "untrusted-host", f"host {host!r} is not trusted; allow it with trusted_hosts"
        )


def check_origin(request: Request, trusted_origins: Container[str]) -> None:
    """Reject a change requested by a page of another origin."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if origin is not None and origin in trusted_origins:
        return
    if site is not None:
        allowed = site in ("same-origin", "none")
    elif origin is not None:
        # Behind a proxy that terminates TLS the scheme may differ, but not the host.
        allowed = _split(origin).netloc.lower() == request.host.lower()
    else:
        allowed = _is_bearer(request)
    if not allowed:
        raise RequestRejected(403, "cross-origin", "change requested by a page of another origin")


def _split(url: str) -> SplitResult:
    """Split a URL of a request; one that is no URL has no host."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def check_writable(request: Request, *, is_read_only: bool) -> None:
    """Reject every change to a read-only dashboard."""
    if is_read_only and request.method not in _SAFE:
        raise RequestRejected(403, "read-only", "this dashboard is read-only")


def _is_bearer(request: Request) -> bool:
    """Return whether the request has a bearer token, which browsers never add by themselves."""
    return request.authorization is not None and request.authorization.type == "bearer"


def check_form_token(request: Request, secret: bytes, hint: str = "") -> None:
    """Reject a change without a form token of this dashboard; `hint` is added to the message."""
    if request.method in _SAFE or _is_bearer(request):
        return
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    cookie = request.cookies.get(COOKIE, "")
    if not cookie or not hmac.compare_digest(given.encode(), form_token(cookie, secret).encode()):
        message = f"form expired, so nothing was changed: check it and send it again. {hint}"
        raise RequestRejected(403, "bad-form-token", message.strip())


def form_token(cookie: str, secret: bytes) -> str:
    """Return the form token that belongs to a cookie."""
    return hmac.new(secret, cookie.encode(), hashlib.sha256).hexdigest()


def browser_cookie(request: Request) -> str:
    """Return the cookie of this browser, or a new random one."""
    return request.cookies.get(COOKIE) or secrets.token_hex(_COOKIE_BYTES)


def set_cookie(response: Response, request: Request, cookie: str, path: str) -> None:
    """Set the cookie unless the browser already has it."""
    if request.cookies.get(COOKIE) != cookie:
        response.set_cookie(
            COOKIE, cookie, httponly=True, samesite="Strict", secure=request.is_secure, path=path
        )


def add_security_headers(response: Response) -> None:
    """Add headers that keep the browser from loading or running anything but our own files."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")


def challenges(authenticators: Iterable[object]) -> list[str]:
    """Return the WWW-Authenticate challenges of these authenticators."""
    return [found for one in authenticators if (found := getattr(one, "challenge", None))]
