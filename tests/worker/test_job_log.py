"""A worker's log: starts, ends, failures, retries and crashes name their job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client, JobFailedError
from tests.eventually import eventually
from tests.worker import handlers, log_handlers
from tests.worker.conftest import Running, Start
from tests.worker.job_helpers import put, result

pytestmark = [pytest.mark.fork, pytest.mark.any_server]


@pytest.fixture
def start(start: Start) -> Start:
    """Start a worker that may also run the handlers of these tests."""
    return lambda *words: start("--import", "tests.worker.log_handlers", *words)


def lines(worker: Running) -> list[dict[str, Any]]:
    """Return the lines of a log; each must be a JSON object."""
    return [json.loads(line) for line in worker.log.read_text().splitlines()]


def about(worker: Running, jid: str, message: str) -> dict[str, Any]:
    """Wait for a line about a job and return it."""

    def found() -> dict[str, Any] | None:
        text = worker.log.read_text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        rows = [json.loads(line) for line in whole]
        return next((row for row in rows if (row["jid"], row["message"]) == (jid, message)), None)

    line = eventually(found, lambda: f"no {message!r} of {jid}:\n{worker.log.read_text()}")
    assert line is not None
    return line


@pytest.mark.parametrize(
    "words", [[], ["-c", "2"], ["--isolation", "job"], ["--isolation", "none"]]
)
def test_each_start_and_end_names_the_job(live: Client, start: Start, words: list[str]) -> None:
    jid = put(live, handlers.double, {"number": 3})
    failing = put(live, log_handlers.fails)
    worker = start("--log-format", "json", *words)
    assert result(live, jid) == 6
    with pytest.raises(JobFailedError):
        result(live, failing)

    begun = about(worker, jid, "job started")
    ended = about(worker, jid, "job completed")
    failed = about(worker, failing, "job failed")

    (name,) = [row["name"] for row in live.workers.counts]
    for line in (begun, ended):
        assert (line["queue"], line["klass"]) == ("work", "tests.worker.handlers.double")
        assert (line["worker"], line["attempt"], line["level"]) == (name, 1, "info")
        assert line["wait"] >= 0
    assert ended["outcome"] == "completed"
    assert ended["run"] >= 0
    assert (failed["level"], failed["outcome"]) == ("error", "failed")
    assert failed["group"] == "tests.worker.log_handlers.fails:ValueError"
    assert failed["error"].startswith("Traceback")
    assert failed["error"].count("Traceback") == 1
    assert sum(row["message"] == "job failed" for row in lines(worker)) == 1


def test_a_retry_says_why_and_when(live: Client, start: Start) -> None:
    jid = put(live, log_handlers.retries)
    worker = start("--log-format", "json", "--quiet")

    line = about(worker, jid, "job retried")

    assert (line["level"], line["outcome"], line["delay"]) == ("warning", "retried", 3600)
    assert line["reason"].startswith("ValueError")


@pytest.mark.parametrize("isolation", ["child", "job"])
def test_crashes_and_their_end_name_the_job(live: Client, start: Start, isolation: str) -> None:
    live.config["max-crashes"] = 2
    jid = put(live, handlers.dies)
    worker = start("--log-format", "json", "--isolation", isolation)

    line = about(worker, jid, "job failed after crashes")
    crash = about(worker, jid, "job crashed")

    assert (line["level"], line["queue"]) == ("error", "work")
    assert (crash["level"], crash["klass"]) == ("warning", "tests.worker.handlers.dies")
    assert crash["cause"] == "exit 7"
    assert crash["worker"] == line["worker"]
    assert lines(worker)


@pytest.mark.parametrize(
    ("words", "level"),
    [(["--quiet"], None), (["--job-log", "off"], None), (["--log-level", "debug"], "info")],
)
def test_lines_about_jobs_that_went_well_can_be_switched_off(
    live: Client, start: Start, words: list[str], level: str | None
) -> None:
    worker = start("--log-format", "json", "--burst", *words)
    jids = [put(live, handlers.nothing) for _ in range(3)]
    for jid in jids:
        result(live, jid)
    assert worker.wait() == 0

    rows = lines(worker)
    found = [row for row in rows if row["jid"] == jids[0]]
    assert {row["level"] for row in found} == ({level} if level else set())
    debug = [row["message"] for row in rows if row["level"] == "debug"]
    assert any("heartbeats sent" in one for one in debug) == bool(level)
    assert any("jobs popped" in one for one in debug) == bool(level)


def test_a_huge_failure_is_one_bounded_entry(live: Client, start: Start) -> None:
    jid = put(live, log_handlers.fails_hugely)
    worker = start("--burst")
    with pytest.raises(JobFailedError):
        result(live, jid)
    assert worker.wait() == 0

    text = worker.log.read_text()
    assert len(text) < 100_000
    assert re.search(rf"ERROR \d+ qless_py\.jobs job failed jid={jid} queue=work ", text)


def test_the_application_cannot_silence_the_worker(live: Client, start: Start) -> None:
    jid = put(live, log_handlers.configures_logging)
    worker = start("--log-format", "json")
    result(live, jid)
    after = put(live, log_handlers.fails)

    assert about(worker, after, "job failed")["queue"] == "work"
    assert about(worker, after, "job started")["logger"] == "qless_py.jobs"


def test_nothing_in_another_format_is_on_the_stream(live: Client, start: Start) -> None:
    jid = put(live, log_handlers.warns)
    worker = start("--log-format", "json")
    result(live, jid)

    text = eventually(lambda: "in the thread" in worker.log.read_text() and worker.log.read_text())

    assert text
    rows = lines(worker)
    assert any("careful" in row["message"] for row in rows)
    assert any("in the thread" in row.get("error", "") for row in rows)
    assert any(row["message"].startswith("Store: ") for row in rows)


def test_children_that_exit_are_logged(live: Client, start: Start) -> None:
    put(live, handlers.nothing)
    worker = start("--log-format", "json", "--burst")
    assert worker.wait() == 0

    rows = [row for row in lines(worker) if row["message"].startswith("child ")]
    started = sorted(row["child_pid"] for row in rows if row["message"] == "child started")
    ended = [row for row in rows if row["message"] == "child ended"]
    assert sorted(row["child_pid"] for row in ended) == started != []
    assert {(row["level"], row["cause"]) for row in ended} == {("info", "exit 0")}


def test_a_failure_that_the_handler_has_reported_is_an_error(live: Client, start: Start) -> None:
    jid = put(live, log_handlers.fails_itself)
    worker = start("--log-format", "json", "--quiet")

    assert about(worker, jid, "job failed by its handler")["level"] == "error"


def test_a_log_file_takes_any_text(live: Client, start: Start, tmp_path: Path) -> None:
    jid = put(live, log_handlers.logs_a_surrogate)
    worker = start("--burst", "--log-format", "json", "--log-file", str(tmp_path / "log"))
    result(live, jid)
    assert worker.wait() == 0

    rows = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [row["message"] for row in rows if row["logger"] == "shop"] == ["file \udcff.txt"]
    assert worker.log.read_text() == ""
