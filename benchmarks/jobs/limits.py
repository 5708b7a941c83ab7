"""What the machine can do at most: the limits of any queue that is built on the same parts."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import Final

import redis

from benchmarks.jobs.rounds import Reading, Readings
from benchmarks.jobs.scale import Scale
from benchmarks.namespace import batched
from benchmarks.scripts.timing import NO_OP, NO_OP_LIBRARY
from tests.servers import Server

PAUSE: Final = (0.02, 0.06)  # Seconds before each wake-up, random so that nothing synchronizes.
_FORKS: Final = """
import gc, os, sys, time
{imports}
gc.collect()
gc.freeze()
gc.disable()
count = int(sys.argv[1])
began = time.perf_counter()
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
print(count / (time.perf_counter() - began))
"""
# The minimum of a pickup: a script that wakes a process, and a script by which that process fetches
# the job. A pause before each keeps both sides idle, as before the jobs of the pickup measurement.
_FUNCTIONS: Final = """#!lua name=limits
redis.register_function('limits_wake', function(keys, arguments)
  redis.call('SET', keys[1], arguments[1])
  return redis.call('ZADD', keys[2], 0, '0')
end)
redis.register_function('limits_fetch', function(keys) return redis.call('GET', keys[1]) end)
"""
_KEYS: Final = ("{ql}:sent", "{ql}:wake-up")
_WAITER: Final = """
import redis, sys, time
connection = redis.Redis(unix_socket_path=sys.argv[1])
waits = []
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    connection.bzpopmin(sys.argv[4])
    sent = float(connection.fcall("limits_fetch", 1, sys.argv[3]))
    waits.append(time.time() - sent)
print(*waits)
"""


def measure(server: Server, scale: Scale) -> Readings:
    """Measure no-op scripts, wake-ups of a process, and forks."""
    with server.connect() as connection:
        connection.function_load(NO_OP_LIBRARY, replace=True)
        began = time.perf_counter()
        for _ in range(scale.puts):
            connection.fcall(NO_OP, 1, "{ql}")
        yield Reading("FCALL one by one", scale.puts / (time.perf_counter() - began), "/s")
        began = time.perf_counter()
        for page in batched(range(scale.jobs)):
            pipeline = connection.pipeline(transaction=False)
            for _ in page:
                pipeline.fcall(NO_OP, 1, "{ql}")
            pipeline.execute()
        yield Reading("FCALL in pipelines", scale.jobs / (time.perf_counter() - began), "/s")
        waits = wake_ups(server, connection, scale.pickups)
    yield Reading("FCALL, wake-up, FCALL", tuple(1000 * one for one in waits), "ms")
    yield Reading("fork, exit, wait: plain interpreter", forks("", scale.forks), "/s")
    yield Reading("fork, exit, wait: redis imported", forks("import redis", scale.forks), "/s")


def wake_ups(server: Server, connection: redis.Redis, count: int) -> list[float]:
    """Return the seconds from before the waking script to the end of the woken process's script."""
    connection.function_load(_FUNCTIONS, replace=True)
    command = [sys.executable, "-c", _WAITER, server.socket, str(count), *_KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiter:
        if waiter.stdout is None or not waiter.stdout.readline():
            raise RuntimeError("the process to be woken did not start")
        for _ in range(count):
            time.sleep(random.uniform(*PAUSE))
            connection.fcall("limits_wake", 2, *_KEYS, time.time())
        waits = [float(one) for one in waiter.stdout.read().split()]
    connection.delete(*_KEYS)
    return waits


def forks(imports: str, count: int) -> float:
    """Return the forks per second of a process that has run the given import statement."""
    program = _FORKS.format(imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", program, str(count)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
