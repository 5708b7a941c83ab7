"""The jobs of the Python peers, and how they are put. Runs in their environment, not in ours."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import redis

connection = redis.Redis(unix_socket_path=os.environ["BENCH_SOCKET"])
DATA = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}


def nothing(data: dict[str, Any]) -> None:
    """Do nothing; the first and the last one note when they ran."""
    if "note" in data:
        connection.set(f"bench:{data['note']}", time.time())


def stamp(sent: float) -> None:
    """Note how long ago it was put."""
    connection.rpush("bench:waits", time.time() - sent)


def main(put_nothing: Callable[[Any], Any], put_stamp: Callable[[Any], Any]) -> None:
    """Put what the command line says, and print the rate."""
    mode, *rest = sys.argv[1:]
    if mode == "stamps":
        for pause in rest:
            time.sleep(float(pause))
            put_stamp(time.time())
        return
    count = int(rest[0])
    began = time.perf_counter()
    put_nothing({"note": "first"})
    for _ in range(count - 2):
        put_nothing(DATA)
    put_nothing({"note": "last"})
    print(count / (time.perf_counter() - began))
