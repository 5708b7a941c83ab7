"""The way of a put from the call to the socket stays short."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import qless_py
from qless_py import Client

PACKAGE = Path(qless_py.__file__).parent
MAX_FILES = 8


def test_a_put_passes_few_files(client: Client) -> None:
    queue = client.queues["q"]
    queue.put("tests.client.handlers.Mail", {"n": 1})  # connects and loads the script
    passed: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            passed[str(path.relative_to(PACKAGE))] = None

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        queue.put("tests.client.handlers.Mail", {"n": 2})
    finally:
        sys.setprofile(before)

    print(*passed, sep="\n")  # noqa: T201 - shown if the test fails
    assert 0 < len(passed) <= MAX_FILES, list(passed)
