"""Run the programs of an example application, and send requests to its server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.eventually import eventually

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
BIN = Path(sys.executable).parent
STOP_TIMEOUT = 30
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Site:
    """A server of an example; paths are those of its URLs."""

    address: str

    def get(self, path: str) -> Any:
        """Return the JSON of a page."""
        return self._send(path, None)

    def post(self, path: str, **form: str) -> Any:
        """Return the JSON that answers a form."""
        return self._send(path, urllib.parse.urlencode(form).encode())

    def post_json(self, path: str, **body: str) -> Any:
        """Return the JSON that answers JSON."""
        return self._send(path, json.dumps(body).encode(), "application/json")

    def status(self, path: str) -> int:
        """Return the status of a page, 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=20) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def _send(self, path: str, body: bytes | None, kind: str = FORM) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextlib.contextmanager
def started(*words: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a folder until left; it must stop on TERM."""
    env = {**os.environ, **environment}
    process = subprocess.Popen(words, cwd=folder, env=env, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


@contextlib.contextmanager
def served(*words: str, folder: Path, port: int, path: str, **environment: str) -> Iterator[Site]:
    """Run the server of an example, from when it answers at `path`."""
    with started(*words, folder=folder, **environment) as process:
        site = Site(f"http://127.0.0.1:{port}")
        eventually(lambda: process.poll() is not None or site.status(path), "no answer", every=0.05)
        assert process.poll() is None
        yield site
