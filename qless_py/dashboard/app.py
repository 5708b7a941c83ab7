"""The dashboard as a blueprint for a Flask application, and as an application of its own."""

from __future__ import annotations

import math
import mimetypes
import re
from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, abort, g, redirect, request
from flask import Response as FlaskResponse
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException
from werkzeug.security import safe_join
from werkzeug.wrappers import Response

from qless_py.app import App
from qless_py.auth import audit_log, guard
from qless_py.auth.identity import Access, Role, is_local
from qless_py.client.client import Client
from qless_py.dashboard import context, pages
from qless_py.dashboard.config import DashboardConfig
from qless_py.dashboard.errors import error_response, qless_error_response
from qless_py.dashboard.template_helpers import add_helpers
from qless_py.errors import QlessError
from qless_py.http.api import add_api
from qless_py.http.context import Api
from qless_py.http.monitors import ENDPOINTS, add_monitors

_YEAR: Final = 31_536_000
# The folder in which browsers see static files; modules import others of the same version.
_VERSION: Final = re.compile(r"v-(\w+)/")


def create_blueprint(
    client: Client | App, config: DashboardConfig | None = None, *, name: str = "qless_py"
) -> Blueprint:
    """Return a blueprint to register in a Flask application, under any prefix.

    It brings its own authentication, form tokens and security headers. With an App it shows the
    store of that App and also hides what its `redact` says.
    """
    config = config or DashboardConfig()
    if isinstance(client, App):
        config, client = config.with_redaction(client.redact), client.client
    dashboard = context.Dashboard(client, config)
    audit_log.prepare()
    blueprint = Blueprint(
        name, __name__, template_folder=str(context.TEMPLATE_FOLDER), static_folder=None
    )
    _add_guards(blueprint, dashboard)
    _add_static_files(blueprint)
    _add_error_handlers(blueprint)
    add_helpers(blueprint, dashboard)
    pages.register(blueprint)
    add_monitors(blueprint, Api(client, config.of_api()))
    _add_catch_all(blueprint)
    return blueprint


def create_app(
    client: Client | App | None = None,
    config: DashboardConfig | None = None,
    *,
    url: str | None = None,
    namespace: str = "ql",
) -> Flask:
    """Return a WSGI application for a client or an App, which serves the HTTP API as well.

    Without one it connects to `url`, as `Client` does.
    """
    config = config or DashboardConfig()
    shown = client or Client(url, namespace=namespace)
    app = Flask("qless_py.dashboard", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 4 * 2**20
    app.register_blueprint(create_blueprint(shown, config))
    add_api(app, Api.of(shown, config.of_api()))
    return app


def _add_guards(blueprint: Blueprint, dashboard: context.Dashboard) -> None:
    config = dashboard.config
    open_endpoints = {f"{blueprint.name}.{name}" for name in ENDPOINTS}

    @blueprint.before_request
    def check() -> Response | None:
        if request.endpoint in open_endpoints:
            return None
        g.qless_py_dashboard = dashboard
        g.qless_py_blueprint = blueprint.name
        g.qless_py_cookie = guard.browser_cookie(request)
        g.qless_py_access = None
        try:
            guard.check_host(request, config.trusted_hosts, is_open=not config.auth)
            blocked = dashboard.login_limiter.blocked_for(request)
            found = _authenticate(config, is_blocked=blocked > 0)
            if found is None:
                return _unauthenticated(dashboard, blocked)
            dashboard.login_limiter.record_success(request)
            g.qless_py_access = found
            guard.check_origin(request, config.trusted_origins)
            guard.check_writable(request, is_read_only=config.read_only)
            _check_form(dashboard)
        except guard.RequestRejected as error:
            return error_response(error.status, error.code, error.message)
        return None

    @blueprint.after_request
    def finish(response: FlaskResponse) -> FlaskResponse:
        guard.add_security_headers(response)
        if request.endpoint != f"{blueprint.name}.static":
            cookie = g.get("qless_py_cookie")
            if cookie is not None:
                guard.set_cookie(response, request, cookie, request.script_root or "/")
        return response


def _check_form(dashboard: context.Dashboard) -> None:
    secret = dashboard.secret
    is_one_of_several = bool(request.environ.get("wsgi.multiprocess"))
    hint = dashboard.secret_hint(is_one_of_several=is_one_of_several)
    guard.check_form_token(request, secret, hint)


def _authenticate(config: DashboardConfig, *, is_blocked: bool) -> Access | None:
    """Return the sender of the request; if blocked, without checking passwords and tokens."""
    if not config.auth:
        if not is_local(request):
            message = "no authentication is configured, so only this machine has access"
            raise guard.RequestRejected(403, "local-only", message)
        return Access("local", Role.ADMIN, shows_data=True)
    for authenticator in config.auth:
        if is_blocked and guard.challenges([authenticator]):
            continue
        found = authenticator(request)
        if found is not None:
            return found
    return None


def _unauthenticated(dashboard: context.Dashboard, blocked: float) -> Response:
    if blocked > 0:
        seconds = math.ceil(blocked)
        message = f"too many wrong passwords or tokens from this address: try again in {seconds} s"
        response = error_response(429, "too-many-attempts", message)
        response.headers["Retry-After"] = str(seconds)
        return response
    dashboard.login_limiter.record_failure(request)
    response = error_response(401, "unauthenticated", "Sign in required.")
    for challenge in guard.challenges(dashboard.config.auth):
        response.headers.add("WWW-Authenticate", challenge)
    return response


def _add_static_files(blueprint: Blueprint) -> None:
    @blueprint.get("/static/<path:name>", endpoint="static")
    def static(name: str) -> Response:
        version = _VERSION.match(name)
        name = name[version.end() :] if version else name
        path = safe_join(str(context.STATIC_FOLDER), name)
        if path is None or not Path(path).is_file():
            abort(404)
        # Read at once: a file sent in chunks would stay open if the browser disconnects.
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        response = FlaskResponse(Path(path).read_bytes(), mimetype=kind)
        response.add_etag()
        response.make_conditional(request)
        # Of another version, as while processes are replaced, the content may be another as well.
        if version and version[1] == context.dashboard().asset_version:
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return response

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return redirect(context.link("static", name="icon.svg"))


def _add_catch_all(blueprint: Blueprint) -> None:
    # Otherwise the host application would answer unknown paths, without our guards.
    @blueprint.route("/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(rest: str) -> Response:
        return error_response(404, "not-found", f"page {rest} does not exist")


def _add_error_handlers(blueprint: Blueprint) -> None:
    @blueprint.errorhandler(QlessError)
    def qless_error(error: QlessError) -> Response:
        return qless_error_response(error)

    @blueprint.errorhandler(RedisError)
    def store_unavailable(error: RedisError) -> Response:
        g.qless_py_store_away = True
        return error_response(503, "store-away", f"the store does not respond: {error}")

    @blueprint.errorhandler(guard.RequestRejected)
    def rejected(error: guard.RequestRejected) -> Response:
        return error_response(error.status, error.code, error.message)

    @blueprint.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:  # noqa: PLR2004 - a redirect is not an error
            abort(error.get_response())
        return error_response(error.code, "refused", error.description or error.name)
