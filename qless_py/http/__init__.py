"""The HTTP API: put, run, inspect and operate jobs from any language, below `/api/v1`."""

from qless_py.http.api import create_api, create_api_blueprint, create_tasks_blueprint
from qless_py.http.config import HttpConfig
from qless_py.http.monitors import create_monitors_blueprint

__all__ = [
    "HttpConfig",
    "create_api",
    "create_api_blueprint",
    "create_monitors_blueprint",
    "create_tasks_blueprint",
]
