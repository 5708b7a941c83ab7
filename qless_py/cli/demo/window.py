"""The dashboard of the demo, for as long as it runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from qless_py.client.client import Client
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.dashboard.server import listen


@contextlib.contextmanager
def serving(client: Client) -> Iterator[str]:
    """Serve the dashboard on a port of this machine that is free; gives its address."""
    app = create_app(client, DashboardConfig(environment="demo"))
    server = listen(app, "127.0.0.1", 0, is_silent=True)
    # A reader of a live stream must not keep the demo from ending.
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
