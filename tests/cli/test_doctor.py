"""`doctor` names each situation and a command; running that command mends it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
import redis as redis_py

import qless_py
from qless_py import Client, Job, protocol
from qless_py.cli.doctor import server
from tests import servers
from tests.cli.conftest import Program
from tests.eventually import eventually
from tests.store.ports import free_port

ROOT = Path(qless_py.__file__).parents[1]
Check = dict[str, str]


def checks(program: Program, *options: str) -> dict[str, list[Check]]:
    """Run doctor, compare its exit code with what it reports, and return the checks by name."""
    ended = program("doctor", *options, "--json", code=None)
    answer = json.loads(ended.stdout)
    found: dict[str, list[Check]] = {}
    for one in answer["checks"]:
        found.setdefault(one["name"], []).append(one)
    has_failed = any(one["status"] == "fail" for one in answer["checks"])
    assert (ended.exit_code, answer["healthy"]) == (int(has_failed), not has_failed)
    return found


def problem(program: Program, name: str, *options: str) -> Check:
    """Return the one problem that a check reports."""
    (found,) = checks(program, *options)[name]
    assert found["status"] != "ok"
    return found


def follow(program: Program, command: str) -> None:
    """Run a command that doctor names."""
    words = shlex.split(command)
    if words[0] == "qless-py":
        program(*words[1:])
        return
    assert words[0] == "redis-cli"
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "ERR" not in ended.stdout


def follow_partly(program: Program, command: str) -> None:
    """Run a command that ends with 1 because something is left to decide."""
    program(*shlex.split(command)[1:], code=1)


def mends(program: Program, found: Check, *options: str) -> bool:
    """Run the command of a problem, and return whether its check is content then."""
    follow(program, found["command"])
    return all(one["status"] == "ok" for one in checks(program, *options)[found["name"]])


def register(client: Client, name: str = "w", queues: str = '["*"]', state: str = "run") -> None:
    info = f'{{"queues": {queues}, "state": "{state}"}}'
    client.run(protocol.workers.register(name, f"nonce-{name}", info.encode()))


def taken(client: Client, queue: str, worker: str = "w") -> Job:
    found = client.queues[queue].pop(worker=worker)
    assert found is not None
    return found


def backdate_pause(redis: redis_py.Redis, queue: str, seconds: float) -> None:
    pause = msgpack.unpackb(redis.hget("{ql}:meta", f"paused:{queue}"))
    pause["since"] -= seconds * 1000
    redis.hset("{ql}:meta", f"paused:{queue}", msgpack.packb(pause))


@contextlib.contextmanager
def working(program: Program, command: str) -> Iterator[None]:
    """Run the worker that a command starts, with handlers, until left."""
    words = shlex.split(command.replace("MODULE", "tests.worker.handlers"))
    assert words[0] == "qless-py"
    process = subprocess.Popen(
        [sys.executable, "-m", "qless_py", *words[1:], "--quiet"],
        cwd=ROOT,
        env={**os.environ, "QLESS_PY_URL": str(program.url)},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def test_every_check_runs_on_a_namespace_without_problems(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    register(live)

    found = checks(program)

    assert set(found) == {
        *("versions", "store", "server", "writes", "persistence", "eviction", "memory", "clock"),
        *("latency", "scripts", "schema", "queues", "workers", "dead workers", "running"),
        *("throttles", "schedules", "failures", "dependents", "records"),
    }
    bad = [name for name, some in found.items() if any(one["status"] != "ok" for one in some)]
    assert bad == ["persistence"]  # The test server keeps nothing.
    assert live.redis.keys("*doctor*") == []
    fine = [one for some in found.values() for one in some if one["status"] == "ok"]
    assert {(one["advice"], one["command"]) for one in fine} == {("", "")}


def test_the_address_of_an_embedded_server_is_its_socket(tmp_path: Path) -> None:
    with Client(f"embedded://{tmp_path / 'store'}") as client:
        option, path = server.address(client.redis, has_tls=False)

        assert (option, Path(path).is_socket()) == ("-s", True)


def test_an_empty_namespace_is_healthy_and_stays_empty(
    program: Program, redis: redis_py.Redis
) -> None:
    found = checks(program)

    assert found["schema"][0]["detail"] == "nothing in namespace ql yet"
    assert redis.dbsize() == 0


def test_a_forgotten_pause(program: Program, live: Client, redis: redis_py.Redis) -> None:
    register(live)
    live.queues["mail"].pause("the provider is down")
    live.queues["mail"].put("app.Send")
    live.queues["empty"].pause()
    fresh = problem(program, "queues")
    backdate_pause(redis, "mail", 7200)

    found = problem(program, "queues")

    assert (fresh["status"], found["status"]) == ("warn", "fail")
    assert "mail has been paused for 2 h" in found["detail"]
    assert "(the provider is down): 1 job held back" in found["detail"]
    assert found["command"] == "qless-py queue unpause mail"
    assert mends(program, found)


def test_problems_are_printed_with_advice_and_command(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")

    lines = program("doctor", code=1).stdout.splitlines()

    head = "FAIL  workers: no worker serves mail: 1 job waiting, the oldest"
    at = next(number for number, line in enumerate(lines) if line.startswith(head))
    assert lines[at + 1 : at + 3] == [
        "      start a worker:",
        "      $ qless-py work --queue mail --import MODULE",
    ]


def test_a_pause_that_ends_soon_is_no_problem(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    live.queues["mail"].pause(until=time.time() + 600)

    assert checks(program)["queues"][0]["status"] == "ok"


def test_many_problems_of_one_kind_are_counted(program: Program, live: Client) -> None:
    for number in range(8):
        live.queues[f"q{number}"].put("app.Send")
        live.queues[f"q{number}"].pause()

    found = checks(program)["queues"]

    assert len(found) == 6
    assert (found[-1]["detail"], found[-1]["command"]) == ("3 more of this kind", "qless-py queues")


def test_a_queue_that_nobody_serves(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["echo"].put_many([{"klass": "tests.worker.handlers.Nothing"}] * 2)
    register(live, "other", '["mail"]')
    register(live, "gone", '["*"]')
    redis.zadd("{ql}:workers", {"gone": (time.time() - 300) * 1000})
    taken(live, "echo", "client").release()

    found = problem(program, "workers")

    assert found["status"] == "fail"
    assert "no worker serves echo: 2 jobs waiting, the oldest for" in found["detail"]
    assert "1 live worker for other queues; 1 client popped in the last minute" in found["detail"]
    assert found["command"] == "qless-py work --queue echo --import MODULE"
    with working(program, found["command"]):
        eventually(lambda: checks(program)["workers"][0]["status"] == "ok", within=20)


def test_workers_that_are_quiet(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    register(live, "host-1-0", '["mail"]', "quiet")

    found = problem(program, "workers")
    follow(program, found["command"])

    assert "the workers of mail are quiet: 1 job waiting" in found["detail"]
    assert found["command"] == "qless-py workers resume host-1-0"
    assert live.run(protocol.workers.beat("host-1-0")) == "resume"


def test_a_dead_worker_with_leases(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["mail"].put("app.Send", jid="letter")
    register(live, "host-1-0")
    taken(live, "mail", "host-1-0")
    redis.zadd("{ql}:workers", {"host-1-0": (time.time() - 300) * 1000})

    found = problem(program, "dead workers")

    assert found["status"] == "fail"
    assert "host-1-0 holds 1 job and was last seen 5 min ago" in found["detail"]
    assert mends(program, found)
    assert live.jobs["letter"].state == "stalled"  # type: ignore[union-attr]


def test_a_hanging_handler(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="letter")
    register(live)
    taken(live, "mail")
    assert checks(program)["running"][0]["status"] == "ok"

    found = problem(program, "running", "--hanging-after", "1ms")

    assert "letter (app.Send) of mail has been running for" in found["detail"]
    assert found["command"] == "qless-py job timeout letter"
    assert mends(program, found, "--hanging-after", "1ms")


def test_a_poison_job(program: Program, live: Client) -> None:
    live.config.set("max-crashes", 1)
    live.queues["mail"].put("app.Send", jid="letter")
    live.run(protocol.queues.pop_records(["mail"], "w", 1, "nonce"))
    live.run(protocol.workers.died("w", "nonce", ["letter"], "signal 9"))

    found = problem(program, "failures")

    assert found["status"] == "fail"
    assert "failed as poison-pill: letter (app.Send), " in found["detail"]
    assert "qless-py job show letter" in found["advice"]
    assert found["command"] == "qless-py failed retry poison-pill --yes"
    assert mends(program, found)


def test_a_flood_of_one_failure(program: Program, live: Client) -> None:
    live.queues["mail"].put_many([{"klass": "app.Send"}] * 25)
    for job in live.queues["mail"].pop(25)[:24]:
        job.fail("app.Send:Timeout", "timed out")
    assert checks(program)["failures"][0]["status"] == "ok"
    (last,) = live.queues["mail"].jobs.running()
    live.jobs[last].fail("app.Send:Timeout", "timed out")  # type: ignore[union-attr]

    found = problem(program, "failures")

    assert "25 of 25 jobs failed as app.Send:Timeout within" in found["detail"]
    assert found["detail"].endswith(": timed out")
    assert "qless-py queue pause mail" in found["advice"]
    assert mends(program, found)


def test_dependents_of_a_failed_parent(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", jid="parent")
    live.queues["mail"].put("app.Send", jid="other")
    for number in range(2):
        live.queues["mail"].put("app.Send", jid=f"child-{number}", depends=["parent", "other"])
    taken(live, "mail").fail("app.Send:Timeout", "timed out")

    found = problem(program, "dependents")

    assert found["detail"] == (
        "2 jobs (child-0, child-1) wait for parent, which failed as app.Send:Timeout"
    )
    assert found["command"] == "qless-py job retry parent"
    assert mends(program, found)


@pytest.mark.parametrize(
    ("name", "words", "command"),
    [
        ("user:ann", "user ann is at its limit of 1", "users set ann --max-running 2"),
        ("api", "throttle api is at its limit of 1", "throttles set api --concurrency 2"),
        ("queue:mail", "queue mail is at its limit", "throttles set queue:mail --concurrency 2"),
    ],
)
def test_a_limit_that_is_reached(
    program: Program, live: Client, name: str, words: str, command: str
) -> None:
    live.throttles[name].set(concurrency=1)
    for number in range(2):
        live.queues["mail"].put("app.Send", jid=f"j{number}", user="ann", throttles=["api"])
    taken(live, "mail")
    assert live.queues["mail"].pop() is None

    found = problem(program, "throttles")

    assert found["status"] == "warn"
    assert words in found["detail"]
    assert "(j0): 1 job held back" in found["detail"]
    assert found["command"] == f"qless-py {command}"
    assert mends(program, found)


def test_throttles_that_let_nothing_start(program: Program, live: Client) -> None:
    live.throttles["closed"].set(concurrency=0)
    live.throttles["slow"].set(rate=1, per=3600, burst=1)
    live.throttles["blocked"].block(600)
    for name in ("closed", "slow", "slow", "blocked"):
        live.queues["mail"].put("app.Send", throttles=[name])
    taken(live, "mail")
    assert live.queues["mail"].pop() is None

    found = checks(program)["throttles"]

    assert [one["status"] for one in found] == ["fail", "warn", "warn"]
    assert found[0]["detail"] == "throttle closed lets no job run: 1 job held back"
    assert {one["command"] for one in found} == {
        "qless-py throttles set closed --concurrency 1",
        "qless-py throttles set slow --rate 2 --per 3600 --burst 1",
        "qless-py throttles block blocked 0",
    }
    for one in (found[0], *(one for one in found if "blocked" in one["detail"])):
        follow(program, one["command"])
    assert ["slow" in one["detail"] for one in checks(program)["throttles"]] == [True]


def test_an_overdue_schedule(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["echo"].recur("tests.worker.handlers.Nothing", {}, 3600, 60, jid="hourly")
    late = round((time.time() - 600) * 1000)
    redis.zadd("{ql}:queue:echo:recurring", {"hourly": late})
    redis.zadd("{ql}:due", {"recurring:echo": late})

    found = problem(program, "schedules")

    assert found["status"] == "fail"
    assert "hourly of echo has been overdue for 10 min: nothing has popped since" in found["detail"]
    with working(program, found["command"]):
        eventually(lambda: checks(program)["schedules"][0]["status"] == "ok", within=20)


def test_schedules_that_are_dry_ended_or_paused(program: Program, live: Client) -> None:
    queue = live.queues["reports"]
    queue.recur("app.Report", {}, 3600, jid="once", limit=1)
    assert queue.pop() is not None
    queue.recur("app.Report", {}, 3600, jid="resting")
    live.recurring["resting"].pause()  # type: ignore[union-attr]
    options = {"cron": "0 3 * * *", "zone": "Europe/Berlin", "ticks": [], "after": 0}
    live.run(
        protocol.recurring.recur_encoded(
            "reports", "nightly", "app.Report", b"{}", interval=0, offset=0, options=options
        )
    )

    found = checks(program)["schedules"]

    assert [one["status"] for one in found] == ["fail", "warn", "warn"]
    assert {one["detail"] for one in found} == {
        "nightly of reports has no ticks left: no worker that pops has computed more",
        "once of reports has ended: its limit of 1 job is reached",
        "resting of reports is paused",
    }
    assert found[0]["command"] == (
        "qless-py recur edit nightly --cron '0 3 * * *' --zone Europe/Berlin"
    )
    for one in found:
        follow(program, one["command"])
    assert checks(program)["schedules"][0]["status"] == "ok"


def test_a_clock_that_was_set_back(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["mail"].put("app.Send")
    redis.hset("{ql}:meta", "time", round((time.time() + 3600) * 1000))

    found = problem(program, "clock")

    assert found["status"] == "fail"
    assert "the server's clock was set back by 1 h" in found["detail"]
    assert mends(program, found)


def test_a_record_that_drifted(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["mail"].put("app.Send")
    redis.zadd("{ql}:complete", {"ghost": 1})

    found = problem(program, "records")

    assert found["status"] == "fail"
    assert "ghost" in found["detail"]
    assert mends(program, found)


def test_a_record_that_nobody_can_read(
    program: Program, live: Client, redis: redis_py.Redis
) -> None:
    live.queues["mail"].put("app.Send", jid="letter")
    register(live)
    redis.set("{ql}:job:letter", "junk")

    found = checks(program)
    unreadable = found["records"][0]
    follow_partly(program, unreadable["command"])
    aside = problem(program, "records")

    assert all(
        one["status"] != "fail" for name in found if name != "records" for one in found[name]
    )
    assert "{ql}:job:letter" in unreadable["detail"]
    assert "1 unreadable key set aside: job:letter" in aside["detail"]
    assert mends(program, aside)


def test_a_server_that_cannot_save(program: Program, redis: redis_py.Redis) -> None:
    folder = str(redis.config_get("dir")["dir"])
    with servers.unable_to_save(redis):
        found = problem(program, "writes")
        assert "MISCONF" in found["detail"] or "unable to persist" in found["detail"]
        assert found["command"].endswith("BGSAVE")
        redis.config_set("dir", folder)  # Its disk has space again.
        follow(program, found["command"])
        eventually(lambda: checks(program)["writes"][0]["status"] == "ok", within=10)


def test_a_server_without_its_replicas(program: Program, redis: redis_py.Redis) -> None:
    with servers.without_replicas(redis):
        found = problem(program, "writes")

        assert found["status"] == "fail"
        assert mends(program, found)


def test_a_server_that_is_full(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["mail"].put("app.Send")
    redis.config_set("maxmemory", 1_000_000)
    try:
        found = checks(program)
        assert (found["writes"][0]["status"], found["memory"][0]["status"]) == ("fail", "fail")
        assert "new jobs are refused" in found["memory"][0]["detail"]
        assert mends(program, found["memory"][0])
    finally:
        redis.config_set("maxmemory", 0)


def test_a_server_that_is_nearly_full(program: Program, redis: redis_py.Redis) -> None:
    redis.zadd("{ql}:complete", {f"j{number}": number for number in range(2000)})
    redis.config_set("maxmemory", round(redis.info("memory")["used_memory"] * 1.1))
    try:
        (found,) = checks(program)["memory"]
    finally:
        redis.config_set("maxmemory", 0)
        redis.delete("{ql}:complete")

    assert found["status"] == "warn"
    assert found["command"] == "qless-py config set jobs-history-count 1000"


def test_a_user_who_may_only_read(
    live: Client, redis: redis_py.Redis, server: servers.Server
) -> None:
    live.queues["mail"].put("app.Send")
    redis.acl_setuser(
        "reader", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@read", "+@scripting"],
        commands=["+info", "+time"],
    )  # fmt: skip
    reader = Program(server.url.replace("unix://", "unix://reader:pw@"))
    try:
        found = problem(reader, "writes")
        assert found["status"] == "fail"
        words = shlex.split(found["command"])
        # Of course it may not grant itself anything.
        redis.execute_command(*words[words.index("ACL") :])
        assert checks(reader)["writes"][0]["status"] == "ok"
        assert Client(reader.url).queues["mail"].put("app.Send")
    finally:
        redis.acl_deluser("reader")


def test_a_replica_is_read_only(server_name: str) -> None:
    port = free_port()
    with (
        servers.running(server_name, "--port", str(port)) as primary,
        servers.running(server_name, "--replicaof", f"127.0.0.1 {port}") as replica,
    ):
        found = checks(Program(replica.url))
        assert "a read-only replica" in found["server"][0]["detail"]
        assert found["writes"][0]["status"] == "fail"
        command = shlex.split(found["server"][0]["command"])
        assert command == ["qless-py", "doctor", "--url", f"redis://127.0.0.1:{port}"]
        assert checks(Program(primary.url))["server"][0]["status"] == "ok"


def test_a_server_without_persistence(program: Program, redis: redis_py.Redis) -> None:
    try:
        found = problem(program, "persistence")
        assert found["detail"] == "none: all jobs are lost when the server stops"
        assert mends(program, found)
    finally:
        redis.config_set("appendonly", "no")


@pytest.mark.parametrize(
    ("policy", "lost"), [("allkeys-lru", "jobs"), ("volatile-lru", "the remembered replies")]
)
def test_a_server_that_evicts(
    program: Program, redis: redis_py.Redis, policy: str, lost: str
) -> None:
    redis.config_set("maxmemory", 100_000_000)
    redis.config_set("maxmemory-policy", policy)
    try:
        found = problem(program, "eviction")
        assert f"{policy}: when memory is full it deletes {lost}" in found["detail"]
        assert mends(program, found)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 0)


def test_a_server_that_loads_its_file(server_name: str) -> None:
    with servers.loading(server_name) as server:
        program = Program(server.url)
        found = problem(program, "server")
        servers.finish_loading(server)

        assert "it is loading its file" in found["detail"]
        assert mends(program, found)


def test_a_missing_server() -> None:
    program = Program("unix:///no/such/socket")

    assert problem(program, "server")["status"] == "fail"
    assert "FAIL  server" in program("doctor", code=1).stdout


def test_another_schema(program: Program, live: Client, redis: redis_py.Redis) -> None:
    live.queues["mail"].put("app.Send")
    redis.hset("{ql}:meta", "schema", 999)
    try:
        assert problem(program, "schema")["status"] == "fail"
    finally:
        redis.hset("{ql}:meta", "schema", 1)


def test_commands_name_the_store_that_was_examined(
    server: servers.Server, redis: redis_py.Redis
) -> None:
    with Client(server.url, namespace="shop") as client:
        client.queues["mail"].put("app.Send")
        client.queues["mail"].pause()
    program = Program(None)

    found = problem(program, "queues", "--url", server.url, "--namespace", "shop")

    store = f"--url {server.url} --namespace shop"
    assert found["command"] == f"qless-py queue unpause mail {store}"
    follow(program, found["command"])
    redis.flushall()
