"""Time of each call inside the server, from its command statistics.

The statistics are read after each call. SLOWLOG would have the same numbers, but with it the
server also records every command inside a script, which makes scripts slower.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import redis

from benchmarks.namespace import PAGE, Lease, batched
from benchmarks.scripts.keyspace import Keyspace
from benchmarks.tables import Row, status, table
from qless_py.protocol import Call

P99_TARGET: Final = 5.0
WORST_TARGET: Final = 20.0
TARGET: Final = f"Target: p99 < {P99_TARGET:g} ms, worst < {WORST_TARGET:g} ms"
NO_OP: Final = "no_op"
NO_OP_LIBRARY: Final = (
    f"#!lua name={NO_OP}\nredis.register_function('{NO_OP}', function() return 1 end)"
)
_FCALL: Final = re.compile(rb"cmdstat_fcall(?:_ro)?:calls=(\d+),usec=(\d+)")

Calls = Sequence[Call[Any]]
Prepare = Callable[[Keyspace, int], Calls]
"""Prepares whatever the given number of calls need, and returns the calls."""


@dataclass(frozen=True, slots=True)
class Case:
    """A command, with the calls by which it is measured."""

    script: str
    label: str
    calls: Prepare
    large: bool = False
    once: bool = False


def raw(script: str, *arguments: Any) -> Call[Any]:
    """Return a call with encoded arguments whose reply nobody reads."""
    return Call(script, arguments, lambda reply: reply)


def repeated(make: Callable[[Keyspace], Call[Any]]) -> Prepare:
    """Repeat one call."""
    return lambda keyspace, count: [make(keyspace)] * count


def numbered(make: Callable[[int], Call[Any]]) -> Prepare:
    """Make each call from its number."""
    return lambda _, count: [make(number) for number in range(count)]


def of_new(make: Callable[[str], Call[Any]]) -> Prepare:
    """Make each call from an unused jid."""
    return lambda keyspace, count: [make(jid) for jid in keyspace.new(count)]


def of_waiting(make: Callable[[str], Call[Any]]) -> Prepare:
    """Make each call for a waiting job."""
    return lambda keyspace, count: [make(jid) for jid in keyspace.waiting(count)]


def of_held(make: Callable[[str, str], Call[Any]]) -> Prepare:
    """Make each call for a running job, from its jid and fencing token."""
    return lambda keyspace, count: [make(jid, lease) for jid, lease in keyspace.held(count)]


def of_page_waiting(make: Callable[[Sequence[str]], Call[Any]]) -> Prepare:
    """Make each call for a page of waiting jobs."""
    return lambda keyspace, count: [
        make(page) for page in batched(keyspace.waiting(count * PAGE))
    ]  # fmt: skip


def of_page_held(make: Callable[[Sequence[Lease]], Call[Any]]) -> Prepare:
    """Make each call for a page of running jobs."""
    return lambda keyspace, count: [make(page) for page in batched(keyspace.held(count * PAGE))]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds inside the server, over all calls of one case."""

    script: str
    label: str
    calls: int
    p50: float
    p99: float
    worst: float

    @property
    def within_target(self) -> bool:
        return self.p99 < P99_TARGET and self.worst < WORST_TARGET


def measure(keyspace: Keyspace, case: Case) -> Timing:
    """Send the calls of a case one by one; raise the first error."""
    scale = keyspace.scale
    number = 1 if case.once else scale.large_calls if case.large else scale.calls
    calls = case.calls(keyspace, number)
    taken = [_timed(keyspace.redis, partial(keyspace.run, call)) for call in calls]
    return _summary(case.script, case.label, taken)


def measure_no_op(keyspace: Keyspace) -> Timing:
    """Time a script that does nothing: calls far above its median are noise of the machine."""
    keyspace.redis.function_load(NO_OP_LIBRARY, replace=True)
    run = partial(keyspace.redis.fcall, NO_OP, 1, "{ql}")
    taken = [_timed(keyspace.redis, run) for _ in range(keyspace.scale.calls)]
    return _summary("", "no-op script", taken)


def _timed(connection: redis.Redis, send: Callable[[], Any]) -> float:
    """Return the milliseconds of the one script that `send` runs."""
    calls, before = _script_statistics(connection)
    send()
    calls_after, after = _script_statistics(connection)
    if calls_after != calls + 1:
        raise RuntimeError(f"one script expected, but the server ran {calls_after - calls}")
    return (after - before) / 1000


def _script_statistics(connection: redis.Redis) -> tuple[int, int]:
    """Return how many scripts the server has run, and their total microseconds."""
    # Not through redis-py's parser of INFO: it takes longer than the call.
    link: Any = connection.connection_pool.get_connection()
    try:
        link.send_command("INFO", "commandstats")
        found = _FCALL.findall(link.read_response(disable_decoding=True))
    finally:
        connection.connection_pool.release(link)
    return sum(int(calls) for calls, _ in found), sum(int(taken) for _, taken in found)


def _summary(script: str, label: str, taken: Sequence[float]) -> Timing:
    """Return the percentiles; with few calls the 99th is the worst one."""
    times = sorted(taken)
    last = len(times) - 1
    return Timing(
        script, label, len(times), times[last // 2], times[round(last * 0.99)], times[last]
    )


def timing_table(timings: Iterable[Timing]) -> str:
    """Return the table of timings, with a status for each script of the project."""
    rows: list[Row] = [("milliseconds on the server", "calls", "p50", "p99", "worst", "")]
    rows += [
        (
            one.label,
            str(one.calls),
            *(f"{value:.3f}" for value in (one.p50, one.p99, one.worst)),
            status(met=one.within_target) if one.script else "",
        )
        for one in timings
    ]
    return table(rows)
