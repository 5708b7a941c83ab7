"""Invalid arguments, hostile data in the store, and servers that are no store."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from qless_py import Client, protocol
from qless_py.cli.errors import exit_code
from qless_py.client.humanize import local_time
from tests import servers
from tests.cli.conftest import Program
from tests.cli.test_conventions import on_a_terminal
from tests.cli.test_jobs import fill

EVIL = "\x1b]0;title\x07\x1b[31m\x9b2J\u202e\x08é"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.mark.parametrize(
    "words",
    [
        ["put", "mail", "app.Send", "--delay", "nan"],
        ["put", "mail", "app.Send", "--delay", "-1"],
        ["put", "mail", "app.Send", "--delay", "9" * 400],
        ["put", "mail", "app.Send", "--delay", "99999d"],
        ["put", "mail", "app.Send", "--at", "inf"],
        ["put", "mail", "app.Send", "--at", "+" + "9" * 30 + "d"],
        ["put", "mail", "app.Send", "--expires", "nan"],
        ["put", "mail", "app.Send", "--expires", "1e400"],
        ["put", "mail", "app.Send", "--expires", "253402300800"],
        ["put", "mail", "app.Send", "--priority", "inf"],
        ["put", "mail", "app.Send", "--retries", "9" * 30],
        ["put", "mail", "app.Send", "--throttle", "a=nan"],
        ["put", "mail", "app.Send", "[" * 100_000],
        ["put", "mail", "", "--jid", "one"],
        ["put", "", "app.Send"],
        ["put", "mail", "app.\udcff"],
        ["jobs", "--count", "-1"],
        ["config", "set", "heartbeat", "\udcff"],
        ["config", "set", "heartbeat", "nan"],
        ["queue", "set", "mail", "heartbeat=" + "9" * 400],
        ["failed", "retry", "g", "--yes", "--limit", "9" * 30],
        ["job", "priority", "one", "--to", "nan"],
        ["job", "show", ""],
        ["workers", "check", "1" * 5000],
        ["workers", "check", "9", "--timeout", "9" * 30],
        ["simulate", "--rate", "nan"],
        ["simulate", "--for", "inf"],
        ["throttles", "block", "api", "1e999"],
        ["throttles", "set", "api", "--rate", "nan"],
        ["users", "set", "ann", "--weight", "-1"],
        ["queues", "--namespace", "a{b}"],
    ],
    ids=lambda words: " ".join(words)[:50].encode("ascii", "replace").decode(),
)
def test_invalid_values_are_usage_errors_in_one_line(
    program: Program, live: Client, words: list[str]
) -> None:
    ended = program(*words, code=2)

    assert (ended.stdout, ended.stderr.count("\n")) == ("", 1)
    assert live.queues.counts == []


def test_jobs_of_the_far_future_and_of_any_depth_can_be_shown(
    program: Program, live: Client
) -> None:
    live.queues["mail"].put("app.Send", jid="far", delay=3.1e9)
    live.queues["mail"].put("app.Send", b"[" * 900 + b"]" * 900, jid="deep")

    assert re.search(r"due +21\d\d-", program("job", "show", "far").stdout)
    assert local_time(1e18) == "1000000000000000000"
    result = {one["jid"]: one for one in program.json("jobs")["jobs"]}
    assert (result["deep"]["data"], set(result)) == (None, {"far", "deep"})
    assert "too deeply" in result["deep"]["data_error"]
    assert "too deeply" in program("job", "show", "deep").stdout


@pytest.fixture
def evil(live: Client) -> Client:
    """Return a namespace in which whatever may hold any text steers a terminal."""
    queue = live.queues["mail"]
    queue.put("app.Send", {"to" + EVIL: EVIL}, jid="one")
    job = queue.pop(worker="me")
    assert job is not None
    job.log("note", {"x" + EVIL: EVIL})
    info = {"host": EVIL, "queues": [EVIL], EVIL: EVIL, "pid": EVIL}
    live.run(protocol.workers.beat("me", json.dumps(info).encode()))
    job.fail("app.Send:é", EVIL)
    queue.recur("app.Send", EVIL, 60, jid="tick")
    queue.pause(EVIL)
    return live


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["plain", "json"])
@pytest.mark.parametrize(
    "words",
    [
        ["jobs"], ["job", "show", "one"], ["job", "log", "one"], ["job", "explain", "one"],
        ["failed", "list", "app.Send:é"], ["failed", "groups"], ["queues"],
        ["queue", "show", "mail"], ["workers", "list"], ["workers", "show", "me"],
        ["recur", "list"], ["job", "show", "tick"], ["job", "show", EVIL],
        ["put", "mail", "app.Send", EVIL], ["listen", "--event", EVIL], ["recur", "sync", EVIL],
    ],
    ids=lambda words: " ".join(words[:2]),
)  # fmt: skip
def test_no_value_controls_the_terminal(
    program: Program, evil: Client, words: list[str], more: list[str]
) -> None:
    del evil
    ended = program(*words, *more, code=None)

    assert STEERING.search(ended.stdout + ended.stderr) is None
    assert ended.output


def test_a_narrow_terminal_shows_every_column_that_says_something(
    evil: Client, server: servers.Server
) -> None:
    evil.run(protocol.workers.beat("me", json.dumps({"host": EVIL, "busy": 1, "rss": 5}).encode()))

    shown = on_a_terminal(server.url, "workers", "list", COLUMNS="20", NO_COLOR="1")

    head = [re.sub(r"\x1b\[\d*m", "", line).split() for line in shown.splitlines()[:2]]
    assert {*head[0], *head[1]} >= {"worker", "host", "busy", "rss", "last", "seen"}
    assert not {*head[0], *head[1]} & {"pid", "stalled", "stal", "slots"}
    assert "\x1b]0" not in shown
    assert "\x9b" not in shown


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["jobs", "--json"], {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
        (["put", "mail", "app.Send", "-"], {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
    ],
)
def test_any_letters_can_be_read_and_written_in_any_locale(
    live: Client, server: servers.Server, words: list[str], environment: dict[str, str]
) -> None:
    live.queues["mail"].put("app.Send", {"to": "é☃"}, jid="one")

    ended = subprocess.run(
        [sys.executable, "-m", "qless_py", *words],
        env={**os.environ, "QLESS_PY_URL": server.url, **environment},
        input='"é☃"'.encode(),
        capture_output=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    if "--json" in words:
        assert json.loads(ended.stdout)["jobs"][0]["data"] == {"to": "é☃"}
    elif "put" in words:
        assert live.queues["mail"].peek(2)[1].data == "é☃"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("jobs --count 1000 | head -1 >/dev/null; exit ${PIPESTATUS[0]}", None, ""),
        ("queues > /dev/full", 1, "Error: [Errno 28] No space left on device\n"),
        ("queues --json > /dev/full 2> /dev/full", 1, ""),
    ],
)
def test_a_closed_pipe_or_full_disk_is_reported_without_traceback(
    live: Client, server: servers.Server, command: str, code: int | None, message: str
) -> None:
    for _ in range(10):
        live.queues["mail"].put_many([{"klass": "app.Send", "data": "x" * 60}] * 100)

    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m qless_py --url {server.url} {command}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stderr == message
    assert ended.returncode == code if code is not None else ended.returncode in {0, 1}


def test_a_server_that_is_no_store_is_reported_in_one_line(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            while True:
                try:
                    taken, _ = other.accept()
                except OSError:
                    return
                with taken:
                    taken.recv(4096)
                    taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        url = f"redis://127.0.0.1:{other.getsockname()[1]}"
        ended = program("queues", "--url", url, code=1)
        other.shutdown(socket.SHUT_RDWR)

    assert ended.stderr.startswith("Error: no store: ")
    assert ended.stderr.count("\n") == 1


def test_a_wrong_password_is_reported_in_one_line_without_it(
    program: Program, live: Client
) -> None:
    live.redis.config_set("requirepass", "sesame")
    try:
        ended = program("queues", "--url", f"{program.url}?password=wrong", code=1)
        result = program("queues", "--json", code=1)
    finally:
        live.redis.execute_command("AUTH", "sesame")
        live.redis.config_set("requirepass", "")

    assert ended.stderr == "Error: no store: invalid username-password pair or user is disabled.\n"
    assert json.loads(result.stderr)["error"] == "NOSTORE"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionResetError("gone")])
def test_an_interrupted_command_reports_what_it_did(
    program: Program, live: Client, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    live.queues["mail"].put_many([{"klass": "app.Send"}] * 100)
    live.queues["mail"].put_many([{"klass": "app.Send"}] * 50)
    bulk, calls = protocol.jobs.bulk, []

    def once(action: str, jids: list[str], options: dict[str, object]) -> object:
        calls.append(jids)
        if len(calls) == 2:
            raise error
        return bulk(action, jids, options)

    monkeypatch.setattr(protocol.jobs, "bulk", once)
    ended = program("job", "cancel", "--queue", "mail", "--yes", code=None)

    assert ended.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert ended.stderr.startswith("Canceled 100 of 150 jobs, then stopped\n")
    assert len(live.queues["mail"]) == 50


def test_a_bug_is_not_hidden() -> None:
    def broken() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        exit_code(broken)


def test_without_a_terminal_nothing_is_asked(program: Program, live: Client) -> None:
    fill(live)

    for words in (["job", "cancel", "--queue", "mail"], ["queue", "forget", "mail"]):
        assert "Confirm with --yes" in program(*words, code=2, stdin="y\n").stderr
    assert len(live.queues["mail"]) == 3
