"""The HTTP API as a blueprint for a Flask application, and as a WSGI application."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Final

from flask import Blueprint, Flask, g, request
from flask import Response as FlaskResponse
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.wrappers import Response

from qless_py.app import App
from qless_py.auth import audit_log, guard
from qless_py.client.client import Client
from qless_py.http import problems, try_page
from qless_py.http.authentication import bearer_token
from qless_py.http.config import HttpConfig
from qless_py.http.context import Api
from qless_py.http.monitors import add_monitors
from qless_py.http.problems import Problem
from qless_py.http.routes import SUBJECTS, tasks

logger = logging.getLogger(__name__)

PREFIX: Final = "/api/v1"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OTHER_METHODS: Final = ("GET", "PUT", "PATCH", "DELETE")


def create_api_blueprint(
    client: Client | App, config: HttpConfig | None = None, *, name: str = "qless_py_api"
) -> Blueprint:
    """Return a blueprint with the prefix `/api/v1` to register in a Flask application.

    It has its own authentication and error responses.
    """
    return _api_blueprint(Api.of(client, config), name)


def create_tasks_blueprint(
    client: Client | App, config: HttpConfig | None = None, *, name: str = "qless_py_tasks"
) -> Blueprint:
    """Return a blueprint that takes tasks at `/queue`, as Miyamoto and App Engine do."""
    return _tasks_blueprint(Api.of(client, config), name)


def create_api(
    client: Client | App | None = None,
    config: HttpConfig | None = None,
    *,
    url: str | None = None,
    namespace: str | None = None,
) -> Flask:
    """Return a WSGI application that serves the API, `/queue`, `/metrics` and health checks.

    Without a client or an App it connects to `url`, as `Client` does.
    """
    app = Flask("qless_py.http", static_folder=None, template_folder=None)
    made = Api.of(client or Client(url, namespace=namespace), config)
    add_api(app, made)
    monitors = Blueprint("qless_py_monitors", __name__, static_folder=None)
    add_monitors(monitors, made)
    app.register_blueprint(monitors)
    return app


def add_api(app: Flask, made: Api) -> None:
    """Serve an API in an application, at `/api/v1` and at `/queue`."""
    app.register_blueprint(_api_blueprint(made, "qless_py_api"))
    app.register_blueprint(_tasks_blueprint(made, "qless_py_tasks"))


def _api_blueprint(made: Api, name: str) -> Blueprint:
    audit_log.prepare()
    blueprint = Blueprint(
        name, __name__, url_prefix=PREFIX, template_folder=str(try_page.TEMPLATES)
    )
    _add_guards(blueprint, made)
    for subject in SUBJECTS:
        subject.add_to(blueprint)
    try_page.add_to(blueprint, SUBJECTS)
    _add_catch_all(blueprint)
    return blueprint


def _tasks_blueprint(made: Api, name: str) -> Blueprint:
    blueprint = Blueprint(name, __name__, static_folder=None)
    _add_guards(blueprint, made)
    tasks.routes.add_to(blueprint)

    @blueprint.route("/queue", defaults={"queue": ""}, methods=_OTHER_METHODS)
    @blueprint.route("/queue/<queue>", methods=_OTHER_METHODS)
    def refuse(queue: str) -> Response:
        place = f"/queue/{queue}".rstrip("/")
        return _refuse_method(place, ["POST"])

    return blueprint


def _refuse_method(place: str, allowed: Sequence[str]) -> Response:
    methods = ", ".join(allowed)
    detail = f"{place} takes {methods}, not {request.method}"
    response = problems.response(Problem("method-not-allowed", detail))
    response.headers["Allow"] = methods
    return response


def _add_guards(blueprint: Blueprint, made: Api) -> None:
    config = made.config

    @blueprint.before_request
    def check() -> None:
        g.qless_py_api = made
        has_token = bearer_token() is not None
        is_open = config.open_locally and not config.auth and not has_token
        guard.check_host(request, config.trusted_hosts, is_open=is_open)
        # A page cannot send a token that it does not know; programs send no origin.
        if not has_token and {"Origin", "Sec-Fetch-Site"} & set(request.headers.keys()):
            guard.check_origin(request, config.trusted_origins)
        if config.read_only and request.method not in ("GET", "HEAD", "OPTIONS"):
            raise Problem("read-only", "this API accepts no changes")

    @blueprint.after_request
    def finish(response: FlaskResponse) -> FlaskResponse:
        headers = response.headers
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    @blueprint.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        problem = problems.from_error(error)
        if problem is None:
            logger.error("%s %s failed", request.method, request.path, exc_info=error)
            problem = Problem("server-error", "the server failed; its log says why")
        return problems.response(problem)


@functools.cache
def _known_paths() -> MapAdapter:
    """Return the paths of all routes; compiling them takes longer than all else of a blueprint."""
    rules = [Rule(one.rule, methods=[one.method]) for part in SUBJECTS for one in part.all]
    return Map(rules).bind("")


def _add_catch_all(blueprint: Blueprint) -> None:
    # Otherwise the host application would answer unknown paths, without our guards.
    methods = _known_paths().allowed_methods

    @blueprint.route("/", defaults={"rest": ""}, methods=_METHODS, strict_slashes=False)
    @blueprint.route("/<path:rest>", methods=_METHODS)
    def unknown(rest: str) -> Response:
        allowed = sorted(methods(f"/{rest}"))
        if not allowed:
            raise Problem(
                "not-found", f"there is nothing at {PREFIX}/{rest}; {PREFIX}/try lists all paths"
            )
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})
        return _refuse_method(f"{PREFIX}/{rest}", allowed)
