"""A program in JavaScript takes part with nothing but docs/protocol.md and the library."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qless_py import AlreadyExistsError, Client, Job, errors
from qless_py.scripts import protocol_doc
from tests import servers
from tests.eventually import eventually

PROGRAM = Path(__file__).with_name("client.js")


class Program:
    """The program, at the test's server."""

    def __init__(self, server: servers.Server, library: Path) -> None:
        node = shutil.which("node")
        assert node, "node is missing (Debian: nodejs)"
        protocol_doc.export(library)
        self._command = [node, str(PROGRAM), server.socket, str(library)]

    def start(self, *words: object) -> subprocess.Popen[str]:
        command = [*self._command, *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ended(self, process: subprocess.Popen[str]) -> Any:
        output, complaint = process.communicate(timeout=20)
        if process.returncode:
            raise errors.error_from_reply(complaint.strip())
        return json.loads(output)

    def run(self, *words: object) -> Any:
        return self.ended(self.start(*words))


@pytest.fixture
def program(server: servers.Server, live: Client, tmp_path: Path) -> Program:
    del live  # wanted only so that the keyspace is empty
    return Program(server, tmp_path / "library.lua")


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


def test_a_job_that_it_puts_is_like_any_other(live: Client, program: Program) -> None:
    options = {"priority": 2.5, "tags": ["welcome", "x" * 100], "delay": 0}

    reply = program.run("put", "mail", "from-js", "app.Send", '{"to": "ä"}', json.dumps(options))

    job = live.queues["mail"].pop()
    assert reply == ["from-js", True]
    assert job is not None
    assert (job.jid, job.klass_name, job.data) == ("from-js", "app.Send", {"to": "ä"})
    assert (job.priority, job.tags) == (2.5, ["welcome", "x" * 100])


@pytest.mark.parametrize("size", [3, 5000])
def test_it_takes_and_completes_a_job_whatever_its_size(
    live: Client, program: Program, size: int
) -> None:
    jid = live.queues["mail"].put("app.Send", ["x" * size])

    reply = program.run("work", "mail", "js-1", 1)

    job = read(live, jid)
    assert reply == {"jid": jid, "klass": "app.Send"}
    assert (job.state, job.result) == ("complete", ["x" * size])


def test_a_put_wakes_it_while_it_waits(live: Client, program: Program) -> None:
    waiting = program.start("work", "mail", "js-1", 15)
    with live.events.listen("log") as events:
        eventually(lambda: events.get(0.05) or "js-1" in live.workers, every=0)
        jid = live.queues["mail"].put("app.Send")

    assert program.ended(waiting)["jid"] == jid
    assert read(live, jid).state == "complete"


def test_a_refusal_carries_its_code(live: Client, program: Program) -> None:
    live.queues["mail"].put("app.Send", jid="taken")

    with pytest.raises(AlreadyExistsError, match="taken"):
        program.run("put", "mail", "taken", "app.Send", "1", '{"on_conflict": "raise"}')


def test_it_reads_what_python_reads(live: Client, program: Program) -> None:
    live.queues["mail"].put("app.Send")

    before = live.queues["mail"].counts
    counts = program.run("call", "read/counts", "mail")
    after = live.queues["mail"].counts

    age = counts.pop("head_age") / 1000
    assert before.pop("head_age") <= age <= after.pop("head_age")
    assert counts == before == after
