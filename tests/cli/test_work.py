"""How `work` turns flags, variables and the settings file into worker options."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from qless_py import worker
from qless_py.handlers.programs import Command, Dispatch, FileClass
from qless_py.protocol.reservers import OrderedReserver
from tests.cli.conftest import Program

MODULE = """\
import re
from qless_py.handlers.programs import Dispatch
from qless_py.protocol.reservers import OrderedReserver

class Mine(OrderedReserver):
    pass

routes = Dispatch().route(re.compile("^x"), "app.handle")

class Send:
    def __init__(self, job): pass
    def run(self): pass
"""


@pytest.fixture
def options(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the options with which `work` would start a worker."""
    (tmp_path / "cli_app.py").write_text(MODULE)
    seen: list[worker.WorkerOptions] = []

    class Noting:
        def __init__(self, given: worker.WorkerOptions) -> None:
            seen.append(given)

        def run(self, *_opened: object) -> int:
            return 0

    def run(*words: str, **environment: str) -> worker.WorkerOptions:
        program("work", *words, code=0, stdin=None, **environment)
        return seen.pop()

    monkeypatch.setattr(worker, "Worker", Noting)
    monkeypatch.setattr("qless_py.handlers.logs.configure", lambda *_, **__: None)
    monkeypatch.syspath_prepend(tmp_path)
    return run


def test_each_flag_reaches_the_worker(options: Any) -> None:
    made = options(
        *("-q", "a", "-q", "mail-*", "-q", "!mail-slow", "--import", "cli_app", "--allow-any"),
        *("-n", "3", "-c", "4", "--isolation", "job", "--reserver", "weighted"),
        *("--weight", "a=2.5", "--interval", "5", "--grace", "7", "-b", "--batch", "9"),
        *("--max-jobs", "100", "--max-memory", "200M", "--max-age", "1h", "--soft-limit", "1m"),
        *("--hard-limit", "2m", "--kill-interval", "3", "--frozen-limit", "90", "--preload"),
        *("--watch", "--sandbox", "/tmp/s", "--middleware", "cli_app.Mine", "--probe", "8080"),
        *("--pidfile", "pid", "--namespace", "other", "--name", "shop", "--job-log", "off"),
        *("--restart-grace", "9"),
    )

    assert (made.queues, made.imports) == (("a", "mail-*", "!mail-slow"), ("cli_app",))
    assert made.allow_any
    assert (made.children, made.concurrency, made.isolation) == (3, 4, "job")
    assert (made.reserver, made.weights) == ("weighted", {"a": 2.5})
    assert (made.interval, made.grace, made.burst, made.batch) == (5, 7, True, 9)
    assert (made.max_jobs, made.max_memory, made.max_age) == (100, 200 * 2**20, 3600)
    assert (made.soft_limit, made.hard_limit, made.kill_interval) == (60, 120, 3)
    assert (made.frozen_limit, made.preload, made.watch) == (90, True, True)
    assert (made.sandbox, made.middleware, made.probe) == ("/tmp/s", ("cli_app.Mine",), "8080")
    assert (str(made.pidfile), made.namespace) == ("pid", "other")
    assert (made.name, made.job_log, made.restart_grace) == ("shop", "off", 9)


def test_without_flags_the_worker_has_its_own_defaults(options: Any) -> None:
    made = options("-q", "a", "--import", "cli_app")
    plain = worker.WorkerOptions(queues=("a",), imports=("cli_app",), url=made.url)

    assert made == plain
    assert options("-q", "a", "--import", "cli_app", "--hard-limit", "0").hard_limit is None


@pytest.mark.parametrize(
    ("variables", "name", "expected"),
    [
        ({"QUEUES": "fizz,buzz"}, "queues", ("fizz", "buzz")),
        ({"QUEUE": "fizz"}, "queues", ("fizz",)),
        ({"QUEUES": "a", "QUEUE": "b"}, "queues", ("a",)),
        ({"QUEUES": "a", "QLESS_PY_QUEUES": "c, d"}, "queues", ("c", "d")),
        ({"INTERVAL": "10"}, "interval", 10),
        ({"INTERVAL": "10", "QLESS_PY_WORK_INTERVAL": "3"}, "interval", 3),
        ({"JOB_RESERVER": "Ordered"}, "reserver", "ordered"),
        ({"JOB_RESERVER": "RoundRobin"}, "reserver", "round-robin"),
        ({"JOB_RESERVER": "ShuffledRoundRobin"}, "reserver", "shuffled"),
        ({"RUN_AS_SINGLE_PROCESS": "1"}, "isolation", "none"),
        ({"RUN_AS_SINGLE_PROCESS": "0"}, "isolation", "child"),
        ({"RUN_AS_SINGLE_PROCESS": "1", "QLESS_PY_WORK_ISOLATION": "job"}, "isolation", "job"),
        ({"QLESS_PY_WORK_MAX_JOBS": "5"}, "max_jobs", 5),
        ({"QLESS_PY_WORK_BURST": "1"}, "burst", True),
    ],
)
def test_environment_variables_are_used(
    options: Any, variables: dict[str, str], name: str, expected: object
) -> None:
    variables = {"QUEUES": "a", "QLESS_PY_WORK_ALLOW_ANY": "1"} | variables
    if set(variables) & {"QUEUE"} and variables["QUEUES"] == "a" and expected == ("fizz",):
        del variables["QUEUES"]

    assert getattr(options(**variables), name) == expected


def test_words_after_a_double_dash_reach_the_file_of_run(options: Any, tmp_path: Path) -> None:
    (tmp_path / "sends.py").write_text(
        "import sys\nwords = sys.argv[1:]\nclass Run:\n"
        "    def __init__(self, job): pass\n    def run(self): return words\n"
    )
    before = list(sys.argv)
    try:
        made = options("-q", "a", "--run", str(tmp_path / "sends.py"), "--", "--fast", "a b")
        assert made.performer.run(None) == ["--fast", "a b"]
    finally:
        sys.argv[:] = before


def test_configure_writes_the_words_after_a_double_dash(
    program: Program, options: Any, tmp_path: Path
) -> None:
    file = tmp_path / "written.toml"
    words = ("work", "-q", "a", "--exec", "cat", "--configure", str(file), "--", "--fast", "a b")
    program(*words, code=0, stdin=None)

    assert tomllib.loads(file.read_text())["work"]["argument"] == ["--fast", "a b"]
    made = options(QLESS_PY_CONFIG=str(file))
    assert made.performer._argv == ("cat", "--fast", "a b")
    made = options("--", "other", QLESS_PY_CONFIG=str(file))
    assert made.performer._argv == ("cat", "other")


@pytest.mark.parametrize(
    ("variables", "words", "level"),
    [
        ({}, [], "info"),
        ({"VERBOSE": "1"}, [], "info"),
        ({"VVERBOSE": "1"}, [], "debug"),
        ({"VVERBOSE": "1"}, ["--log-level", "quiet"], "quiet"),
        ({"VVERBOSE": "1"}, ["--quiet"], "quiet"),
        ({"VVERBOSE": "1", "QLESS_PY_WORK_LOG_LEVEL": "info"}, [], "info"),
    ],
)
def test_how_much_is_logged(
    options: Any,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: list[str],
    level: str,
) -> None:
    seen: list[tuple[Any, ...]] = []
    monkeypatch.setattr("qless_py.handlers.logs.configure", lambda *given, **_: seen.append(given))
    into = ("--log-format", "json", "--log-file", "log")

    options("-q", "a", "--allow-any", *into, *words, **variables)

    assert seen == [({"quiet": 30, "info": 20, "debug": 10}[level], "json", "log")]


def test_the_settings_file_supplies_defaults(options: Any, tmp_path: Path) -> None:
    (tmp_path / "qless-py.toml").write_text(
        '[work]\nqueues = ["a", "b"]\nimport = "cli_app"\nmax-memory = "1G"\nisolation = "job"\n'
    )

    made = options()
    assert (made.queues, made.imports) == (("a", "b"), ("cli_app",))
    assert (made.max_memory, made.isolation) == (2**30, "job")
    assert options("-q", "c").queues == ("c",)
    assert options(QUEUES="d").queues == ("d",)
    assert options(RUN_AS_SINGLE_PROCESS="1").isolation == "none"


def test_configure_writes_a_file_that_makes_the_same_worker(
    program: Program, options: Any, tmp_path: Path
) -> None:
    words = (
        *("-q", "a", "-q", "b", "--import", "cli_app", "--grace", "9", "--max-memory", "100M"),
        *("--weight", "a=2", "--reserver", "weighted", "--burst"),
    )

    program("work", *words, "--configure", "mine.toml")
    written = tomllib.loads((tmp_path / "mine.toml").read_text())

    assert written["work"]["queue"] == ["a", "b"]
    assert "interval" not in written["work"]
    assert options("--config", "mine.toml", QLESS_PY_URL="") == options(*words)
    program("config", "check", "--config", "mine.toml")


def test_programs_classes_and_routes_stand_in_for_handlers(options: Any, tmp_path: Path) -> None:
    command = options("-q", "a", "--exec", "cat -n", "--retry-wait", "5", "--", "-", "more")
    shell = options("-q", "a", "--exec", "cat | wc", "--shell", "--kill-timeout", "1m")
    run = options("-q", "a", "--run", f"{tmp_path}/cli_app.py:Send", "--kill-timeout", "1m")
    routes = options("-q", "a", "--dispatch", "cli_app:routes")
    own = options("-q", "a", "--allow-any", "--reserver", "cli_app:Mine")

    assert isinstance(command.performer, Command)
    assert command.performer._argv == ("cat", "-n", "-", "more")
    assert isinstance(shell.performer, Command)
    assert isinstance(run.performer, FileClass)
    assert isinstance(routes.performer, Dispatch)
    assert isinstance(own.reserver, OrderedReserver)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--import", "tests"], "--queue"),
        (["-q", "a"], "--import"),
        (["-q", "a b", "--allow-any"], "a b"),
        (["-q", "a", "--exec", "cat", "--run", "x.py"], "--exec and --run"),
        (["-q", "a", "--import", "tests", "more"], "more"),
        (["-q", "a", "--import", "tests", "--retry-wait", "1"], "--retry-wait needs --exec"),
        (["-q", "a", "--run", "x.py", "--retry-wait", "1"], "--retry-wait needs --exec"),
        (["-q", "a", "--run", "x.py", "--expire", "1"], "--expire needs --exec"),
        (["-q", "a", "--run", "x.py", "--shell"], "--shell needs --exec"),
        (["-q", "a", "--dispatch", "json:x", "--retry-wait", "1"], "--retry-wait needs --exec"),
        (["-q", "a", "--dispatch", "json:x", "--kill-timeout", "1"], "needs --exec or --run"),
        (["-q", "a", "--exec", "'"], "quotation"),
        (["-q", "a", "--exec", "no-such-program --fast"], "program 'no-such-program' not found"),
        (["-q", "a", "--run", "no/such/file.py"], "no/such/file.py"),
        (["-q", "a", "--dispatch", "no_such_module:x"], "no_such_module"),
        (["-q", "a", "--dispatch", "json:x"], "json:x"),
        (["-q", "a", "--allow-any", "--reserver", "shufled"], "did you mean 'shuffled'?"),
        (["-q", "a", "--allow-any", "--reserver", "json:JSONDecodeError"], "json:JSONDecodeError"),
        (["-q", "a", "--allow-any", "--max-memory", "much"], "much"),
        (["-q", "a", "--allow-any", "--weight", "a"], "QUEUE=NUMBER"),
        (["-q", "a", "--allow-any", "--weight", "b=1", "--reserver", "weighted"], "b"),
        (["-q", "a", "--allow-any", "--max-age", "0"], "max_age"),
        (["-q", "a", "--allow-any", "-c", "101"], "101"),
    ],
)
def test_invalid_worker_options_are_rejected(
    program: Program, words: list[str], message: str
) -> None:
    ended = program("work", *words, code=2)

    assert message in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("Error: ")
