"""Examples from the documents of qless and PerfectQueue, written with this command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qless_py import Client, Job, RecurringJob
from tests import servers
from tests.cli.conftest import Program
from tests.conftest import Clock

APP = """\
class MakeStuffing:
    @staticmethod
    def perform(job):
        return job["lots"]


class MakeTurkey:
    @staticmethod
    def perform(job):
        return list(job.parent_results().values())


class Site:
    '''Three steps, each in a queue of its name.'''

    @staticmethod
    def crawl(job):
        job["pages"] = [job["url"] + page for page in ("/", "/about")]
        job.complete("parse")

    @staticmethod
    def parse(job):
        job["words"] = len("".join(job["pages"]))
        job.complete("store")

    @staticmethod
    def store(job):
        return job["words"]


class MyJobClass:
    @staticmethod
    def default_job_options(data):
        return {"priority": 10, "delay": 100}

    @staticmethod
    def perform(job):
        return job.data
"""


def job(client: Client, jid: str) -> Job:
    found = client.jobs[jid]
    assert isinstance(found, Job)
    return found


def work(
    server: servers.Server, folder: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a worker in that folder until nothing is left to do."""
    ended = subprocess.run(
        [sys.executable, "-m", "qless_py", "work", "--burst", "-n", "1", *words],
        cwd=folder,
        env={**os.environ, "REDIS_URL": server.url, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "seed_app.py").write_text(APP)
    return tmp_path


@pytest.mark.fork
def test_the_turkey_is_made_after_the_stuffing_and_a_site_in_three_steps(
    server: servers.Server, live: Client, app: Path
) -> None:
    cook = live.queues["cook"]
    stuffing = cook.put("seed_app.MakeStuffing", {"lots": "of butter"})
    turkey = cook.put("seed_app.MakeTurkey", {"with": "stuffing"}, depends=[stuffing])
    site = live.queues["crawl"].put("seed_app.Site", {"url": "example.org"})
    assert cook.peek(2)[0].jid == stuffing
    assert len(cook.peek(2)) == 1

    output = work(
        server,
        app,
        *("--import", "seed_app"),
        QUEUES="cook,crawl,parse,store",
        JOB_RESERVER="RoundRobin",
        INTERVAL="1",
        VERBOSE="true",
    ).stderr

    assert job(live, turkey).result == ["of butter"]
    assert job(live, site).result == len("example.org/example.org/about")
    whats = [entry.get("queue") for entry in job(live, site).history if entry["what"] == "put"]
    assert whats[0] == "crawl"
    assert "Store:" in output


SCRIPT = """\
#!{python}
import json, sys
js = json.load(sys.stdin)
print(f"received: id={{sys.argv[-1]}} {{js!r}} {{sys.argv[1:-1]}}")
"""
RUN = """\
class Run:
    def __init__(self, task):
        self.task = task

    def run(self):
        return f"received: id={self.task.jid} {self.task.data!r}"

    def kill(self):
        print("kill!")
"""


@pytest.mark.fork
def test_a_program_performs_a_job(
    server: servers.Server, live: Client, program: Program, tmp_path: Path
) -> None:
    script = tmp_path / "this_file"
    script.write_text(SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    program("put", "tasks", "any", '{"any":"data"}', "--jid", "unique-key-id")

    work(server, tmp_path, "-q", "tasks", "--exec", "./this_file", "--", "my", "cmd", "args")

    output = job(live, "unique-key-id").result
    assert output.strip() == ("received: id=unique-key-id {'any': 'data'} ['my', 'cmd', 'args']")


@pytest.mark.fork
def test_a_class_in_a_file_performs_a_job_with_settings_written_before(
    server: servers.Server, live: Client, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "myrun.py").write_text(RUN)
    program("put", "tasks", "any", '{"any":"data"}', "--jid", "one")

    program("work", "-q", "tasks", "--run", "myrun.py", "--configure", "myqueue.toml")
    work(server, tmp_path, "--config", "myqueue.toml")

    assert job(live, "one").result == "received: id=one {'any': 'data'}"


ROUTES = """\
import re
from qless_py.handlers.programs import Dispatch

def handle(job):
    return "acquired task: " + job.klass_name

dispatch = Dispatch().route("type1", handle).route(re.compile("^regexp-.*$"), handle)
"""


@pytest.mark.fork
def test_routes_say_who_performs_a_job(
    server: servers.Server, live: Client, program: Program, tmp_path: Path
) -> None:
    (tmp_path / "task_dispatch.py").write_text(ROUTES)
    program("put", "tasks", "type1", "--jid", "task-id")
    program("put", "tasks", "regexp-x", "--jid", "k2")
    program("put", "tasks", "type2", "--jid", "k3")

    work(server, tmp_path, "-q", "tasks", "-I", ".", "--dispatch", "task_dispatch:dispatch")

    assert job(live, "task-id").result == "acquired task: type1"
    assert job(live, "k2").result == "acquired task: regexp-x"
    assert job(live, "k3").state == "failed"


def test_the_commands_of_perfectqueue_have_their_like(program: Program, live: Client) -> None:
    program("put", "tasks", "user_task", '{"uid":1}', "--jid", "k1", "--user", "user_1")
    program("put", "tasks", "system_task", '{"task_id":32}', "--jid", "k2", "--at", "+1h")

    listed = {one["jid"]: one for one in program.json("jobs", "--queue", "tasks")["jobs"]}
    assert (listed["k1"]["klass"], listed["k1"]["user"]) == ("user_task", "user_1")
    assert listed["k1"]["data"] == {"uid": 1}
    assert listed["k2"]["state"] == "scheduled"

    program("job", "finish", "k2")
    assert job(live, "k2").state == "complete"
    assert len(program("jobs", "--state", "complete").stdout.splitlines()) == 2

    program("job", "cancel", "k1")
    assert live.jobs["k1"] is None


def test_a_task_is_submitted_once(program: Program, live: Client) -> None:
    words = ("put", "tasks", "any", "{}", "--jid", "k1", "--on-conflict")

    assert program(*words, "ignore").stdout == program(*words, "ignore").stdout
    assert "k1" in program(*words, "raise", code=1).stderr
    assert len(live.queues["tasks"]) == 1


def test_a_job_recurs_every_hour(program: Program, live: Client) -> None:
    jid = program(
        *("recur", "add", "testing", "seed_app.MyJobClass", '{"widget": "warble"}', "--every", "1h")
    ).stdout.strip()
    found = live.jobs[jid]
    assert isinstance(found, RecurringJob)
    assert found.interval == 3600

    first = live.queues["testing"].pop(10)
    assert [one.data for one in first] == [{"widget": "warble"}]
    program("recur", "edit", jid, "--every", "7200")
    assert found.refresh().interval == 7200

    later = live.queues["testing"].recur("seed_app.MyJobClass", None, 3600, offset=23 * 60)
    second = live.jobs[later]
    assert isinstance(second, RecurringJob)
    assert second.next_at is not None
    assert second.next_at > (first[0].popped_at or 0) + 22 * 60
    assert live.queues["testing"].pop(10) == []


def test_more_than_one_job_is_made_after_more_than_one_interval(
    client: Client, clock: Clock
) -> None:
    queue = client.queues["testing"]
    queue.recur("seed_app.MyJobClass", {"lots": "of jobs"}, 60, 60)

    clock.advance(300)

    assert len(queue.pop(10)) == 5


def test_a_queue_has_a_heartbeat_of_its_own(program: Program, live: Client) -> None:
    program("config", "set", "heartbeat", "600")
    program("queue", "set", "testing", "heartbeat=300")
    for name in ("testing", "other"):
        live.queues[name].put("seed_app.MyJobClass")

    testing, other = (live.queues[name].pop() for name in ("testing", "other"))

    assert testing is not None
    assert other is not None
    assert 290 < testing.ttl <= 300
    assert 590 < other.ttl <= 600
    assert testing.heartbeat() == pytest.approx(testing.expires_at)


def test_options_are_set_for_all(program: Program, live: Client) -> None:
    program("config", "set", "jobs-history", str(7 * 86400))
    program("config", "set", "jobs-history-count", "500")

    assert live.config["jobs-history"] == 604800
    assert live.config["jobs-history-count"] == 500


def test_priority_delay_and_tags_are_given_and_changed(program: Program, live: Client) -> None:
    put = ("put", "testing", "seed_app.MyJobClass", '{"foo": "bar"}')
    program(*put, "--jid", "low")
    program(*put, "--jid", "high", "--priority", "10")
    program(*put, "--jid", "later", "--delay", "600", "--priority", "100")
    program(*put, "--jid", "tagged", "--tag", "12345", "--tag", "foo", "--tag", "bar")

    program("job", "priority", "low", "--to", "20")
    order = [one["jid"] for one in program.json("peek", "testing", "--count", "3")["jobs"]]
    program("job", "tag", "tagged", "--add", "howdy", "--add", "hello")
    program("job", "untag", "tagged", "--remove", "foo", "--remove", "bar")

    assert order == ["low", "high", "tagged"]
    assert job(live, "later").state == "scheduled"
    assert program.json("jobs", "--tag", "howdy")["jobs"][0]["tags"] == ["12345", "howdy", "hello"]
    assert program.json("jobs", "--tag", "foo")["jobs"] == []


def test_a_class_has_options_that_a_put_overrides(
    app: Path, live: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(app)
    from seed_app import MyJobClass  # type: ignore[import-not-found]  # noqa: PLC0415

    jid = live.queues["testing"].put(MyJobClass, {"some": "data"}, delay=10)

    found = job(live, jid)
    assert found.priority == 10
    assert found.due_at == pytest.approx((found.put_at or 0) + 10)


def test_a_tracked_job_is_listened_to(program: Program, live: Client) -> None:
    live.queues["testing"].put("seed_app.MyJobClass", jid="one")
    program("job", "track", "one")
    events = live.events.listen("completed")
    live_job = live.queues["testing"].pop()
    assert live_job is not None
    live_job.complete()

    with events:
        event = events.get(30)

    assert event is not None
    assert (event.name, event.jid) == ("completed", "one")
    assert program.json("tracked")["jobs"][0]["state"] == "complete"


def test_statistics_are_shown(program: Program, live: Client) -> None:
    live.queues["testing"].put("seed_app.MyJobClass")

    (answer,) = program.json("stats", "testing")["queues"]

    assert {"mean", "std", "count", "histogram"} <= set(answer["day"]["wait"]) & set(
        answer["day"]["run"]
    )
