"""An answer of 202: the target keeps the job and completes it later with its lease."""

from __future__ import annotations

import signal

import pytest

from qless_py import Client, HandOff, Job
from qless_py.http import create_api
from qless_py.protocol.http_requests import HttpRequest
from qless_py.push import performer
from qless_py.push.sender import SendResult
from tests.conftest import Clock
from tests.eventually import eventually
from tests.push.conftest import Perform
from tests.push.servers import Recorder, answer
from tests.push.test_workers import Begin, begin
from tests.worker.conftest import launch

__all__ = ["begin", "launch"]  # Fixtures.

pytestmark = pytest.mark.any_server

ASYNC = answer("202 Accepted", b"", "Qless-Async: 1")


def test_the_target_completes_the_job_over_http_with_its_lease(
    client: Client, target: Recorder, perform: Perform, clock: Clock
) -> None:
    target.answers.append(ASYNC)
    client.queues["hooks"].put_http(target.url, jid="j")
    job = perform()
    name = f"target:127.0.0.1:{target.port}"
    assert (job.state, job.worker_name) == ("running", name)
    assert job.expires_at == clock.now + 600
    assert client.workers[name]["jobs"] == ["j"]
    clock.advance(500)
    api = create_api(client).test_client()
    lease = target.requests[0].headers["qless-lease"]
    beat = api.post("/api/v1/jobs/j/heartbeat", json={"lease": lease})
    assert beat.status_code == 200, beat.text
    done = api.post("/api/v1/jobs/j/complete", json={"lease": lease, "result": {"rows": 7}})
    assert done.status_code == 200, done.text
    found = client.jobs["j"]
    assert isinstance(found, Job)
    assert (found.state, found.result) == ("complete", {"rows": 7})


def test_a_target_that_never_completes_it_gets_it_again(
    client: Client, target: Recorder, perform: Perform, clock: Clock
) -> None:
    client.config.set("grace-period", 0)
    target.answers += [answer("202 Accepted", b"", "Qless-Async: 1", "Qless-Async-Seconds: 30")]
    client.queues["hooks"].put_http(target.url, jid="j")
    assert perform().expires_at == clock.now + 30
    clock.advance(30.001)
    job = perform()
    assert job.state == "complete"
    leases = [one.headers["qless-lease"] for one in target.requests]
    assert len(set(leases)) == 2
    assert [one.headers["qless-attempt"] for one in target.requests] == ["1", "2"]
    api = create_api(client).test_client()
    late = api.post("/api/v1/jobs/j/complete", json={"lease": leases[0]})
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("headers", "kept", "seconds"),
    [
        ((), None, 0),
        ((), 20, 20),
        (("Qless-Async: 0",), None, 0),
        (("Qless-Async: 1",), 20, 20),
        (("Qless-Async: 1", "Qless-Async-Seconds: soon"), None, 600),
        (("Qless-Async: 1", "Qless-Async-Seconds: 0"), None, 600),
        (("Qless-Async: 1", "Qless-Async-Seconds: 999999999999"), None, 86_400),
        (("Qless-Async-Seconds: 5",), None, 0),
    ],
)
def test_who_says_how_long_the_target_keeps_the_job(
    headers: tuple[str, ...], kept: float | None, seconds: float
) -> None:
    given = dict(one.lower().split(": ") for one in headers)
    data = {"url": "http://a.example", **({} if kept is None else {"hand_off": kept})}
    result = SendResult("response", "", 202, given)
    assert performer._hand_off(HttpRequest.of(data), result) == seconds


@pytest.mark.fork
def test_a_worker_that_is_killed_takes_no_job_back_that_it_has_handed_off(
    live: Client, target: Recorder, begin: Begin
) -> None:
    target.answers.append(ASYNC)
    jid = live.queues["hooks"].put_http(target.url)
    worker = begin("-c", "10")

    def handed_off() -> Job | None:
        job = live.jobs[jid]
        return job if isinstance(job, Job) and job.worker_name.startswith("target:") else None

    job = eventually(handed_off, worker.log.read_text)
    assert job is not None
    worker.wait_for_log("job handed-off")
    worker.descendants()[0].send_signal(signal.SIGKILL)
    worker.wait_for_log('cause="signal 9"')
    eventually(lambda: worker.log.read_text().count("child started") == 2)
    found = live.jobs[jid]
    assert isinstance(found, Job)
    assert (found.state, found.lease, found.crashes) == ("running", job.lease, 0)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_any_handler_can_hand_its_job_off() -> None:
    outcome = HandOff("them", 5)
    assert (outcome.worker, outcome.seconds, outcome.args) == ("them", 5, ("them", 5))
