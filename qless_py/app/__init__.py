"""One object that says once what client, worker, command line, dashboard and tests share."""

from qless_py.app.app import App
from qless_py.app.loader import import_module, load_app
from qless_py.app.registry import app_of

__all__ = ["App", "app_of", "import_module", "load_app"]
