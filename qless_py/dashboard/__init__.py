"""The dashboard: a Flask blueprint and a WSGI application that show and repair queues."""

from qless_py.auth.identity import (
    Access,
    BasicAuth,
    BearerAuth,
    ProxyAuth,
    Role,
    hash_password,
)
from qless_py.dashboard.app import create_app, create_blueprint
from qless_py.dashboard.config import DashboardConfig

__all__ = [
    "Access",
    "BasicAuth",
    "BearerAuth",
    "DashboardConfig",
    "ProxyAuth",
    "Role",
    "create_app",
    "create_blueprint",
    "hash_password",
]
