"""The dashboard for a WSGI server: `gunicorn --threads 16 'qless_py.dashboard.wsgi:make_app()'`.

The HTTP API is served with it; `make_api()` serves the API alone.

QLESS_PY_APP or the settings file names an App; without one, QLESS_PY_URL or the settings file names
the store. The settings of the dashboard are in variables that begin with QLESS_PY_WEB_. SCRIPT_NAME
or QLESS_PY_WEB_PREFIX mounts it below a path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from qless_py.app import App, load_app
from qless_py.dashboard.app import create_app
from qless_py.dashboard.config import from_environment
from qless_py.errors import ConfigError
from qless_py.http import create_api
from qless_py.store import settings_file

_NOT_FOUND: Final = Response("Not found.\n", status=404, mimetype="text/plain")


def make_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """Return the application that the environment configures; raises `ConfigError`."""
    config = from_environment(environ)
    named = _named_app(environ)
    if named is not None:
        app = create_app(named, config)
    else:
        app = create_app(config=config, namespace=settings_file.namespace(environ=environ))
    return mounted(app, environ.get("QLESS_PY_WEB_PREFIX", ""))


def make_api(environ: Mapping[str, str] = os.environ) -> Flask:
    """Return the API alone, which only tokens and people let in; raises `ConfigError`."""
    config = replace(from_environment(environ).of_api(), open_locally=False)
    namespace = settings_file.namespace(environ=environ)
    app = create_api(_named_app(environ), config, namespace=namespace)
    return mounted(app, environ.get("QLESS_PY_WEB_PREFIX", ""))


def _named_app(environ: Mapping[str, str]) -> App | None:
    name = environ.get("QLESS_PY_APP") or settings_file.load(environ=environ).app
    return load_app(name) if name else None


def mounted(app: Flask, prefix: str) -> Flask:
    """Serve an application below a path only; raises `ConfigError`."""
    path = prefix.rstrip("/")
    if path and not path.startswith("/"):
        raise ConfigError(f"prefix must begin with /, not {prefix!r}")
    if path:
        inner: Any = app.wsgi_app
        app.wsgi_app = DispatcherMiddleware(_NOT_FOUND, {path: inner})  # type: ignore[method-assign]
    return app
