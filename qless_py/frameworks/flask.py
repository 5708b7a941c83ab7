"""Flask: an App with the settings, the application context and the commands of an application."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import click
from flask import Flask

from qless_py import cli
from qless_py.app import App
from qless_py.dashboard import DashboardConfig, create_blueprint
from qless_py.errors import ConfigError
from qless_py.http import HttpConfig, create_api_blueprint
from qless_py.store.settings_file import unknown

_PREFIX: Final = "QLESS_"
_KEYS: Final = (
    *("QLESS_URL", "QLESS_NAMESPACE", "QLESS_DASHBOARD", "QLESS_DASHBOARD_CONFIG"),
    *("QLESS_API", "QLESS_API_CONFIG"),
)
EXTENSION: Final = "qless_py"

T = TypeVar("T")


class Qless(App):
    """An App that belongs to a Flask application: `qless = Qless(app)`, or `init_app` in a factory.

    Further arguments are those of `App`. Each job runs in an application context of its own, so
    that `current_app` is there and functions of `teardown_appcontext` are called at its end.

    The configuration of the application is read in `init_app`:

    * QLESS_URL, QLESS_NAMESPACE: the store, instead of the arguments;
    * QLESS_DASHBOARD: a path, such as `/jobs`, below which the dashboard is served;
    * QLESS_DASHBOARD_CONFIG: its `DashboardConfig`;
    * QLESS_API: True to serve the HTTP API at `/api/v1`; QLESS_API_CONFIG: its `HttpConfig`.
    """

    def __init__(self, flask_app: Flask | None = None, /, **options: Any) -> None:
        middleware = (self._in_context, *options.pop("middleware", ()))
        super().__init__(options.pop("url", None), middleware=middleware, **options)
        self._given = self.url, self.given_namespace
        self._flask_app: Flask | None = None
        # Else each job of a worker would fail without an application.
        self.on_worker_start(lambda: self.flask_app)
        if flask_app is not None:
            self.init_app(flask_app)

    @property
    def flask_app(self) -> Flask:
        """The Flask application; raises `ConfigError` before `init_app`."""
        if self._flask_app is None:
            raise ConfigError("this Qless has no Flask application: call init_app first")
        return self._flask_app

    def init_app(self, flask_app: Flask) -> None:
        """Read the configuration of an application and add the commands `flask qless …` to it.

        Where a program makes several applications, as tests do, jobs run in the context of the last
        one. Raises `ConfigError` for wrong settings, and then changes nothing.
        """
        config = flask_app.config
        for key in config:
            if key.startswith(_PREFIX) and key not in _KEYS:
                raise ConfigError(f"Flask configuration: {unknown('setting', key, _KEYS)}")
        path = _path(config.get("QLESS_DASHBOARD"))
        dashboard = _instance(config, "QLESS_DASHBOARD_CONFIG", DashboardConfig)
        api = _instance(config, "QLESS_API_CONFIG", HttpConfig)
        has_api = _instance(config, "QLESS_API", bool)
        url, namespace = self._given
        self.use_store(config.get("QLESS_URL") or url, config.get("QLESS_NAMESPACE") or namespace)
        self._flask_app = flask_app
        flask_app.extensions[EXTENSION] = self
        flask_app.cli.add_command(_commands(self))
        if path is not None:
            flask_app.register_blueprint(create_blueprint(self, dashboard), url_prefix=path)
        if has_api:
            flask_app.register_blueprint(create_api_blueprint(self, api))

    @contextlib.contextmanager
    def _in_context(self, _job: Any) -> Iterator[None]:
        with self.flask_app.app_context():
            yield


def _instance(config: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    """Return a setting, which must be of this class; None if it is not there."""
    found = config.get(key)
    if found is not None and not isinstance(found, kind):
        raise ConfigError(f"{key} is a {type(found).__name__}, not a {kind.__name__}")
    return found


def _path(path: Any) -> str | None:
    """Return where to serve the dashboard, None for nowhere."""
    if path is None:
        return None
    if not isinstance(path, str) or not path.startswith("/") or not path.strip("/"):
        raise ConfigError(f"QLESS_DASHBOARD must be a path such as /jobs, not {path!r}")
    return path.rstrip("/")


def _commands(app: Qless) -> click.Command:
    """Return the command `qless`, which is the whole command line of qless_py with this App."""

    @click.command(
        "qless",
        short_help="Run a command of qless-py: work, queues, jobs, web …",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def qless(words: tuple[str, ...]) -> None:
        """Run a command of qless-py with the App of this application."""
        cli.main(words, app)

    return qless
