"""Measure every page: round trips, time of the slowest script on the server, time of the page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis
from flask import Flask

from benchmarks.command import log
from benchmarks.dashboard.dataset import Dataset
from benchmarks.server import cpu_seconds
from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.scripts import assemble
from qless_py.store.runner import Runner

TRIPS_TARGET: Final = 12
SCRIPT_TARGET: Final = 5.0  # Milliseconds.
CPU_TARGET: Final = 150.0  # Milliseconds.
# Microseconds from which SLOWLOG records a call. It would record the commands inside a script,
# too, but none of them is that slow.
_SLOW: Final = 300
_LOG_LENGTH: Final = 4096
_STATES: Final = ("waiting", "running", "scheduled", "stalled", "depends", "throttled")

ScriptKey = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PageTiming:
    """Measurements of one page; times in milliseconds, `size` in bytes.

    `cold`: the process has read nothing from the store yet. `warm`: the page was shown before, but
    all numbers have to be read again. `cpu`: CPU time of a cold request, the server's included.
    `script`: time of the slowest script on the server; each script counts by its fastest call,
    because other programs use the processor meanwhile. `worst`: time of the slowest call.
    """

    path: str
    trips: int
    warm_trips: int
    script: float
    worst: float
    script_name: str
    cold: float
    cpu: float
    warm: float
    size: int

    @property
    def within_target(self) -> bool:
        return (
            self.trips <= TRIPS_TARGET and self.script <= SCRIPT_TARGET and self.cpu <= CPU_TARGET
        )


def paths(dataset: Dataset) -> list[str]:
    """Return the URLs of all pages, each where it has most to show."""
    first, shared = dataset.names[0], dataset.names[-1]
    job = f"/jobs/{dataset.a_job}"
    return [
        "/", "/?range=4h", "/?range=24h", "/?range=14d", "/queues", "/queues?sort=waiting",
        f"/queues/{first}", f"/queues/{first}?range=14d",
        *(f"/queues/{first}?tab={state}" for state in (*_STATES, "recurring", "settings")),
        f"/queues/{shared}?tab=users", "/jobs", "/jobs?q=nothing-like-it", "/jobs?q=state:failed",
        f"/jobs?q=queue:{shared}+nothing", "/jobs?q=tag:nightly", job, "/failures",
        "/failures/group?group=app.mail.Send:Error0", "/jobs?q=state:complete", "/tracked", "/tags",
        "/tags/nightly", "/workers", "/workers/worker-1", "/recurring", "/recurring/every-0",
        "/statistics", "/statistics?range=14d", "/statistics?by=klass",
        f"/statistics?queue={first}&range=24h&compare=day",
        "/throttles", "/throttles/closed-0", "/config", "/put", "/operations",
        "/snapshot",
    ]  # fmt: skip


class _Trips:
    """Number of round trips."""

    number = 0


@contextmanager
def counting_trips() -> Iterator[_Trips]:
    """Count the round trips of all runners within the block."""
    trips, send = _Trips(), Runner._send  # noqa: SLF001 - the one method that waits for the server

    def counted(runner: Runner, calls: Sequence[Any]) -> list[Any]:
        trips.number += 1
        return send(runner, calls)

    Runner._send = counted  # type: ignore[method-assign, assignment]  # noqa: SLF001
    try:
        yield trips
    finally:
        Runner._send = send  # type: ignore[method-assign]  # noqa: SLF001


class Browser:
    """Requests pages as a browser does, without the network."""

    def __init__(self, client: Client, connection: redis.Redis, requests: int) -> None:
        self._client = client
        self._connection = connection
        self._requests = requests
        self._names = {one.name: name for name, one in assemble.library().functions.items()}
        connection.config_set("slowlog-log-slower-than", _SLOW)
        connection.config_set("slowlog-max-len", _LOG_LENGTH)

    def measure(self, path: str, trips: _Trips) -> PageTiming:
        """Request one page several times, cold and warm."""
        slow: dict[ScriptKey, list[float]] = {}
        cold, cpu, warm, size = [], [], [], 0
        for _ in range(max(self._requests // 4, 1)):
            app = self._new_app()
            trips.number = 0
            before = self._cpu_milliseconds()
            taken, size = self._request(app, path, slow)
            cpu.append(self._cpu_milliseconds() - before)
            cold.append(taken)
        cold_trips, trips.number = trips.number, 0
        for _ in range(self._requests):
            taken, size = self._request(app, path, slow)
            warm.append(taken)
        fastest = {
            key: min(times) for key, times in slow.items() if len(times) > 1 or self._requests == 1
        }
        slowest = max(fastest, key=lambda key: fastest[key], default=None)
        return PageTiming(
            path,
            cold_trips,
            round(trips.number / self._requests),
            script=0.0 if slowest is None else fastest[slowest],
            worst=max((max(times) for times in slow.values()), default=0.0),
            script_name="" if slowest is None else slowest[0].decode(),
            cold=statistics.median(cold),
            cpu=min(cpu),
            warm=statistics.median(warm),
            size=size,
        )

    def _new_app(self) -> Flask:
        """Return a dashboard that has read nothing yet; its templates are compiled."""
        app = create_app(self._client, DashboardConfig(secret="s" * 16, refresh=0.001))
        for name in app.jinja_env.list_templates():
            app.jinja_env.get_template(name)
        return app

    def _request(
        self, app: Flask, path: str, slow: dict[ScriptKey, list[float]]
    ) -> tuple[float, int]:
        """Return the milliseconds and the size of a response, and collect the slow scripts."""
        self._connection.slowlog_reset()
        browser = app.test_client()
        began = time.perf_counter()
        answer = browser.get(path, buffered=True)
        taken = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        for key, milliseconds in self._slow_scripts():
            slow.setdefault(key, []).append(milliseconds)
        return taken, len(answer.data)

    def _cpu_milliseconds(self) -> float:
        """Return the CPU time that this process and the server have used."""
        return 1000 * (time.process_time() + cpu_seconds(self._connection))

    def _slow_scripts(self) -> Iterator[tuple[ScriptKey, float]]:
        """Yield the scripts in SLOWLOG and their milliseconds.

        The key of a call is its script and first argument, and for a search also what it skips.
        """
        entries: Any = self._connection.execute_command("SLOWLOG", "GET", _LOG_LENGTH)
        for _, _, microseconds, words, *_ in entries:
            if not words[0].upper().startswith(b"FCALL"):
                continue
            name = self._names.get(words[1].decode(), "?").encode()
            # FCALL, the function, 1, the namespace, the time; then the arguments.
            skip = words[7] if name == b"read/search" and len(words) > 7 else b""
            yield (name, *words[5:6], skip), microseconds / 1000


def measure_all(
    client: Client, connection: redis.Redis, dataset: Dataset, requests: int
) -> list[PageTiming]:
    """Measure every page."""
    browser = Browser(client, connection, requests)
    found = []
    with counting_trips() as trips:
        for path in paths(dataset):
            log(path)
            found.append(browser.measure(path, trips))
    return found
