"""Workers with --http: hundreds of requests at once, and what is left of them after a kill."""

from __future__ import annotations

import collections
import signal
import sys
from collections.abc import Callable

import pytest

from qless_py import Client, Job
from tests.eventually import eventually
from tests.push.servers import Recorder
from tests.servers import Server
from tests.worker.conftest import Running, Start, launch

__all__ = ["launch"]  # A fixture.

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

Begin = Callable[..., Running]


@pytest.fixture
def begin(server: Server, live: Client, launch: Start) -> Begin:
    """Start a worker that may reach this machine."""
    live.config.set("heartbeat", 2)
    live.config.set("grace-period", 0)

    def run(*words: str) -> Running:
        command = (sys.executable, "-m", "qless_py", "work", "--url", server.url, "-q", "hooks")
        return launch(*command, "--http", "--allow-target", "127.0.0.0/8", *words)

    return run


def test_after_a_kill_in_the_middle_of_hundreds_of_requests_every_job_runs_again(
    live: Client, target: Recorder, begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = live.queues["hooks"]
    jids = {queue.put_http(target.url, jid=f"j{number}") for number in range(300)}
    target.holds = True
    first = begin("-c", "200")
    eventually(lambda: len(target.requests) >= 200, lambda: f"{len(target.requests)} requests")
    for one in first.session():
        one.kill()
    first.wait()
    hit = {one.headers["qless-jid"] for one in target.requests}
    target.holds = False
    second = begin("-c", "200")
    eventually(
        lambda: len(live.jobs.complete(0, 1000)) == 300,
        lambda: f"{queue.counts}",
    )
    runs = collections.Counter(one.headers["qless-jid"] for one in target.requests)
    counts = queue.counts
    with capsys.disabled():
        print(  # noqa: T201 - the totals
            f"\n{len(jids)} jobs, {len(hit)} in flight at the kill, {sum(runs.values())} requests, "
            f"{sum(1 for one in hit if runs[one] > 1)} of the killed ran again, "
            f"{len(jids - runs.keys())} lost"
        )
    assert runs.keys() == jids
    assert all(runs[one] >= 2 for one in hit)
    assert all(runs[one] == 1 for one in jids - hit)
    assert (counts["waiting"], counts["running"], counts["scheduled"]) == (0, 0, 0)
    second.signal(signal.SIGTERM)
    assert second.wait() == 0
    log = second.log.read_text()
    assert "Unclosed" not in log
    assert "Traceback" not in log


def test_a_worker_that_stops_ends_its_requests_and_releases_their_jobs(
    live: Client, target: Recorder, begin: Begin
) -> None:
    queue = live.queues["hooks"]
    for _ in range(5):
        queue.put_http(target.url)
    target.holds = True
    worker = begin("-c", "10", "--grace", "0.2")
    eventually(lambda: len(target.requests) == 5)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    eventually(lambda: target.ended == 5, lambda: str(target.ended))
    assert queue.counts["waiting"] == 5
    job = queue.peek()
    assert job is not None
    assert (job.retries_left, job.attempts_failed, job.crashes) == (5, 0, 0)


def test_a_job_that_is_canceled_or_taken_away_ends_its_request(
    live: Client, target: Recorder, begin: Begin
) -> None:
    queue = live.queues["hooks"]
    first, second = queue.put_http(target.url), queue.put_http(target.url, priority=-1)
    target.holds = True
    worker = begin("-c", "10")
    eventually(lambda: len(target.requests) == 2)
    live.cancel(first)
    eventually(lambda: target.ended == 1, worker.log.read_text)
    target.holds = False
    job = live.jobs[second]
    assert isinstance(job, Job)
    job.timeout()
    eventually(lambda: target.ended == 2, worker.log.read_text)
    eventually(lambda: live.jobs.complete(0, 10) == [second])
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
