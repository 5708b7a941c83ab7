"""The dashboard for a WSGI server: `gunicorn --threads 16 'qless_py.dashboard.wsgi:make_app()'`.

The store is that of QLESS_PY_URL or the configuration file, the settings those of the variables
QLESS_PY_WEB_…; a `SCRIPT_NAME`, or QLESS_PY_WEB_PREFIX, mounts it below a path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from qless_py.dashboard.app import create_app
from qless_py.dashboard.settings import from_environment
from qless_py.errors import ConfigError
from qless_py.store import settings_file as configuration

_NOWHERE: Final = Response("There is nothing here.\n", status=404, mimetype="text/plain")


def make_app(environ: Mapping[str, str] = os.environ) -> Flask:
    """Make the application of the environment."""
    app = create_app(
        config=from_environment(environ), namespace=configuration.namespace(environ=environ)
    )
    return mounted(app, environ.get("QLESS_PY_WEB_PREFIX", ""))


def mounted(app: Flask, prefix: str) -> Flask:
    """Serve an application below a path, and nothing beside it."""
    path = prefix.rstrip("/")
    if path and not path.startswith("/"):
        raise ConfigError(f"a prefix begins with /, not {prefix!r}")
    if path:
        inner: Any = app.wsgi_app
        app.wsgi_app = DispatcherMiddleware(_NOWHERE, {path: inner})  # type: ignore[method-assign]
    return app
