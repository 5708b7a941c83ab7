"""Errors of the command line are one line on stderr, never a traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import qless_py
from qless_py import Client
from tests import servers
from tests.cli.conftest import Program

ROOT = Path(qless_py.__file__).parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qless_py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_version_is_that_of_the_package() -> None:
    ended = run("--version")

    assert ended.returncode == 0
    assert qless_py.__version__ in ended.stdout


@pytest.mark.parametrize("group", ["failed", "job", "queue", "recur"])
def test_a_group_without_a_command_shows_its_help(program: Program, group: str) -> None:
    ended = program(group, code=2)

    assert ended.stderr.startswith(f"Usage: qless-py {group} [OPTIONS] COMMAND")
    assert "\nCommands:\n" in ended.stderr
    (line,) = program("--json", group, code=2).stderr.splitlines()
    assert json.loads(line)["error"] == "USAGE"


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("explain", "`qless-py job explain`"),
        ("pause", "`qless-py queue pause`"),
        ("jbos", "'jobs'"),
    ],
)
def test_an_unknown_command_suggests_one(program: Program, word: str, suggestion: str) -> None:
    ended = program(word, code=2)

    assert f"unknown command '{word}': did you mean {suggestion}" in ended.stderr


@pytest.mark.parametrize("closed", [">&-", ">&- <&-", ">&- 2>&- <&-"])
def test_closed_streams_do_no_harm(server: servers.Server, live: Client, closed: str) -> None:
    live.queues["mail"].put("a.b")
    command = f"exec {sys.executable} -m qless_py queues --url {server.url} {closed}"

    ended = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_without_a_command_the_help_is_shown() -> None:
    ended = run()

    assert ended.returncode == 0
    assert "work" in ended.stdout
    assert "demo" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["unknown"], "unknown"),
        (["work"], "--queue"),
        (["work", "-q", "mail"], "--import"),
        (["work", "-q", "no name", "--import", "tests"], "no name"),
        (["work", "-q", "mail", "--import", "no_such_module"], "no_such_module"),
        (["work", "-q", "mail", "--import", "not a name"], "not a name"),
        (["work", "-q", "mail", "--import", "tests", "-n", "0"], "0"),
        (["work", "-q", "mail", "--import", "tests", "--grace", "-1"], "-1"),
        (["work", "-q", "mail", "--import", "tests", "--namespace", "a b"], "a b"),
        (["demo", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_usage_errors_are_one_line(program: Program, arguments: list[str], word: str) -> None:
    ended = program(*arguments, code=2)

    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    assert word in ended.stderr


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("unix:///no/such/socket", "/no/such/socket"),
        ("redis://127.0.0.1:1/0", "127.0.0.1:1"),
        ("gopher://somewhere", "gopher"),
        ("embedded:///proc/nowhere", "/proc/nowhere"),
    ],
)
def test_an_unusable_store_is_reported_in_one_line(url: str, word: str) -> None:
    ended = run("work", "-q", "mail", "--import", "tests", "--quiet", "--burst", "--url", url)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    assert word in ended.stderr


def test_a_password_is_never_shown() -> None:
    url = "redis://:secret@127.0.0.1:1/0"
    ended = run("work", "-q", "mail", "--import", "tests", "--burst", "--url", url)

    assert ended.returncode == 1
    assert "secret" not in ended.stdout + ended.stderr


@pytest.mark.fork
def test_the_store_may_be_named_by_the_environment(live: Client, server: servers.Server) -> None:
    live.queues["mail"].put("tests.worker.handlers.nothing", jid="one")

    ended = run(
        "work", "-q", "mail", "--import", "tests.worker", "--burst", QLESS_PY_URL=server.url
    )

    assert ended.returncode == 0
    assert "Store: unix://" in ended.stderr
    assert live.jobs.complete() == ["one"]


@pytest.mark.fork
def test_the_embedded_store_is_named_with_the_way_to_another(tmp_path: Path) -> None:
    ended = run(
        *("work", "-q", "mail", "--import", "tests", "--burst"),
        QLESS_PY_URL="",
        REDIS_URL="",
        XDG_DATA_HOME=str(tmp_path),
    )

    assert ended.returncode == 0
    first = ended.stderr.splitlines()[0]
    assert str(tmp_path) in first
    assert "--url" in first


@pytest.mark.fork
def test_an_interrupted_demo_leaves_without_a_traceback(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-u", "-m", "qless_py", "demo", "--store", str(tmp_path / "store")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    while "jobs" not in demo.stdout.readline():
        pass

    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=50)

    assert demo.returncode == 130
    assert "Traceback" not in errors
