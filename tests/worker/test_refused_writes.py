"""A worker whose server answers but refuses: no writes for a while, or no permission."""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis as redis_py

from qless_py import Client, Job
from qless_py.manager import Manager
from tests import servers
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import LinePipe, Running, Start

pytestmark = pytest.mark.fork

REFUSALS = {"MISCONF": servers.unable_to_save, "NOREPLICAS": servers.without_replicas}
Case = tuple[str, dict[str, Any]]
CASES: tuple[Case, ...] = (
    ("MISCONF", {}),
    ("MISCONF", {"concurrency": 2}),
    ("NOREPLICAS", {}),
    ("NOREPLICAS", {"isolation": "job", "concurrency": 2}),
    ("NOREPLICAS", {"isolation": "none"}),
)


@contextlib.contextmanager
def without_permission(redis: redis_py.Redis, *rules: str) -> Iterator[str]:
    """Return the credentials of a user with all permissions but these."""
    redis.execute_command("ACL", "SETUSER", "worker", "reset", "on", "nopass", "~*", "&*", "+@all")
    redis.execute_command("ACL", "SETUSER", "worker", *rules)
    try:
        yield "?username=worker&password=x"
    finally:
        redis.execute_command("ACL", "DELUSER", "worker")


@dataclass
class Gate:
    """A handler that reports when it has begun, and ends on request."""

    reports: LinePipe
    go: LinePipe

    def put(self, client: Client) -> str:
        data = {"pipe": str(self.reports.path), "go": str(self.go.path)}
        return client.queues["work"].put(handlers.waits, data)

    def assert_ran_once(self, client: Client, jid: str, *more: str) -> None:
        """Wait for the result; the handler has written its one line already."""
        job = read(client, jid)
        assert job.wait(40) == "on"
        steps = [entry["what"] for entry in read(client, jid).history]
        assert [one for one in steps if one not in more] == ["put", "popped", "done"]
        assert read(client, jid).retries_left == job.original_retries
        assert not self.reports.rest
        assert not select.select([self.reports.descriptor], [], [], 0)[0]


@pytest.fixture
def gate(reports: LinePipe, go: LinePipe) -> Gate:
    return Gate(reports, go)


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def assert_no_traceback(worker: Running) -> None:
    log = worker.log.read_text()
    assert "Traceback" not in log, log


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_result_is_kept_until_the_server_takes_writes_again(
    live: Client, redis: redis_py.Redis, work: Start, gate: Gate, case: Case
) -> None:
    code, kind = case
    worker = work(**kind)
    jid = gate.put(live)
    gate.reports.line()

    with REFUSALS[code](redis):
        gate.go.send("on")
        worker.wait_for_log(f"store unavailable, retrying until it is back: {code}")
        assert read(live, jid).state == "running"

    gate.assert_ran_once(live, jid)
    assert worker.process.poll() is None
    assert_no_traceback(worker)


def test_a_result_outlives_its_lease_while_nobody_can_take_the_job(
    live: Client, redis: redis_py.Redis, work: Start, gate: Gate
) -> None:
    live.config["heartbeat"] = 1
    worker, other = work(), work(queues=["other"])
    jid = gate.put(live)
    gate.reports.line()

    with servers.without_replicas(redis):
        gate.go.send("on")
        worker.wait_for_log("store unavailable, retrying until it is back")
        other.wait_for_log("store unavailable, retrying until it is back")
        threading.Event().wait(1.5)  # Longer than the lease.

    # The first to write may find the lease lapsed; then the owner has its grace period.
    gate.assert_ran_once(live, jid, "timed-out")


@pytest.mark.parametrize("code", REFUSALS)
def test_a_worker_that_starts_while_writes_are_rejected_works_when_they_return(
    live: Client, redis: redis_py.Redis, start: Start, code: str
) -> None:
    jid = live.queues["work"].put(handlers.double, {"number": 21})

    with REFUSALS[code](redis):
        worker = start(children=2)
        log = worker.wait_for_log(f"store unavailable, retrying until it is back: {code}")
        until = time.monotonic() + 1
        while time.monotonic() < until:
            log = worker.log.read_text()
            threading.Event().wait(0.05)
        assert read(live, jid).state == "waiting"

    assert read(live, jid).wait(40) == 42
    assert log.count("child started") == 2
    assert_no_traceback(worker)


@pytest.mark.parametrize("rule", ["-@write", "-fcall", "-set", "resetkeys"])
def test_a_worker_whose_user_may_not_write_says_so_in_one_line_and_ends(
    server: servers.Server, redis: redis_py.Redis, start: Start, rule: str
) -> None:
    with without_permission(redis, rule) as credentials:
        worker = start(url=server.url + credentials)
        code = worker.wait()

    lines = [line for line in worker.log.read_text().splitlines() if "Error" in line]
    assert code == 1
    assert len(lines) == 1
    refused = "Error: the user worker of the server lacks permissions, so nothing was sent."
    assert lines[0].startswith((refused, "Error: the server rejects the calls of a worker: "))
    assert_no_traceback(worker)


def test_a_result_is_kept_while_the_user_may_not_write(
    live: Client, server: servers.Server, redis: redis_py.Redis, work: Start, gate: Gate
) -> None:
    with without_permission(redis) as credentials:
        worker = work(url=server.url + credentials)
        jid = gate.put(live)
        gate.reports.line()
        redis.execute_command("ACL", "SETUSER", "worker", "-fcall")
        gate.go.send("on")
        worker.wait_for_log("store unavailable, retrying until it is back")
        redis.execute_command("ACL", "SETUSER", "worker", "+@all")

        gate.assert_ran_once(live, jid)
        assert worker.process.poll() is None
        assert_no_traceback(worker)


def test_a_worker_that_may_not_block_polls_and_says_so_once(
    live: Client, server: servers.Server, redis: redis_py.Redis, work: Start
) -> None:
    with without_permission(redis, "-bzpopmin") as credentials:
        worker = work(url=server.url + credentials, interval=0.2)
        worker.wait_for_log("polling, since the server rejects BZPOPMIN")
        before = redis.info("commandstats")["cmdstat_fcall"]["calls"]
        threading.Event().wait(1)
        calls = redis.info("commandstats")["cmdstat_fcall"]["calls"] - before

        assert read(live, live.queues["work"].put(handlers.nothing)).wait(40) is None
        assert worker.log.read_text().count("polling") == 1
    assert calls < 20


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("is_refused", [False, True])
def test_a_manager_keeps_what_came_of_a_job_until_writes_return(
    server: servers.Server, redis: redis_py.Redis, code: str, *, is_refused: bool
) -> None:
    go = threading.Event()
    runs: list[str] = []

    def handle(job: Job) -> str:
        runs.append(job.jid)
        go.wait(40)
        return "x" * 100

    with Client(server.url, patience=0.1) as client:
        if is_refused:
            client.config["max-data-size"] = 20
        manager = Manager(client, concurrency=1)
        manager.register("topic", handle)
        with manager:
            jid = manager.put("topic", retries=0)
            eventually(lambda: runs)
            with REFUSALS[code](redis):
                go.set()
                threading.Event().wait(0.5)
                assert read(client, jid).state == "running"
            if is_refused:
                with pytest.raises(Exception, match="the store refused"):
                    read(client, jid).wait(40)
            else:
                assert read(client, jid).wait(40) == "x" * 100
    assert runs == [jid]
