"""Resolving the klass of a job: classes in files, and routes."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from qless_py import BadArgumentError, Client, HandlerNotFoundError, ImmediateStop, Job
from qless_py.handlers.programs import Command, Dispatch, FileClass
from qless_py.testing import HandlerOptions, perform
from tests.handlers import jobs

RUN = """
    import threading

    class Run:
        killed = []

        def __init__(self, task):
            self.task = task
            self.released = threading.Event()

        def run(self):
            how = self.task.data["how"]
            if how == "fail":
                raise ValueError("no")
            if how == "stop":
                from qless_py import ImmediateStop
                raise ImmediateStop
            if how == "wait":
                assert self.released.wait(30)
                self.released.clear()
                assert self.released.wait(30)
            return f"ran {self.task.jid}"

        def kill(self):
            self.killed.append(self.task.jid)
            self.released.set()
            raise RuntimeError("kill broke")

    class Other:
        def __init__(self, task):
            pass

        def run(self):
            return "other"

    class NoRun:
        pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "myrun.py"
    path.write_text(textwrap.dedent(RUN))
    return path


def taken(client: Client, data: Any = None, klass: Any = "any.Klass", queue: str = "q") -> Job:
    client.queues[queue].put(klass, data, jid="j")
    job = client.queues[queue].pop()
    assert job is not None
    return job


def by(performer: Any) -> HandlerOptions:
    return HandlerOptions(performer=performer)


def test_a_class_in_a_file_is_made_for_each_job_and_run(client: Client, file: Path) -> None:
    assert perform(taken(client, {"how": "well"}), by(FileClass(file))) == "ran j"
    assert perform(taken(client), by(FileClass.named(f"{file}:Other"))) == "other"

    with pytest.raises(ValueError, match="no"):
        perform(taken(client, {"how": "fail"}), by(FileClass.named(str(file))))

    assert list(client.jobs.failed()) == ["any.Klass:ValueError"]


def test_stop_is_called_and_repeated(client: Client, file: Path) -> None:
    performer = FileClass(file, kill_timeout=0.05, kill_interval=0.05)

    assert perform(taken(client, {"how": "wait"}), by(performer)) == "ran j"

    assert len(performer.loaded.killed) >= 2


def test_reset_is_called_when_its_job_is_released(client: Client, file: Path) -> None:
    performer = FileClass(file)

    with pytest.raises(ImmediateStop):
        perform(taken(client, {"how": "stop"}), by(performer))

    assert performer.loaded.killed == ["j"]


@pytest.mark.parametrize("name", ["Missing", "NoRun", "threading"])
def test_a_file_without_such_a_class_is_rejected(client: Client, file: Path, name: str) -> None:
    with pytest.raises(HandlerNotFoundError, match=f"no class {name} with a method run"):
        perform(taken(client), by(FileClass(file, name)))


def test_a_file_that_is_none_is_rejected_at_once(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("class Run: pass\ndef")
    for wrong in (tmp_path / "missing.py", broken, tmp_path):
        with pytest.raises(HandlerNotFoundError):
            FileClass(wrong)


def test_a_file_is_run_only_where_its_jobs_run(tmp_path: Path) -> None:
    file = tmp_path / "loud.py"
    file.write_text("class Run: pass\nraise SystemExit('run too early')")

    performer = FileClass(file)

    with pytest.raises(SystemExit, match="too early"):
        _ = performer.loaded


def test_routes_lead_by_exact_name_first_and_then_by_expression(client: Client) -> None:
    dispatch = (
        Dispatch()
        .route(re.compile("^type"), "tests.handlers.jobs.Pipeline")
        .route(re.compile("1"), Command(["echo"]))
        .route("type1", jobs.gives)
    )

    results = [
        perform(taken(client, {"give": klass}, klass, "first"), by(dispatch))
        for klass in ("type1", "type2", "1st")
    ]

    assert results == ["type1", "static", "j\n"]


def test_a_job_that_no_route_leads_to_fails(client: Client) -> None:
    with pytest.raises(HandlerNotFoundError, match=r"no route matches any\.Klass"):
        perform(taken(client), by(Dispatch().route("other", jobs.gives)))

    assert list(client.jobs.failed()) == ["any.Klass:HandlerNotFoundError"]


def test_middleware_and_policies_of_a_routed_class_hold(client: Client) -> None:
    perform(taken(client, {"kind": "os"}), by(Dispatch().route("any.Klass", jobs.Patient)))

    job = client.jobs["j"]
    assert isinstance(job, Job)
    assert job.state == "scheduled"


@pytest.mark.parametrize(("klass", "to"), [("a\nb", jobs.gives), ("a", 5), ("a", None)])
def test_what_is_no_route_is_rejected(klass: str, to: Any) -> None:
    with pytest.raises(BadArgumentError):
        Dispatch().route(klass, to)
