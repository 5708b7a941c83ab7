"""The dashboard as a blueprint for a Flask application, and as an application of its own."""

from __future__ import annotations

import math
import mimetypes
from pathlib import Path
from typing import Final

from flask import Blueprint, Flask, Response, abort, g, redirect, request, url_for
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as Answer

from qless_py.client.client import Client
from qless_py.dashboard import errors as problems
from qless_py.dashboard import pages
from qless_py.dashboard import template_helpers as view
from qless_py.dashboard.auth import guard
from qless_py.dashboard.auth.access import Access, Role, is_local
from qless_py.dashboard.config import DashboardConfig
from qless_py.dashboard.context import Dashboard, static_folder, template_folder
from qless_py.errors import QlessError

_YEAR: Final = 31_536_000


def create_blueprint(
    client: Client, config: DashboardConfig | None = None, *, name: str = "qless_py"
) -> Blueprint:
    """Make a blueprint, to be registered under any prefix of a Flask application.

    Authentication, tokens and headers are the blueprint's own, whatever the application does.
    """
    board = Dashboard(client, config or DashboardConfig())
    blueprint = Blueprint(
        name, __name__, template_folder=str(template_folder()), static_folder=None
    )
    _add_guards(blueprint, board)
    _add_static(blueprint)
    _add_errors(blueprint)
    view.add_filters(blueprint, board)
    pages.register(blueprint)
    _add_last(blueprint)
    return blueprint


def create_app(
    client: Client | None = None,
    config: DashboardConfig | None = None,
    *,
    url: str | None = None,
    namespace: str = "ql",
) -> Flask:
    """Make a WSGI application. Without a client it makes one of `url`, as `Client` does."""
    app = Flask("qless_py.dashboard", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 4 * 2**20
    app.register_blueprint(create_blueprint(client or Client(url, namespace=namespace), config))
    return app


def _add_guards(blueprint: Blueprint, board: Dashboard) -> None:
    config = board.config

    @blueprint.before_request
    def check() -> Answer | None:
        g.qless_py_dashboard = board
        g.qless_py_blueprint = blueprint.name
        g.qless_py_cookie = guard.cookie_of(request)
        g.qless_py_access = None
        try:
            guard.check_host(request, config, is_open=not config.auth)
            wait = board.attempts.wait(request)
            found = _identify(config, is_known_only=wait > 0)
            if found is None:
                return _challenge(board, wait)
            board.attempts.passed(request)
            g.qless_py_access = found
            guard.check_origin(request, config)
            guard.check_writable(request, config)
            guard.check_token(request, board.secret)
        except guard.Refusal as refusal:
            return problems.answer(refusal.status, refusal.code, refusal.message)
        return None

    @blueprint.after_request
    def finish(response: Response) -> Response:
        guard.add_headers(response)
        if request.endpoint != f"{blueprint.name}.static":
            cookie = g.get("qless_py_cookie")
            if cookie is not None:
                guard.keep_cookie(response, request, cookie, request.script_root or "/")
        return response


def _identify(config: DashboardConfig, *, is_known_only: bool) -> Access | None:
    """Tell whose request it is; with `is_known_only` passwords and tokens are not looked at."""
    if not config.auth:
        if not is_local(request):
            raise guard.Refusal(
                403, "local-only", "no authentication is set up, so only this machine may enter"
            )
        return Access("local", Role.ADMIN, shows_data=True)
    for authenticator in config.auth:
        if is_known_only and guard.challenges([authenticator]):
            continue
        found = authenticator(request)
        if found is not None:
            return found
    return None


def _challenge(board: Dashboard, wait: float) -> Answer:
    if wait > 0:
        seconds = math.ceil(wait)
        text = f"too many wrong passwords or tokens came from there: wait for {seconds} s"
        answer = problems.answer(429, "too-many-attempts", text)
        answer.headers["Retry-After"] = str(seconds)
        return answer
    board.attempts.failed(request)
    answer = problems.answer(401, "unauthenticated", "who are you?")
    for one in guard.challenges(board.config.auth):
        answer.headers.add("WWW-Authenticate", one)
    return answer


def _add_static(blueprint: Blueprint) -> None:
    @blueprint.get("/static/<path:name>", endpoint="static")
    def static(name: str) -> Answer:
        path = safe_join(str(static_folder()), name)
        if path is None or not Path(path).is_file():
            abort(404)
        # Read at once: a file that is sent piece by piece stays open when its reader has left.
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        answer = Response(Path(path).read_bytes(), mimetype=kind)
        answer.add_etag()
        answer.make_conditional(request)
        if request.args.get("v"):
            answer.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return answer

    @blueprint.get("/favicon.ico")
    def favicon() -> Answer:
        return redirect(url_for(".static", name="icon.svg"))


def _add_last(blueprint: Blueprint) -> None:
    # Without this, a path that no view knows would be answered by the host, without our guards.
    @blueprint.route("/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(rest: str) -> Answer:
        return problems.answer(404, "not-found", f"there is no page {rest}")


def _add_errors(blueprint: Blueprint) -> None:
    @blueprint.errorhandler(QlessError)
    def refused(error: QlessError) -> Answer:
        return problems.of_error(error)

    @blueprint.errorhandler(RedisError)
    def away(error: RedisError) -> Answer:
        return problems.answer(503, "store-away", f"the store does not answer: {error}")

    @blueprint.errorhandler(guard.Refusal)
    def refuse(error: guard.Refusal) -> Answer:
        return problems.answer(error.status, error.code, error.message)

    @blueprint.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Answer:
        if error.code is None or error.code < 400:  # noqa: PLR2004 - a redirection is no problem
            abort(error.get_response())
        return problems.answer(error.code, "refused", error.description or error.name)
