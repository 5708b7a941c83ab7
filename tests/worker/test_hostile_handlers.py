"""A misbehaving handler costs its own job at most, and no other."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client, JobFailedError
from tests.worker import handlers, hostile_handlers
from tests.worker.conftest import LinePipe, Start
from tests.worker.job_helpers import put, read, result, steps

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

MODULES = ["tests.worker.hostile_handlers", "tests.worker.handlers"]


@pytest.mark.parametrize(
    ("klass", "options"),
    [
        (hostile_handlers.misbehaves, {}),
        (hostile_handlers.misbehaves, {"isolation": "job"}),
        (hostile_handlers.misbehaves, {"concurrency": 2}),
        (hostile_handlers.misbehaves_async, {"concurrency": 2}),
    ],
)
def test_a_misbehaving_handler_costs_no_other_job_a_retry(
    live: Client, work: Start, tmp_path: Path, options: dict[str, Any], klass: Any
) -> None:
    live.config["max-crashes"] = 1
    kind = f"tests.worker.hostile_handlers.{klass.__name__}"
    worker = work(children=2, imports=MODULES, sandbox=str(tmp_path / "sandbox"), **options)

    def all_are_done(deeds: Sequence[str], others: int) -> None:
        """Put both kinds, and wait for the ends of all."""
        jids = {deed: put(live, klass, {"deed": deed}) for deed in deeds}
        doubled = [put(live, handlers.double, {"number": number}) for number in range(others)]
        assert [result(live, jid) for jid in doubled] == [2 * number for number in range(others)]
        for deed, jid in jids.items():
            if deed in hostile_handlers.HARMLESS:
                assert result(live, jid) is None
                continue
            with pytest.raises(JobFailedError):
                result(live, jid)
            group = "poison-pill" if deed in hostile_handlers.FATAL else f"{kind}:{deed}"
            assert read(live, jid).failure["group"] == group

    all_are_done([*hostile_handlers.RAISING, *hostile_handlers.HARMLESS], 10)
    # A child that dies takes all with it that runs in it.
    for deed in hostile_handlers.FATAL:
        all_are_done([deed], 0)
    all_are_done([], 10)

    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_signal_handlers_are_restored_for_the_next_job(
    live: Client, work: Start, reports: LinePipe
) -> None:
    work(imports=MODULES)
    result(live, put(live, hostile_handlers.misbehaves, {"deed": "signals"}))
    jid = put(live, handlers.stoppable, {"pipe": str(reports.path)})
    os.kill(int(reports.line()), signal.SIGHUP)  # As a terminal sends it to the whole group.

    live.cancel(jid)

    assert reports.line() == "lost"


@pytest.mark.parametrize(
    ("klass", "by"),
    [
        (handlers.forks, "raise"),
        (hostile_handlers.forks_async, "return"),
        (hostile_handlers.forks_while_others_write, "raise"),
        (hostile_handlers.Surrounded, "raise"),
    ],
)
def test_a_forked_copy_of_one_of_several_handlers_exits(
    live: Client, work: Start, tmp_path: Path, klass: Any, by: str
) -> None:
    book = tmp_path / "book"
    forking = put(live, klass, {"by": by, "book": str(book)})
    work(concurrency=2, imports=MODULES)

    assert result(live, forking)[1] == (by == "raise")
    assert steps(live, forking) == ["put", "popped", "done"]
    left = [forking] if klass is hostile_handlers.Surrounded else []
    assert (book.read_text().split() if book.exists() else []) == left


def test_a_task_that_stops_the_event_loop_stops_no_other_job(live: Client, work: Start) -> None:
    ending = put(live, hostile_handlers.ends_the_loop)
    work(concurrency=2, imports=MODULES)

    assert result(live, ending) is None
    assert result(live, put(live, handlers.asynchronous)) == 1


@pytest.mark.parametrize("options", [{}, {"isolation": "job"}])
def test_a_process_left_behind_by_a_job_delays_nothing(
    live: Client, work: Start, options: dict[str, Any]
) -> None:
    live.config["max-crashes"] = 1
    left = [put(live, hostile_handlers.leaves_a_process) for _ in range(2)]
    dying = put(live, hostile_handlers.leaves_a_process, {"dies": True})
    worker = work(imports=MODULES, max_jobs=2, **options)
    try:
        pids = {result(live, jid) for jid in left}
        with pytest.raises(JobFailedError, match="exit 1"):
            result(live, dying)
        assert result(live, put(live, handlers.double, {"number": 1})) == 2

        worker.signal(signal.SIGTERM)

        assert worker.wait() == 0
        assert pids < {one.pid for one in worker.session()}
    finally:
        for one in worker.session():
            one.kill()


def test_jobs_beyond_the_capacity_wait_and_lose_no_retry(live: Client, work: Start) -> None:
    # Those that run need no descriptor of their own, of which there are too few.
    jids = [put(live, hostile_handlers.naps) for _ in range(30)]
    few = ("sh", "-c", 'ulimit -n 34; exec "$@"', "sh")
    worker = work(few, isolation="job", concurrency=30, imports=MODULES)
    worker.wait_for_log("job cannot be started, releasing it")

    assert [result(live, jid) for jid in jids] == [None] * len(jids)
    assert all(read(live, jid).retries_left == 5 for jid in jids)
