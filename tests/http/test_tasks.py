"""`POST /queue`: tasks as Miyamoto takes them, with curl as in its own text."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import werkzeug.serving
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from qless_py import Client
from qless_py.client.job import Job
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.result import Transition
from qless_py.http import HttpConfig, create_api
from qless_py.push.performer import HttpRequests
from tests.conftest import Clock
from tests.push.conftest import target
from tests.push.servers import Recorder

__all__ = ["target"]  # A fixture.

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def flask(client: Client) -> FlaskClient:
    return create_api(client).test_client()


def form(flask: FlaskClient, text: str, path: str = "/queue", **headers: str) -> TestResponse:
    return flask.post(path, data=text, content_type=FORM, headers=headers)


def send(flask: FlaskClient, task: object, path: str = "/queue", **headers: str) -> TestResponse:
    kind = "applicatoin/json"  # As in Miyamoto's text.
    return flask.post(path, data=json.dumps(task), content_type=kind, headers=headers)


def put(client: Client, answer: TestResponse) -> Job:
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    assert found == {"status": "scheduled", "id": found["id"]}
    job = client.jobs[found["id"]]
    assert isinstance(job, Job)
    assert job.klass_name == "http"
    return job


@contextlib.contextmanager
def serving(client: Client) -> Iterator[str]:
    server = werkzeug.serving.make_server("127.0.0.1", 0, create_api(client), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/queue"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def curl(*words: str) -> Any:
    program = shutil.which("curl")
    assert program is not None
    ended = subprocess.run([program, "-s", *words], capture_output=True, check=True, timeout=30)
    return json.loads(ended.stdout)


def perform(client: Client) -> None:
    """Perform the next job of the default queue as a worker does."""
    job = client.queues["default"].pop()
    assert job is not None
    requests = HttpRequests(allow_targets=["127.0.0.0/8", "::1"])
    result = Executor(HandlerOptions(performer=requests)).run(job)
    call = Transition.returned(job, result).call
    assert call is not None
    client.runner.run(call)


def test_the_text_of_miyamoto_works_word_for_word(
    client: Client, clock: Clock, target: Recorder
) -> None:
    worker = f"http://localhost:{target.port}/worker"
    with serving(client) as queue:
        first = curl("-d", f"task.url={worker}&task.countdown=5&foo=bar", queue)
        kind = "Content-Type: applicatoin/json"
        body = json.dumps({"url": worker, "params": {"foo": "bar"}})
        second = curl("-H", kind, "-d", body, queue)
    assert first["status"] == second["status"] == "scheduled"
    perform(client)
    assert client.queues["default"].pop() is None
    clock.advance(5)
    perform(client)
    assert [one.headers["x-task-id"] for one in target.requests] == [second["id"], first["id"]]
    for request in target.requests:
        assert (request.method, request.path, request.body) == ("POST", "/worker", b"foo=bar")
        assert request.headers["content-type"] == FORM
        assert request.headers["content-length"] == "7"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["host"] == f"localhost:{target.port}"


def test_a_form_has_all_fields_of_a_task(flask: FlaskClient, client: Client) -> None:
    text = "task.url=http://a.example/x&task.method=put&task.attempts=3&task.timeout=2.5&a=1&a=2&b="
    job = put(client, form(flask, text, "/queue/hooks"))
    assert (job.queue_name, job.attempts) == ("hooks", 3)
    assert job.data == {
        "url": "http://a.example/x",
        "method": "PUT",
        "timeout": 2.5,
        "form": [["a", "1"], ["a", "2"], ["b", ""]],
    }
    assert job.throttles == ["target:a.example"]


def test_parameters_of_a_get_go_into_the_query(flask: FlaskClient, client: Client) -> None:
    task = {"url": "http://a.example/x?y=1#z", "method": "GET", "params": {"q": "a b", "n": [1, 2]}}
    job = put(client, send(flask, task))
    assert job.data == {"url": "http://a.example/x?y=1&q=a+b&n=1&n=2", "method": "GET"}
    job = put(client, form(flask, "task.url=http://a.example/&task.method=GET&q=1"))
    assert job.data["url"] == "http://a.example/?q=1"


@pytest.mark.parametrize("eta", [1_700_000_060, "2023-11-14T22:14:20Z", 1_700_000_060.0])
def test_a_task_can_have_a_time(flask: FlaskClient, client: Client, eta: object) -> None:
    job = put(client, send(flask, {"url": "http://a.example", "eta": eta}))
    assert (job.state, job.due_at) == ("scheduled", 1_700_000_060)
    job = put(client, form(flask, f"task.url=http://a.example&task.eta={eta}"))
    assert job.due_at == 1_700_000_060


def test_a_task_with_an_id_is_put_once(flask: FlaskClient, client: Client) -> None:
    for _ in range(2):
        job = put(client, form(flask, "task.url=http://a.example/1&task.id=t1"))
        assert job.jid == "t1"
    put(client, send(flask, {"url": "http://a.example/2", "id": "t1"}))
    assert client.queues["default"].counts["waiting"] == 1
    assert put(client, form(flask, "task.url=http://a.example/&task.id=t1")).data["url"] == (
        "http://a.example/1"
    )


def test_an_idempotency_key_makes_a_task_once(flask: FlaskClient, client: Client) -> None:
    key = {"Idempotency-Key": "k"}
    first, second = (form(flask, "task.url=http://a.example&a=1", **key) for _ in range(2))
    assert put(client, first).jid == put(client, second).jid
    assert client.queues["default"].counts["waiting"] == 1
    other = form(flask, "task.url=http://a.example&a=2", **key)
    assert (other.status_code, other.get_json(force=True)["code"]) == (422, "key-reused")


def test_a_rate_limit_of_the_queue_holds_its_tasks_back(
    flask: FlaskClient, client: Client, clock: Clock
) -> None:
    queue = client.queues["default"]
    queue.throttle.set(rate=1, per=60)
    for _ in range(3):
        put(client, form(flask, "task.url=http://a.example"))
    assert len(queue.pop(10)) == 1
    clock.advance(60)
    assert len(queue.pop(10)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "task.url is missing"),
        ("foo=bar", "task.url is missing"),
        ('{"url": "http://a.example"}', "a JSON body needs the content type application/json"),
        ("task.url=", "does not start with http"),
        ("task.url=ftp://a.example", "does not start with http"),
        ("task.url=http://u:p@a.example", "user name or password"),
        ("task.url=http://a.example&task.url=http://b.example", "more than once"),
        ("task.url=http://a.example&task.colour=red", "unknown field task.colour"),
        ("task.url=http://a.example&task.countdown=soon", "delay 'soon' is not a number"),
        ("task.url=http://a.example&task.countdown=nan", "delay 'nan' is not a number"),
        ("task.url=http://a.example&task.countdown=-1", "delay -1 is not from"),
        ("task.url=http://a.example&task.eta=tomorrow", "neither Unix seconds nor ISO 8601"),
        ("task.url=http://a.example&task.eta=2030-01-01T00:00", "has no time zone"),
        ("task.url=http://a.example&task.eta=1&task.countdown=1", "exclude each other"),
        ("task.url=http://a.example&task.method=FETCH", "'FETCH' is none of"),
        ("task.url=http://a.example&task.id=a%20b", "jid 'a b' is not a name"),
        ("task.url=http://a.example&task.attempts=0", "attempts 0"),
        ("task.url=http://a.example&task.timeout=0", "timeout 0"),
        ("task.url=http://a.example&a=%ff", "form cannot be read"),
        ("task.url=http://a.example&" + "&".join(["a=1"] * 1001), "form cannot be read"),
    ],
)
def test_a_wrong_form_is_a_problem_and_puts_nothing(
    flask: FlaskClient, client: Client, text: str, message: str
) -> None:
    answer = form(flask, text)
    assert answer.mimetype == "application/problem+json"
    problem = answer.get_json(force=True)
    assert (problem["status"], problem["code"]) == (422, "invalid")
    assert problem["type"] == "/api/v1/problems/invalid"
    assert message in problem["detail"]
    assert client.queues.counts == []


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "not JSON"),
        ("[]", 422, "a JSON object"),
        ("{}", 422, "url is missing"),
        ('{"url": 5}', 422, "url 5 is not text"),
        ('{"url": 5, "method": "GET", "params": {"a": 1}}', 422, "url 5 is not text"),
        ('{"url": "http://a.example", "params": []}', 422, "params is not an object"),
        ('{"url": "http://a.example", "params": {"a": {}}}', 422, "neither text nor a number"),
        ('{"url": "http://a.example", "countdown": "5"}', 422, "delay '5' is not a number"),
        ('{"url": "http://a.example", "countdown": true}', 422, "delay True is not a number"),
        ('{"url": "http://a.example", "method": 5}', 422, "method 5 is none of"),
        ('{"url": "http://a.example", "headers": {}}', 422, "unknown field headers"),
        ('{"url": "http://a.example", "eta": NaN}', 400, "not JSON"),
    ],
)
def test_wrong_json_is_a_problem_and_puts_nothing(
    flask: FlaskClient, client: Client, body: str, status: int, message: str
) -> None:
    answer = flask.post("/queue", data=body, content_type="application/json")
    assert answer.status_code == status
    assert message in answer.get_json(force=True)["detail"]
    assert client.queues.counts == []


def test_the_right_status_for_other_mistakes(flask: FlaskClient, client: Client) -> None:
    problem = flask.post("/queue", data="x", content_type="text/plain").get_json(force=True)
    assert (problem["status"], problem["code"]) == (415, "form-required")
    answer = flask.get("/queue")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert flask.delete("/queue/a").status_code == 405
    assert form(flask, "task.url=http://a.example", "/queue/a%20b").status_code == 422
    assert form(flask, "task.url=http://a.example", "/queue?x=1").status_code == 422
    small = create_api(client, HttpConfig(max_body=100)).test_client()
    assert form(small, "task.url=http://a.example&a=" + "x" * 100).status_code == 413
    closed = create_api(client, HttpConfig(read_only=True)).test_client()
    assert form(closed, "task.url=http://a.example").status_code == 403
    assert client.queues.counts == []


def test_a_page_of_another_origin_cannot_put_a_task(flask: FlaskClient, client: Client) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = form(flask, "task.url=http://a.example", **headers)
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "cross-origin")
    away = create_api(client, HttpConfig(open_locally=False)).test_client()
    assert form(away, "task.url=http://a.example").status_code == 401
    assert client.queues.counts == []


def test_an_http_job_of_the_api_is_checked_when_it_is_put(
    flask: FlaskClient, client: Client
) -> None:
    data = {"url": "http://a.example/x", "json": {"a": 1}}
    answer = flask.post("/api/v1/queues/q/jobs", json={"klass": "http", "data": data})
    assert answer.status_code == 201
    job = client.jobs[answer.get_json()["jid"]]
    assert isinstance(job, Job)
    assert job.throttles == ["target:a.example"]
    popped = client.queues["q"].pop()
    assert popped is not None
    report = {"lease": popped.lease, "jobs": [{"queue": "q", "klass": "http", "data": data}]}
    answer = flask.post(f"/api/v1/jobs/{popped.jid}/complete", json=report)
    assert answer.status_code == 200, answer.text
    follow_up = client.jobs[answer.get_json()["jobs"][0]]
    assert isinstance(follow_up, Job)
    assert follow_up.throttles == ["target:a.example"]
    answer = flask.post("/api/v1/queues/q/jobs", json={"klass": "http", "data": {"url": "x"}})
    assert answer.status_code == 422
    assert "does not start with http" in answer.get_json(force=True)["detail"]
