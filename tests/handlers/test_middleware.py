"""The middleware that comes with the package."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from qless_py import BadArgumentError, Client, Job, RetryPolicy, SoftLimitError
from qless_py.handlers.context import running
from qless_py.handlers.interrupt import SoftLimit
from qless_py.handlers.logs import JobFilter
from qless_py.handlers.middleware import JobLog, LogContext, MemoryWatch, Reconnect, RetryOn, Sentry
from qless_py.testing import HandlerOptions, perform
from tests.handlers import jobs
from tests.servers import Server
from tests.store import proxy


def taken(client: Client, klass: Any, data: Any = None, **options: Any) -> Job:
    client.queues["q"].put(klass, data, jid="j", **options)
    job = client.queues["q"].pop()
    assert job is not None
    return job


def found(client: Client) -> Job:
    job = client.jobs["j"]
    assert isinstance(job, Job)
    return job


def inside(*middleware: Any) -> HandlerOptions:
    return HandlerOptions(allow_any=True, middleware=middleware)


def test_retrying_is_decided_before_the_policy_of_the_job(client: Client) -> None:
    around = inside(RetryOn(RetryPolicy(on={OSError: 3})))

    perform(taken(client, jobs.raises, {"kind": "os"}, retry=RetryPolicy(9)), around)
    first = found(client).due_at
    perform(taken(client, jobs.raises, {"kind": "value"}, retry=RetryPolicy(9)), around)

    assert (first or 0) + 6 == found(client).due_at


def test_retrying_leaves_what_the_handler_says_alone(client: Client) -> None:
    perform(taken(client, jobs.says, {"say": "snooze"}), inside(RetryOn(3)))

    assert found(client).retries_left == 5


def test_a_job_that_makes_the_process_grow_is_named(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, int]] = []
    watch = MemoryWatch(
        growth=20 * 2**20, limit=1, over=lambda job, size: seen.append((job.jid, size))
    )

    perform(taken(client, jobs.grows, 1), inside(watch))
    assert "grow" not in caplog.text
    perform(taken(client, jobs.grows, 40 * 2**20), inside(watch))

    assert "process grew by" in caplog.text
    assert [jid for jid, _ in seen] == ["j", "j"]
    assert seen[1][1] - seen[0][1] > 20 * 2**20
    jobs.SEEN.clear()


def test_too_much_memory_is_a_warning_by_default(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    perform(taken(client, jobs.gives, {"give": 1}), inside(MemoryWatch(limit=1)))

    assert "bytes, above its limit jid=" in caplog.text
    with pytest.raises(BadArgumentError):
        MemoryWatch(growth=0)


def test_connections_are_made_once_in_a_process_and_after_they_were_lost(client: Client) -> None:
    made: list[str] = []
    around = inside(Reconnect(lambda: made.append("a"), lambda: made.append("b")))

    for kind in ("value", "connection", "value"):
        with contextlib.suppress(ValueError, ConnectionError):
            perform(taken(client, jobs.raises, {"kind": kind}), around)

    assert made == ["a", "b", "a", "b"]


@pytest.mark.fork
def test_connections_are_made_anew_after_a_fork() -> None:
    made: list[int] = []
    reconnect = Reconnect(lambda: made.append(os.getpid()))
    enter: Any = reconnect
    with enter(None):
        pass

    child = os.fork()
    if child == 0:
        with enter(None):
            pass
        os._exit(0 if made == [os.getppid(), os.getpid()] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert made == [os.getpid()]


@pytest.mark.parametrize("klass", [jobs.logs_lines, jobs.logs_lines_later])
def test_what_a_job_logs_is_kept_with_it(
    client: Client, klass: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    perform(taken(client, klass, {"lines": 5}), inside(JobLog(most=3)))

    kept = [entry for entry in found(client).history if entry["what"] == "log"]
    assert [entry["message"] for entry in kept] == ["line 0", "line 1", "line 2"]
    assert (kept[0]["level"], kept[0]["logger"]) == ("info", "app")


def test_lines_of_others_are_not_kept_with_the_job(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    perform(taken(client, jobs.logs_elsewhere), inside(JobLog()))

    assert [entry["what"] for entry in found(client).history] == ["put", "popped", "done"]
    assert not any(type(one).__name__ == "_Lines" for one in logging.getLogger().handlers)


def test_lines_that_cannot_be_kept_do_not_disturb_the_handler(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.config["max-data-size"] = 12

    perform(taken(client, jobs.logs_lines, {"lines": 1}), inside(JobLog()))

    assert found(client).state == "complete"
    assert "log line of job not stored jid=j" in caplog.text


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("wrong", [("%d items", "three"), ("%s", Unspeakable())])
def test_a_line_that_cannot_be_written_fails_no_job(
    client: Client, monkeypatch: pytest.MonkeyPatch, wrong: tuple[Any, ...]
) -> None:
    logger = logging.getLogger("app")
    monkeypatch.setattr(logger, "propagate", False)  # pytest raises errors that others only report.
    reported: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda _, record: reported.append(record))
    job = taken(client, jobs.logs_lines, {"lines": 0})

    with running(job), JobLog()(job) as lines:
        monkeypatch.setattr(logger, "handlers", [lines])
        logger.warning(*wrong)
        logger.warning("and this")

    assert len(reported) == 1
    assert [one["message"] for one in found(client).history if one["what"] == "log"] == ["and this"]


def test_fields_are_added_to_every_line_of_a_job(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(JobFilter())
    caplog.set_level(logging.INFO)
    around = inside(LogContext(lambda job: {"size": len(job.raw)}, site="north"))

    perform(taken(client, jobs.logs_lines, {"lines": 1}), around)

    (record,) = [one for one in caplog.records if one.name == "app"]
    fields = vars(record)
    assert fields["context"] == {"site": "north", "size": 11}
    assert (fields["jid"], fields["queue"]) == ("j", "q")


def test_a_soft_limit_ends_the_wait_for_a_job(live: Client) -> None:
    job = live.jobs[live.queues["q"].put("k")]
    assert isinstance(job, Job)

    with pytest.raises(SoftLimitError, match=r"of 0\.2 s"), SoftLimit(0.2):
        job.wait(30)


def test_a_soft_limit_ends_a_call_to_a_store_that_does_not_answer(
    server: Server, redis: redis_py.Redis
) -> None:
    del redis
    with proxy.running(server.socket) as network, Client(network.url, patience=20) as client:
        jid = client.queues["q"].put("k")
        network.hold()
        with pytest.raises(SoftLimitError), SoftLimit(0.2):
            client.jobs[jid]
        network.release()

        assert client.jobs[jid] is not None


@pytest.fixture
def sent() -> Iterator[list[Envelope]]:
    """Return what the SDK would send."""
    envelopes: list[Envelope] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            envelopes.append(envelope)

    sentry_sdk.init("http://key@127.0.0.1:1/1", transport=Kept, traces_sample_rate=1.0)
    yield envelopes
    # It patches other libraries for the whole process, which then add headers of its own.
    sentry_sdk.get_global_scope().set_client(None)


def events(sent: list[Envelope]) -> list[dict[str, Any]]:
    sentry_sdk.flush()
    return [dict(one.get_event() or {}) for one in sent if one.get_event()]


def test_failures_are_reported_with_their_job(client: Client, sent: list[Envelope]) -> None:
    with pytest.raises(ValueError, match="broken"):
        perform(taken(client, jobs.raises, {"kind": "value"}), inside(Sentry()))

    (event,) = events(sent)
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["tags"] == {"queue": "q", "klass": "tests.handlers.jobs.raises"}
    assert event["contexts"]["job"] == {"jid": "j", "retries_left": 5, "tags": []}
    assert event["transaction"] == "tests.handlers.jobs.raises"


def test_what_is_to_be_run_again_is_no_failure(client: Client, sent: list[Envelope]) -> None:
    perform(taken(client, jobs.says, {"say": "retry"}), inside(Sentry(with_data=True)))

    assert events(sent) == []


def test_an_alarm_of_the_application_survives_a_limit() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with SoftLimit(30):
            pass
        signal.sigtimedwait([], 1) if rung else threading.Event().wait(1)

        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_exception_that_arrives_too_late_is_dropped() -> None:
    outcome: list[BaseException | None] = []

    def work() -> None:
        try:
            with SoftLimit(0.01):
                sum(range(3_000_000))
            sum(range(100_000))
        except SoftLimitError as error:
            outcome.append(error)
        else:
            outcome.append(None)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)

    assert len(outcome) == 1


def test_events_are_flushed_once_at_the_end_of_each_process(
    client: Client, sent: list[Envelope]
) -> None:
    del sent
    watch = Sentry()
    before = atexit._ncallbacks()
    for _ in range(2):
        perform(taken(client, jobs.gives, {"give": 1}), inside(watch))

    assert atexit._ncallbacks() == before + 1
