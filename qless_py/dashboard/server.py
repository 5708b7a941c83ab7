"""The dashboard served by a process of ours, without a WSGI server beside it."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _Brief(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Say nothing of requests that are answered."""


class _Silent(_Brief):
    def log(self, *_: Any) -> None:
        """Say nothing at all: the terminal belongs to somebody else."""


def listen(app: Flask, host: str, port: int, *, is_silent: bool = False) -> BaseWSGIServer:
    """Listen there, with a thread for each request; port 0 takes one that is free."""
    handler = _Silent if is_silent else _Brief
    return make_server(host, port, app, threaded=True, request_handler=handler)
