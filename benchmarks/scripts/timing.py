"""The time that the server itself took for each call, as its statistics of commands have it.

They are read after each call. The log of slow commands would tell as much, but with it the server
also notes every command inside a script, which makes the scripts slower.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import redis

from benchmarks.scripts.space import Space
from qless_py.protocol import Call
from qless_py.scripts import assemble as scripts

P99_TARGET: Final = 5.0
WORST_TARGET: Final = 20.0
_EVALSHA: Final = re.compile(rb"cmdstat_evalsha:calls=(\d+),usec=(\d+)")


@dataclass(frozen=True, slots=True)
class Case:
    """One way to call a script; `calls` prepares what the given number of calls need."""

    script: str
    label: str
    calls: Callable[[Space, int], Sequence[Call[Any]]]
    large: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds on the server, over all calls of one case."""

    script: str
    label: str
    calls: int
    p50: float
    p99: float
    worst: float

    @property
    def within_target(self) -> bool:
        return self.p99 < P99_TARGET and self.worst < WORST_TARGET


def measure(space: Space, case: Case) -> Timing:
    """Send the calls of a case one by one; a refused one ends the measurement."""
    scale = space.scale
    number = 1 if case.once else scale.large_calls if case.large else scale.calls
    calls = case.calls(space, number)
    space.redis.script_load(scripts.script(case.script).text)
    taken = [_timed(space.redis, partial(space.run, call)) for call in calls]
    return summary(case.script, case.label, taken)


def _timed(connection: redis.Redis, send: Callable[[], Any]) -> float:
    """Give the milliseconds of the one script that `send` runs."""
    calls, before = _spent(connection)
    send()
    calls_after, after = _spent(connection)
    if calls_after != calls + 1:
        raise RuntimeError(f"the server ran {calls_after - calls} scripts instead of one")
    return (after - before) / 1000


def _spent(connection: redis.Redis) -> tuple[int, int]:
    """Give how many scripts the server ran, and the microseconds of all of them."""
    # Not through the client's reader of INFO: it takes longer than the call.
    link: Any = connection.connection_pool.get_connection()
    try:
        link.send_command("INFO", "commandstats")
        found = _EVALSHA.search(link.read_response(disable_decoding=True))
    finally:
        connection.connection_pool.release(link)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def summary(script: str, label: str, taken: Sequence[float]) -> Timing:
    """Sort the times out; with few of them the 99th percentile is the worst one."""
    times = sorted(taken)
    last = len(times) - 1
    return Timing(
        script, label, len(times), times[last // 2], times[round(last * 0.99)], times[last]
    )


def measure_empty(space: Space) -> Timing:
    """Time a script that does nothing: what it shows beside its median is noise of the machine."""
    sha: Any = space.redis.script_load("#!lua\nreturn 1")
    run = partial(space.redis.evalsha, sha, 1, "{ql}")
    taken = [_timed(space.redis, run) for _ in range(space.scale.calls)]
    return summary("", "a script that does nothing", taken)
