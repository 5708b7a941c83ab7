"""Whatever a worker's options name is checked before the first job, and before a restart."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client, Dispatch
from qless_py.worker import WorkerOptions, preflight
from tests.eventually import eventually
from tests.worker import handlers
from tests.worker.conftest import Start
from tests.worker.job_helpers import put, result
from tests.worker.test_signals import CODE

pytestmark = [pytest.mark.fork, pytest.mark.any_server]

BROKEN = """
import contextlib

def make(name):
    raise LookupError(f"no setting {name}")

make("DATABASE_URL")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "code"
    path.mkdir()
    (path / "broken.py").write_text(BROKEN)
    (path / "leaving.py").write_text("import sys\nsys.exit('I am off')\n")
    (path / "shop").mkdir()
    (path / "shop" / "__init__.py").write_text("")
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imports": ["broken"]}, "--import broken: LookupError: no setting DATABASE_URL"),
        ({"imports": ["leaving"]}, "--import leaving: SystemExit: I am off"),
        ({"imports": ["shop.jobz"]}, "--import shop.jobz: ModuleNotFoundError: No module named"),
        ({"preload": True, "imports": ["broken"]}, "--import broken: LookupError"),
        ({"isolation": "job", "imports": ["broken"]}, "--import broken: LookupError"),
        ({"isolation": "none", "imports": ["broken"]}, "--import broken: LookupError"),
        ({"middleware": ["shop.Missing"]}, "--middleware shop.Missing: HandlerNotFoundError"),
    ],
)
def test_a_worker_does_not_start_with_what_cannot_be_imported(
    live: Client, work: Start, folder: Path, options: dict[str, Any], message: str
) -> None:
    jid = put(live, handlers.nothing)
    worker = work(path=[str(folder)], **options)

    assert worker.wait() == 1

    log = worker.log.read_text()
    assert log.count(f"cannot start: {message}") == 1
    assert ('make("DATABASE_URL")' in log) == ("broken" in message)
    assert "qless_py/worker" not in log
    assert live.workers.counts == []
    assert live.queues["work"].counts["waiting"] == 1
    assert live.jobs[jid] is not None


@pytest.mark.parametrize("isolation", ["child", "job", "none"])
def test_a_restart_with_code_that_cannot_be_imported_changes_nothing(
    live: Client, work: Start, tmp_path: Path, isolation: str
) -> None:
    code = tmp_path / "changing.py"
    code.write_text(CODE.format(version=1))
    worker = work(path=[str(tmp_path)], imports=["changing"], isolation=isolation)
    assert result(live, put(live, "changing.version")) == 1
    names = {row["name"] for row in live.workers.counts}
    code.write_text(BROKEN)

    worker.signal(signal.SIGHUP)
    worker.wait_for_log("new code does not start, continuing with the old")
    live.workers.restart()

    def failures() -> int:
        return worker.log.read_text().count("does not start, continuing with the old")

    eventually(lambda: failures() == 2)
    assert "--import changing: LookupError: no setting DATABASE_URL" in worker.log.read_text()
    assert result(live, put(live, "changing.version")) == 1
    assert {row["name"] for row in live.workers.counts} == names
    code.write_text(CODE.format(version=2))
    worker.signal(signal.SIGHUP)
    eventually(lambda: result(live, put(live, "changing.version")) == 2)


def test_a_changed_source_file_that_cannot_be_imported_replaces_no_child(
    live: Client, work: Start, tmp_path: Path
) -> None:
    code = tmp_path / "changing.py"
    code.write_text(CODE.format(version=1))
    worker = work(path=[str(tmp_path)], imports=["changing"], watch=True)
    assert result(live, put(live, "changing.version")) == 1

    code.write_text(BROKEN)
    worker.wait_for_log("new code does not start, continuing with the old")
    assert result(live, put(live, "changing.version")) == 1

    code.write_text(CODE.format(version=22))
    eventually(lambda: result(live, put(live, "changing.version")) == 22)


class NeedsMore:
    def __init__(self, job: object, threshold: float) -> None: ...


class NoContext:
    def __init__(self, job: object) -> None: ...


def on_both(one: object, other: object) -> None: ...


@pytest.mark.parametrize(
    ("middleware", "message"),
    [
        (NeedsMore, "missing a required argument: 'threshold'"),
        (NoContext, "without __enter__"),
        (on_both, "missing a required argument: 'other'"),
        (5, "not callable"),
        ("tests.worker.test_preflight.NeedsMore", "threshold"),
        ("tests.worker.test_preflight.Nothing", "has no attribute Nothing"),
    ],
)
def test_middleware_that_cannot_be_entered_is_found(
    caplog: pytest.LogCaptureFixture, middleware: Any, message: str
) -> None:
    options = WorkerOptions(queues=["a"], middleware=[middleware])

    assert not preflight.passes(preflight.checks_of(options))

    assert message in caplog.text


@pytest.mark.parametrize(
    ("to", "queues", "message"),
    [
        ("tests.worker.handlers.missing", ["a"], "route x: cannot import"),
        ("tests.nowhere.missing", ["a"], "route x: cannot import"),
        (NoContext, ["a", "b"], "has no method b, perform or process"),
        (NoContext, ["a*"], ""),
        ("tests.worker.handlers.nothing", ["a"], ""),
        (Dispatch().route("y", "tests.nowhere.missing"), ["a"], "route x: route y: cannot import"),
    ],
)
def test_routes_that_lead_nowhere_are_found(
    caplog: pytest.LogCaptureFixture, to: Any, queues: list[str], message: str
) -> None:
    options = WorkerOptions(queues=queues, performer=Dispatch().route("x", to))

    assert preflight.passes(preflight.checks_of(options)) == (not message)

    assert message in caplog.text


def test_checks_of_the_application_are_run_last(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise OSError("no key SHOP_KEY in the environment")

    check = preflight.Check("--app shop:app", fails)
    options = WorkerOptions(queues=["a"], imports=["json"], checks=[check])

    assert not preflight.passes(preflight.checks_of(options))

    assert "--app shop:app: OSError: no key SHOP_KEY in the environment" in caplog.text
