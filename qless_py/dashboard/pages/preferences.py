"""How this browser wants to see the pages, and signing out."""

from __future__ import annotations

from typing import Final

from flask import current_app, redirect, render_template, request
from werkzeug.wrappers import Response

from qless_py.auth import guard
from qless_py.dashboard import preferences as kept
from qless_py.dashboard.actions import return_url
from qless_py.dashboard.context import dashboard, link
from qless_py.dashboard.errors import wants_json


def preferences() -> Response:
    """Keep the given preferences in the browser; nothing is stored elsewhere, so GET may do it."""
    response = current_app.response_class(status=204) if wants_json() else redirect(return_url())
    if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
        kept.store(response, kept.changed(kept.current(), request.args))
    return response


def sign_out() -> Response:
    """Reject the password of this request, so that the browser forgets it."""
    challenges = guard.challenges(dashboard().config.auth)
    if not any(one.startswith("Basic") for one in challenges):
        return redirect(link("overview"))
    response = current_app.response_class(render_template("qless_py/signed_out.html"), status=401)
    for challenge in challenges:
        response.headers.add("WWW-Authenticate", challenge)
    return response


ROUTES: Final = (
    ("GET", "/preferences", preferences),
    ("GET", "/sign-out", sign_out),
)
