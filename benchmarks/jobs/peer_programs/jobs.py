"""The jobs of the Python peers, and the program that puts them; runs in their environment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis

SOCKET = os.environ["BENCH_SOCKET"]
DATA = {"user": 12345, "address": "someone@example.org", "subject": "Welcome", "tries": 3}
PAGE = 100  # Jobs in a bulk put.

connection = redis.Redis(unix_socket_path=SOCKET)

Data = dict[str, Any]
PutAll = Callable[[Sequence[Data]], object]


def no_op(data: Data) -> None:
    """Do nothing; the first and the last job record when they ran."""
    if "mark" in data:
        connection.set(f"bench:{data['mark']}", time.time())


def record_wait(sent: float) -> None:
    """Record the seconds since the put."""
    connection.rpush("bench:waits", time.time() - sent)


def one_by_one(put: Callable[[Data], object]) -> PutAll:
    """Return a function that puts each of its jobs by itself."""

    def put_all(items: Sequence[Data]) -> None:
        for data in items:
            put(data)

    return put_all


def pages(count: int) -> Iterator[Sequence[Data]]:
    """Yield the data of `count` jobs in pages of a bulk put."""
    for at in range(0, count, PAGE):
        yield [DATA] * min(PAGE, count - at)


def main(
    put_all: PutAll, put_record_wait: Callable[[float], object], put_page: PutAll | None = None
) -> None:
    """Run the commands on standard input, and answer each with the seconds that it took.

    `mark NAME` puts a job that records its time, `one COUNT` puts jobs one by one, `bulk COUNT` in
    pages, `paced PAUSE…` sleeps before each put.
    """
    for line in sys.stdin:
        command, *rest = line.split()
        began = time.perf_counter()
        if command == "mark":
            put_all([{"mark": rest[0]}])
        elif command == "one":
            put_all([DATA] * int(rest[0]))
        elif command == "bulk" and put_page is not None:
            for page in pages(int(rest[0])):
                put_page(page)
        elif command == "paced":
            for pause in rest:
                time.sleep(float(pause))
                put_record_wait(time.time())
        else:
            raise ValueError(f"unknown command {command!r}")
        print(time.perf_counter() - began, flush=True)
