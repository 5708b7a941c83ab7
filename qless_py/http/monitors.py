"""What monitors and orchestrators ask: `/metrics`, `/healthz`, `/readyz`, outside of `/api/v1`.

The dashboard and the API serve the same three. Health needs no login, and says nothing but which
checks failed. Metrics need the scope read, and show every queue, so a token that is kept to some
queues may not see them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, g, request
from werkzeug.wrappers import Response

from qless_py.app import App
from qless_py.auth import guard
from qless_py.auth.identity import Authenticator
from qless_py.client.client import Client
from qless_py.http import problems
from qless_py.http.authentication import bearer_token
from qless_py.http.config import HttpConfig
from qless_py.http.context import Api, caller
from qless_py.http.problems import Problem
from qless_py.metrics import expose, health

# Endpoints that do their own checks.
ENDPOINTS: Final = ("healthz", "readyz", "metrics")


def create_monitors_blueprint(
    client: Client | App, config: HttpConfig | None = None, *, name: str = "qless_py_monitors"
) -> Blueprint:
    """Return a blueprint with these routes, for an application that serves the API."""
    blueprint = Blueprint(name, __name__, static_folder=None)
    add_monitors(blueprint, Api.of(client, config))
    return blueprint


def add_monitors(blueprint: Blueprint, made: Api) -> None:
    """Serve the routes with the client and the authentication of an API."""

    def healthz() -> Response:
        return _json(health.live(), 200)

    def readyz() -> Response:
        found = health.check(made.client)
        return _json(found.body(), found.status)

    def metrics() -> Response:
        config = made.config
        g.qless_py_api = made
        is_open = config.open_locally and not config.auth and bearer_token() is None
        guard.check_host(request, config.trusted_hosts, is_open=is_open)
        found = caller()
        found.require("read")
        if found.queues:
            raise Problem("forbidden", f"{found.name} may not see the metrics of all queues")
        body, content_type = expose(made.client, request.headers.get("Accept", ""), config.metrics)
        return Response(body, content_type=content_type, headers={"Vary": "Accept"})

    for view in (healthz, readyz, metrics):
        name = view.__name__
        blueprint.add_url_rule(f"/{name}", name, _answered(view, made), methods=["GET"])


def _answered(view: Callable[[], Response], made: Api) -> Callable[[], Response]:
    """Turn what a view raises into a problem, whatever blueprint it is part of."""

    def serve() -> Response:
        try:
            response = view()
        except Exception as error:
            found = problems.from_error(error)
            if found is None:
                raise
            response = _refusal(found, made.config.auth)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return serve


def _refusal(found: Problem, auth: Sequence[Authenticator]) -> Response:
    """Return a problem without a link: nothing here explains its code."""
    body = {"type": "about:blank", "title": found.title, "status": found.status}
    body |= {"code": found.code, "detail": found.detail}
    response = Response(json.dumps(body), status=found.status, mimetype="application/problem+json")
    if found.status == HTTPStatus.UNAUTHORIZED:
        for challenge in guard.challenges(auth) or ['Bearer realm="qless_py"']:
            response.headers.add("WWW-Authenticate", challenge)
    return response


def _json(value: Any, status: int) -> Response:
    return Response(json.dumps(value), status=status, mimetype="application/json")
