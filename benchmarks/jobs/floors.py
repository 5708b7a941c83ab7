"""What the machine does with nothing on top: the limits of any queue built on the same parts."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

import redis

from benchmarks.jobs.report import Figure, Scale
from tests.servers import Server

_PIPELINE: Final = 100
PAUSE: Final = (0.02, 0.06)  # Seconds before what wakes somebody: so that nothing keeps step.
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
# The least that a pickup is made of: a script that rings, a process that it wakes, a script that
# gives it the job. Both are cold: there is a pause before each, as before each job that is put.
_RING: Final = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('ZADD', KEYS[2], 0, '0')"
_FETCH: Final = "return redis.call('GET', KEYS[1])"
_KEYS: Final = ("{ql}:bare", "{ql}:bell")
_SLEEPER: Final = """
import redis, sys, time
connection = redis.Redis(unix_socket_path=sys.argv[1])
waits = []
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    connection.bzpopmin(sys.argv[5])
    sent = float(connection.evalsha(sys.argv[2], 1, sys.argv[4]))
    waits.append(time.time() - sent)
print(*waits)
"""


def measure(server: Server, connection: redis.Redis, scale: Scale) -> Iterator[Figure]:
    """Measure bare calls, bare wake-ups and bare forks."""
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
    woken = statistics.median(wake_ups(server, connection, scale.pickups))
    yield Figure(part, "EVALSHA, wake-up of a process, its EVALSHA: p50", 1000 * woken, "ms")
    yield Figure(part, "fork, exit, wait: bare interpreter", forks("", scale.forks), "/s")
    yield Figure(part, "fork, exit, wait: redis imported", forks("import redis", scale.forks), "/s")


def wake_ups(server: Server, connection: redis.Redis, count: int) -> list[float]:
    """Measure, in seconds, from before a script that rings to the end of the sleeper's script."""
    ring, fetch = connection.script_load(_RING), connection.script_load(_FETCH)
    command = [sys.executable, "-c", _SLEEPER, server.socket, fetch, str(count), *_KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sleeper:
        if sleeper.stdout is None or not sleeper.stdout.readline():
            raise RuntimeError("the process that is to be woken did not start")
        for _ in range(count):
            time.sleep(random.uniform(*PAUSE))
            connection.evalsha(ring, 2, *_KEYS, time.time())
        waits = [float(one) for one in sleeper.stdout.read().split()]
    connection.delete(*_KEYS)
    return waits


def forks(imports: str, count: int) -> float:
    """Count forks in a second, in a process that has imported just this."""
    program = _FORKS.format(imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", program, str(count)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
