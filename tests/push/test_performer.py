"""What becomes of an `http` job: its answer decides."""

from __future__ import annotations

import email.utils
import json
import logging
import socket
import time
from collections.abc import Mapping

import pytest
import standardwebhooks

from qless_py import Client
from qless_py.handlers.retry import Backoff, RetryPolicy
from qless_py.push import signatures
from tests.conftest import Clock
from tests.push.conftest import Perform
from tests.push.servers import Recorder, answer

pytestmark = pytest.mark.any_server


def test_a_request_arrives_with_the_headers_of_its_job_and_completes_it(
    client: Client, target: Recorder, perform: Perform
) -> None:
    said = ("Content-Type: text/plain", "Set-Cookie: a=b", "X-Request-Id: r1")
    target.answers.append(answer("201 Created", b"done", *said))
    jid = client.queues["hooks"].put_http(
        f"{target.url}/hook?x=1", json={"id": 7}, headers={"X-Own": "1"}, timeout=5
    )
    job = perform()
    assert job.state == "complete"
    assert job.result["status"] == 201
    assert job.result["body"] == "done"
    assert job.result["headers"] == {"content-type": "text/plain", "x-request-id": "r1"}
    (request,) = target.requests
    assert (request.method, request.path, request.body) == ("POST", "/hook?x=1", b'{"id":7}')
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["qless-jid"] == headers["x-task-id"] == headers["idempotency-key"] == jid
    assert (headers["qless-queue"], headers["qless-attempt"], headers["x-own"]) == (
        "hooks",
        "1",
        "1",
    )
    assert headers["qless-lease"]
    assert time.time() - 60 < float(headers["qless-deadline"]) < time.time() + 6
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"form": {"a": 1, "b": ["x", "y z"]}}, (b"a=1&b=x&b=y+z", "form-urlencoded")),
        ({"form": [("a", "1"), ("a", "ü")]}, (b"a=1&a=%C3%BC", "form-urlencoded")),
        ({"body": "käse"}, ("käse".encode(), "text/plain; charset=utf-8")),
        ({"body": b"\xff\x00"}, (b"\xff\x00", "application/octet-stream")),
        ({"json": None}, (b"", None)),
        ({"json": [1, "ü"]}, ('[1,"ü"]'.encode(), "application/json")),
        ({"body": "x", "headers": {"content-type": "a/b"}}, (b"x", "a/b")),
        ({}, (b"", None)),
    ],
)
def test_each_kind_of_body_is_sent_with_its_type(
    client: Client,
    target: Recorder,
    perform: Perform,
    options: dict[str, object],
    expected: tuple[bytes, str | None],
) -> None:
    body, kind = expected
    client.queues["hooks"].put_http(target.url, **options)  # type: ignore[arg-type]
    assert perform().state == "complete"
    assert target.requests[0].body == body
    given = target.requests[0].headers.get("content-type")
    assert given is kind is None or (kind is not None and given is not None and kind in given)


def test_any_status_but_a_success_is_retried_with_growing_waits(
    client: Client, target: Recorder, perform: Perform, clock: Clock
) -> None:
    target.answers += [answer("500 Oops", b"no"), answer("302 Found"), answer("204 No Content")]
    client.queues["hooks"].put_http(target.url, jid="j")
    waits = []
    for _ in range(2):
        job = perform()
        assert job.state == "scheduled"
        waits.append(job.due_at - clock.now if job.due_at else 0)
        clock.advance(waits[-1] + 0.001)
    assert 1 <= waits[0] <= 2
    assert 2 <= waits[1] <= 4
    assert "answered 302" in str(job.history[-1])
    job = perform()
    assert (job.state, job.result["status"], job.retries_left) == ("complete", 204, 5)
    assert [one.headers["qless-attempt"] for one in target.requests] == ["1", "2", "3"]
    assert {one.headers["idempotency-key"] for one in target.requests} == {"j"}


def test_attempts_of_the_put_end_the_retries(
    client: Client, target: Recorder, perform: Perform, clock: Clock
) -> None:
    target.answers += [answer("500 Oops", b"<b>\x07no")] * 2
    client.queues["hooks"].put_http(target.url, attempts=2)
    assert perform().state == "scheduled"
    clock.advance(3600)
    job = perform()
    assert job.state == "failed"
    assert job.failure["group"] == "http:TargetStatusError"
    assert job.failure["message"] == f"127.0.0.1:{target.port} answered 500 Oops: <b> no"


def test_a_policy_of_the_queue_applies_to_requests_too(
    client: Client, target: Recorder, perform: Perform
) -> None:
    client.config.set("hooks-retry-policy", RetryPolicy(Backoff.fixed(77), retries=0).text())
    target.answers.append(answer("500 Oops"))
    client.queues["hooks"].put_http(target.url)
    assert perform().state == "failed"


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_permanent_status_fails_the_job_at_once(
    client: Client, target: Recorder, perform: Perform, status: int
) -> None:
    target.answers.append(answer(f"{status} No", b"because"))
    client.queues["hooks"].put_http(target.url, attempts=5)
    job = perform()
    assert (job.state, job.failure["group"]) == ("failed", "http:RequestRejectedError")
    assert job.failure["message"].endswith(f"answered {status} No: because")


def test_the_codes_of_the_job_replace_ours(
    client: Client, target: Recorder, perform: Perform
) -> None:
    queue = client.queues["hooks"]
    target.answers += [answer("404 No"), answer("200 OK"), answer("404 No"), answer("302 Found")]
    queue.put_http(target.url, permanent=[])
    assert perform().state == "scheduled"
    queue.put_http(target.url, success=[201], permanent=["2xx"])
    assert perform().state == "failed"
    queue.put_http(target.url, success=["2xx", 404])
    assert perform().state == "complete"
    queue.put_http(target.url, success=["3XX"])
    assert perform().state == "complete"


def test_a_target_can_say_that_no_retry_helps(
    client: Client, target: Recorder, perform: Perform
) -> None:
    target.answers.append(answer("500 Oops", b"", "Qless-Retry: No"))
    client.queues["hooks"].put_http(target.url)
    assert perform().state == "failed"


@pytest.mark.parametrize("status", ["429 Slow Down", "503 Busy", "503 Busy with a date"])
def test_retry_after_is_honoured_and_holds_back_the_other_jobs_of_the_target(
    client: Client, target: Recorder, perform: Perform, clock: Clock, status: str
) -> None:
    as_date = "date" in status
    asked = email.utils.formatdate(time.time() + 120, usegmt=True) if as_date else "120"
    target.answers.append(answer(status, b"", f"Retry-After: {asked}"))
    queue = client.queues["hooks"]
    queue.put_http(target.url, jid="first")
    queue.put_http(target.url, jid="second")
    queue.put_http("http://127.0.0.2:1/", jid="other")
    job = perform()
    assert job.state == "scheduled"
    assert job.due_at is not None
    assert 115 <= job.due_at - clock.now <= 121
    throttle = f"target:127.0.0.1:{target.port}"
    assert job.throttles == [throttle]
    blocked = client.throttles[throttle].get().blocked_until
    assert blocked is not None
    assert 115 <= blocked - clock.now <= 121
    popped = queue.pop(10)
    assert [one.jid for one in popped] == ["other"]
    popped[0].cancel()
    clock.advance(121)
    assert {perform().jid, perform().jid} == {"first", "second"}
    assert client.queues["hooks"].counts["running"] == 0


@pytest.mark.parametrize("header", ["Retry-After: soon", "Retry-After: -5", "X: 1"])
def test_a_busy_target_that_names_no_time_is_retried_by_the_policy(
    client: Client, target: Recorder, perform: Perform, clock: Clock, header: str
) -> None:
    target.answers.append(answer("503 Busy", b"", header))
    client.queues["hooks"].put_http(target.url)
    job = perform()
    assert job.due_at is not None
    assert 0.5 < job.due_at - clock.now <= 2
    assert client.throttles[job.throttles[0]].get().blocked_until is None


def test_a_retry_after_of_years_is_a_day(
    client: Client, target: Recorder, perform: Perform, clock: Clock
) -> None:
    target.answers.append(answer("429 No", b"", "Retry-After: 99999999999999999999"))
    client.queues["hooks"].put_http(target.url)
    job = perform()
    assert job.due_at is not None
    assert job.due_at - clock.now == pytest.approx(86_400, abs=1)


def test_a_target_that_cannot_be_reached_is_retried_and_one_that_may_not_be_is_not(
    client: Client, perform: Perform
) -> None:
    queue = client.queues["hooks"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        queue.put_http(f"http://127.0.0.1:{taken.getsockname()[1]}/", attempts=1)
        job = perform()
    assert job.failure["group"] == "http:TargetUnreachableError"
    queue.put_http("http://127.0.0.1:9/", attempts=5)
    job = perform(allow_targets=())
    assert (job.state, job.failure["group"]) == ("failed", "http:TargetDeniedError")
    assert (
        "port 9 is not allowed; start the worker with --allow-target 127.0.0.1:9"
        in job.failure["message"]
    )
    queue.put_http("http://169.254.169.254/latest/meta-data/")
    job = perform(allow_targets=["0.0.0.0/0"])
    assert (job.state, job.failure["group"]) == ("failed", "http:TargetDeniedError")


def test_a_signed_request_is_verified_by_the_reference_library(
    client: Client, target: Recorder, perform: Perform
) -> None:
    old, new = signatures.new_key(), signatures.new_key()
    client.queues["hooks"].put_http(target.url, json={"a": "ü"}, jid="with.dot")
    assert perform(signing_keys=[new, old]).state == "complete"
    (request,) = target.requests
    for key in (old, new):
        found = standardwebhooks.Webhook(key).verify(request.body, request.headers)
        assert found == {"a": "ü"}
    assert "." not in request.headers["webhook-id"]


def test_an_idempotency_key_of_the_user_replaces_ours(
    client: Client, target: Recorder, perform: Perform
) -> None:
    client.queues["hooks"].put_http(target.url, headers={"idempotency-key": "mine"})
    perform()
    assert target.requests[0].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    "data",
    [
        None,
        "http://example.com/",
        {},
        {"url": "ftp://example.com/"},
        {"url": "http://example.com/", "headers": {"Host": "evil"}},
        {"url": "http://example.com/", "headers": {"X": "a\r\nb"}},
        {"url": "http://example.com/", "method": "CONNECT"},
        {"url": "http://example.com/", "shell": "rm"},
        {"url": "http://example.com/", "timeout": 1e9},
    ],
)
def test_data_that_was_put_unchecked_fails_the_job_at_once(
    client: Client, perform: Perform, data: object
) -> None:
    client.queues["hooks"].put("http", data)
    job = perform()
    assert (job.state, job.failure["group"]) == ("failed", "http:InvalidRequestError")


def test_a_job_of_another_klass_runs_no_code(client: Client, perform: Perform) -> None:
    client.queues["hooks"].put("os.system", {"command": "true"})
    job = perform()
    assert (job.state, job.failure["group"]) == ("failed", "os.system:NotARequestError")
    assert "runs only jobs of the klass http" in job.failure["message"]


def test_a_result_keeps_64_kib_and_bytes_that_are_no_text(
    client: Client, target: Recorder, perform: Perform
) -> None:
    queue = client.queues["hooks"]
    target.answers += [answer(body=b"\xff\xfe"), answer(body="ü".encode() * 40_000)]
    queue.put_http(target.url)
    assert perform().result["body_base64"] == "//4="
    queue.put_http(target.url)
    result = perform().result
    assert result["is_cut"] is True
    assert result["body"] == "ü" * 32_768


def test_the_trace_that_a_job_was_put_with_is_passed_on(
    client: Client, target: Recorder, perform: Perform
) -> None:
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "x=1", "baggage": "y=1"}
    client.queues["hooks"].put_http(target.url, context=trace)
    perform()
    headers = target.requests[0].headers
    assert (headers["traceparent"], headers["tracestate"]) == (trace["traceparent"], "x=1")
    assert "baggage" not in headers


def test_a_context_cannot_split_the_headers(target: Recorder) -> None:
    from qless_py.protocol.http_requests import HttpRequest  # noqa: PLC0415
    from qless_py.push.performer import headers_for  # noqa: PLC0415

    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    class Traced:
        jid, queue_name, lease = "j", "q", "1.n"
        original_retries, retries_left = 5, 3
        fields: Mapping[str, object] = {}
        context: Mapping[str, str] = {"traceparent": parent, "tracestate": "a=b\r\nX: 1"}

    request = HttpRequest.of({"url": target.url})
    found = headers_for(request, Traced())
    assert (found["traceparent"], found["Qless-Attempt"]) == (parent, "3")
    assert "tracestate" not in found


def test_a_throttle_that_cannot_be_blocked_is_only_logged(
    client: Client,
    target: Recorder,
    perform: Perform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr("qless_py.push.performer.throttles.block", fail)
    target.answers.append(answer("429 No", b"", "Retry-After: 60"))
    client.queues["hooks"].put_http(target.url)
    with caplog.at_level(logging.WARNING):
        assert perform().state == "scheduled"
    assert "cannot block the throttle" in caplog.text


def test_the_data_of_a_job_is_what_was_put(client: Client) -> None:
    jid = client.queues["hooks"].put_http("HTTP://Example.com", json={"a": 1}, method="put")
    job = client.jobs[jid]
    assert job is not None
    assert job.klass_name == "http"
    assert json.loads(job.raw) == {
        "url": "http://example.com/",
        "method": "PUT",
        "json": {"a": 1},
    }
    assert job.throttles == ["target:example.com"]
