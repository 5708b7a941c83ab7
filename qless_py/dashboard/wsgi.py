"""The dashboard for a WSGI server: `gunicorn --threads 16 'qless_py.dashboard.wsgi:make_app()'`.

QLESS_PY_APP or the settings file names an App; without one, QLESS_PY_URL or the settings file names
the store. The settings of the dashboard are in variables that begin with QLESS_PY_WEB_. SCRIPT_NAME
or QLESS_PY_WEB_PREFIX mounts it below a path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from qless_py.app import load_app
from qless_py.dashboard.app import create_app
from qless_py.dashboard.config import from_environment
from qless_py.errors import ConfigError
from qless_py.store import settings_file

_NOT_FOUND: Final = Response("Not found.\n", status=404, mimetype="text/plain")


def make_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """Return the application that the environment configures; raises `ConfigError`."""
    config = from_environment(environ)
    name = environ.get("QLESS_PY_APP") or settings_file.load(environ=environ).app
    if name:
        app = create_app(load_app(name), config)
    else:
        app = create_app(config=config, namespace=settings_file.namespace(environ=environ))
    return mounted(app, environ.get("QLESS_PY_WEB_PREFIX", ""))


def mounted(app: Flask, prefix: str) -> Flask:
    """Serve an application below a path only; raises `ConfigError`."""
    path = prefix.rstrip("/")
    if path and not path.startswith("/"):
        raise ConfigError(f"prefix must begin with /, not {prefix!r}")
    if path:
        inner: Any = app.wsgi_app
        app.wsgi_app = DispatcherMiddleware(_NOT_FOUND, {path: inner})  # type: ignore[method-assign]
    return app
