"""A threaded HTTP server for the dashboard, when no WSGI server runs it."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _RequestHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Do not log successful requests."""


class _SilentRequestHandler(_RequestHandler):
    def log(self, *_: Any) -> None:
        """Log nothing at all: another program owns the terminal."""


def listen(app: Flask, host: str, port: int, *, is_silent: bool = False) -> BaseWSGIServer:
    """Return a server with a thread per request; port 0 picks a free one."""
    handler = _SilentRequestHandler if is_silent else _RequestHandler
    return make_server(host, port, app, threaded=True, request_handler=handler)
