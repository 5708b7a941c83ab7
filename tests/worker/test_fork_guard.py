"""Processes forked by handlers do not get the worker's signals, jobs or commands."""

import signal

import pytest

from qless_py import Client, Job
from tests.worker import handlers
from tests.worker.conftest import Start

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


def read(client: Client, jid: str) -> Job:
    job = client.jobs[jid]
    assert isinstance(job, Job)
    return job


@pytest.mark.parametrize(("by", "code"), [("return", 0), ("raise", 1), ("exit", 4)])
def test_a_forked_copy_that_leaves_the_handler_exits_without_effect(
    live: Client, start: Start, by: str, code: int
) -> None:
    forking = live.queues["work"].put(handlers.forks, {"by": by})
    after = live.queues["work"].put(handlers.double, {"number": 2})
    start("--burst").wait()

    pid, ended_with = read(live, forking).result

    assert pid != 0
    assert ended_with == code
    assert read(live, after).result == 4
    assert read(live, forking).history[-1]["what"] == "done"


def test_a_process_started_by_a_handler_can_be_terminated(live: Client, start: Start) -> None:
    jid = live.queues["work"].put(handlers.terminates_a_process)
    start()

    assert read(live, jid).wait(40) == -signal.SIGTERM
