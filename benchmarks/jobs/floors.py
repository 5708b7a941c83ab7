"""What the machine does with nothing on top: the limits of any queue built on the same parts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import redis

from benchmarks.jobs.report import Figure, Scale

_PIPELINE: Final = 100
_EMPTY: Final = "return 1"
_FORKS: Final = """
import os, sys, time
{imports}
count = int(sys.argv[1])
began = time.perf_counter()
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
print(count / (time.perf_counter() - began))
"""


def measure(connection: redis.Redis, scale: Scale) -> Iterator[Figure]:
    """Measure bare calls and bare forks."""
    part = "bare"
    sha = connection.script_load(_EMPTY)
    began = time.perf_counter()
    for _ in range(scale.jobs):
        connection.evalsha(sha, 1, "{ql}")
    yield Figure(part, "EVALSHA one by one", scale.jobs / (time.perf_counter() - began), "/s")
    began = time.perf_counter()
    for _ in range(scale.jobs // _PIPELINE):
        pipeline = connection.pipeline(transaction=False)
        for _ in range(_PIPELINE):
            pipeline.evalsha(sha, 1, "{ql}")
        pipeline.execute()
    yield Figure(part, "EVALSHA in pipelines", scale.jobs / (time.perf_counter() - began), "/s")
    yield Figure(part, "fork, exit, wait: bare interpreter", forks("", scale.forks), "/s")
    yield Figure(part, "fork, exit, wait: redis imported", forks("import redis", scale.forks), "/s")


def forks(imports: str, count: int) -> float:
    """Count forks in a second, in a process that has imported just this."""
    program = _FORKS.format(imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", program, str(count)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
