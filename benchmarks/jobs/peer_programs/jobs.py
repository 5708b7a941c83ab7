"""The jobs of the Python peers, and the command that puts them; runs in their environment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import redis

connection = redis.Redis(unix_socket_path=os.environ["BENCH_SOCKET"])
DATA = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}


def no_op(data: dict[str, Any]) -> None:
    """Do nothing; the first and the last job record when they ran."""
    if "mark" in data:
        connection.set(f"bench:{data['mark']}", time.time())


def record_wait(sent: float) -> None:
    """Record the seconds since the put."""
    connection.rpush("bench:waits", time.time() - sent)


def main(put_no_op: Callable[[Any], Any], put_record_wait: Callable[[Any], Any]) -> None:
    """Put jobs: `batch COUNT` prints the rate, `paced PAUSE…` sleeps before each put."""
    mode, *rest = sys.argv[1:]
    if mode == "paced":
        for pause in rest:
            time.sleep(float(pause))
            put_record_wait(time.time())
        return
    count = int(rest[0])
    began = time.perf_counter()
    put_no_op({"mark": "first"})
    for _ in range(count - 2):
        put_no_op(DATA)
    put_no_op({"mark": "last"})
    print(count / (time.perf_counter() - began))
