"""Visit every page: round trips, the server's time for the slowest script, the time of the page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis
from flask import Flask

from benchmarks.dashboard.town import Town
from qless_py import Client
from qless_py.dashboard import DashboardConfig, create_app
from qless_py.scripts import assemble as scripts
from qless_py.store.runner import Runner

TRIPS: Final = 12
SCRIPT: Final = 5.0
PAGE: Final = 150.0
# Commands inside a script are in the server's log of slow ones, too: none of them is so slow.
_NOTED: Final = 300
_KINDS: Final = ("waiting", "running", "scheduled", "stalled", "depends", "throttled")


@dataclass(frozen=True, slots=True)
class Visits:
    """What one page took: milliseconds, but for trips and bytes.

    `cold`: nothing was known of the store, as in a process that has just begun. `warm`: somebody
    looks, but not at this moment, so that all the numbers are read anew. `cpu` is what a cold visit
    takes of the processors, that of the server included. `script` is what the slowest script takes
    on the server, each of them by its quickest call in all visits, since others take the processor
    meanwhile; `worst` is the slowest call of all.
    """

    path: str
    trips: int
    warm_trips: int
    script: float
    worst: float
    name: str
    cold: float
    cpu: float
    warm: float
    size: int

    @property
    def is_within(self) -> bool:
        return self.trips <= TRIPS and self.script <= SCRIPT and self.cpu <= PAGE


def paths(town: Town) -> list[str]:
    """Give the pages, each where it has most to show."""
    first, shared = town.names[0], town.names[-1]
    job = f"/jobs/{town.a_job}"
    return [
        "/", "/?range=4h", "/?range=24h", "/?range=14d", "/queues", "/queues?sort=waiting",
        f"/queues/{first}", f"/queues/{first}?range=14d",
        *(f"/queues/{first}?tab={kind}" for kind in (*_KINDS, "recurring", "settings")),
        f"/queues/{shared}?tab=users", "/jobs", "/jobs?q=nothing-like-it", "/jobs?q=state:failed",
        f"/jobs?q=queue:{shared}+nothing", "/jobs?q=tag:nightly", job, "/failures",
        "/failures/group?group=app.mail.Send:Error0", "/completed", "/tracked", "/tags",
        "/tags/nightly", "/workers", "/workers/worker-1", "/recurring", "/recurring/every-0",
        "/throttles", "/throttles/closed-0", "/config", "/put", "/operations",
        "/snapshot",
    ]  # fmt: skip


class _Trips:
    """Counts how often runners wait for the server."""

    number = 0


@contextmanager
def counting() -> Iterator[_Trips]:
    """Count while the block lasts."""
    trips, send = _Trips(), Runner._send  # noqa: SLF001 - the one place where it waits

    def counted(runner: Runner, calls: Sequence[Any]) -> list[Any]:
        trips.number += 1
        return send(runner, calls)

    Runner._send = counted  # type: ignore[method-assign, assignment]  # noqa: SLF001
    try:
        yield trips
    finally:
        Runner._send = send  # type: ignore[method-assign]  # noqa: SLF001


class Visitor:
    """Looks at the pages of one store as a browser would, without the network."""

    def __init__(self, client: Client, connection: redis.Redis, times: int) -> None:
        self._client = client
        self._connection = connection
        self._times = times
        self._names = {scripts.script(name).sha: name for name in scripts.names()}
        connection.config_set("slowlog-log-slower-than", _NOTED)
        connection.config_set("slowlog-max-len", 4096)

    def visit(self, path: str, trips: _Trips) -> Visits:
        """Look at one page some times."""
        slow: dict[tuple[bytes, ...], list[float]] = {}
        cold, cpu, warm, size = [], [], [], 0
        for _ in range(max(self._times // 4, 1)):
            app = self._app()
            trips.number = 0
            before = self._processors()
            taken, size = self._look(app, path, slow)
            cpu.append(self._processors() - before)
            cold.append(taken)
        cold_trips, trips.number = trips.number, 0
        for _ in range(self._times):
            taken, size = self._look(app, path, slow)
            warm.append(taken)
        least = {
            key: min(times) for key, times in slow.items() if len(times) > 1 or self._times == 1
        }
        slowest = max(least, key=lambda key: least[key], default=None)
        return Visits(
            path, cold_trips, round(trips.number / self._times),
            0.0 if slowest is None else least[slowest],
            max((max(times) for times in slow.values()), default=0.0),
            "" if slowest is None else slowest[0].decode(),
            statistics.median(cold), min(cpu), statistics.median(warm), size,
        )  # fmt: skip

    def _app(self) -> Flask:
        """Make a dashboard that has read nothing yet; its templates are compiled."""
        app = create_app(self._client, DashboardConfig(secret="s" * 16, refresh=0.001))
        for name in app.jinja_env.list_templates():
            app.jinja_env.get_template(name)
        return app

    def _look(
        self, app: Flask, path: str, slow: dict[tuple[bytes, ...], list[float]]
    ) -> tuple[float, int]:
        self._connection.slowlog_reset()
        browser = app.test_client()
        began = time.perf_counter()
        answer = browser.get(path, buffered=True)
        taken = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        for key, milliseconds in self._scripts():
            slow.setdefault(key, []).append(milliseconds)
        return taken, len(answer.data)

    def _processors(self) -> float:
        """Give the milliseconds of CPU that this process and the server have used."""
        info = self._connection.info("cpu")
        server = info["used_cpu_user"] + info["used_cpu_sys"]
        return 1000 * (time.process_time() + float(server))

    def _scripts(self) -> Iterator[tuple[tuple[bytes, ...], float]]:
        """Give the scripts that took any time since the log was emptied, and their milliseconds.

        Calls are told apart by their first argument, and those of a search by what they skip.
        """
        entries: Any = self._connection.execute_command("SLOWLOG", "GET", 4096)
        for _, _, microseconds, words, *_ in entries:
            if words[0].upper() != b"EVALSHA":
                continue
            name = self._names.get(words[1].decode(), "?").encode()
            # EVALSHA, the script, 1, the namespace, the time; then the arguments.
            skip = words[7] if name == b"read/search" and len(words) > 7 else b""
            yield (name, *words[5:6], skip), microseconds / 1000


def all_pages(client: Client, connection: redis.Redis, town: Town, times: int,
              say: Callable[[str], None]) -> list[Visits]:  # fmt: skip
    """Visit every page."""
    visitor = Visitor(client, connection, times)
    found = []
    with counting() as trips:
        for path in paths(town):
            say(path)
            found.append(visitor.visit(path, trips))
    return found
