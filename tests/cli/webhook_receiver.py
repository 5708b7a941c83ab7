"""An HTTP server on this machine that receives webhooks as a chat would."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self


class Chat:
    """A server that keeps what is posted to it; it answers with `codes` first, then with 200."""

    def __init__(self, *codes: int) -> None:
        self.received: list[dict[str, Any]] = []
        left = list(codes)
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append(json.loads(self.rfile.read(length)))
                self.send_response(left.pop(0) if left else 200)
                self.send_header("Retry-After", "0.01")
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                received.append({"got": self.path})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
