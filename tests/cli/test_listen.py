"""`listen`: events printed, and forwarded to a command, a webhook or the desktop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qless_py import Client
from tests import servers
from tests.cli.conftest import Program
from tests.cli.webhook_receiver import Chat

SCRIPT = """\
#!/bin/sh
{ printf '%s|' "$QLESS_PY_EVENT" "$QLESS_PY_KLASS" "$@"; cat; echo; } >> "$OUT"
"""


@pytest.fixture
def listening(server: servers.Server, redis: object) -> Any:
    """Run `qless-py listen` in a process of its own until the block has ended."""
    del redis  # wanted only so that the keyspace is empty

    @contextlib.contextmanager
    def run(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "qless_py", "listen", *words],
            env={**os.environ, "QLESS_PY_URL": server.url, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "Listening\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    return run


def live_a_life(client: Client, queue: str = "mail", jid: str = "one") -> None:
    """Have a tracked job put, popped and failed."""
    client.queues[queue].put("app.Send", {"to": "ann"}, jid=jid, delay=60)
    client.track(jid)
    client.queues[queue].put("app.Send", {"to": "ann"}, jid=jid)
    job = client.queues[queue].pop(worker="me")
    assert job is not None
    job.fail("app.Send:Oops", "it @here failed")


def test_the_steps_of_tracked_jobs_are_shown(listening: Any, live: Client) -> None:
    with listening("--json", "--count", "4") as process:
        live.queues["other"].put("app.Other")
        live_a_life(live)
        out, _ = process.communicate(timeout=50)

    answer = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert [one["event"] for one in answer] == ["track", "put", "popped", "failed"]
    assert {(one["jid"], one["klass"]) for one in answer} == {("one", "app.Send")}
    assert answer[-1]["details"] == {"group": "app.Send:Oops", "message": "it @here failed"}
    assert answer[-1]["queue"] == "mail"


def test_all_events_are_shown_as_lines(listening: Any, live: Client) -> None:
    with listening("--all", "--event", "put", "--event", "completed", "--count", "2") as process:
        live.queues["mail"].put("app.Send", jid="one")
        job = live.queues["mail"].pop(worker="me")
        assert job is not None
        job.complete()
        out, _ = process.communicate(timeout=50)

    first, second = out.splitlines()
    assert "put" in first
    assert "one" in first
    assert "completed" in second


def test_all_events_are_those_of_tracked_jobs_as_well(listening: Any, live: Client) -> None:
    with listening("--all", "--json", "--count", "5") as process:
        live_a_life(live)
        out, _ = process.communicate(timeout=50)

    answer = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in answer] == ["put", "track", "put", "popped", "failed"]


def test_events_of_the_stream_are_read_from_an_id_on(program: Program, live: Client) -> None:
    live.config.set("event-stream", 100)
    live_a_life(live)
    live_a_life(live, "other", "two")
    live.redis.xtrim("{ql}:stream", maxlen=9, approximate=False)
    first = live.events.read("0", limit=1).last
    before = f"{first.partition('-')[0]}-1"

    words = ["listen", "--from", before, "--queue", "other", "--event", "job.*", "--count", "6"]
    shown = [json.loads(line) for line in program(*words, "--json").stdout.splitlines()]

    assert [one["event"] for one in shown] == [
        "gap", "job.put", "job.track", "job.put", "job.popped", "job.failed",
    ]  # fmt: skip
    assert shown[0]["details"]["after"] == before
    assert (shown[4]["klass"], shown[4]["details"]["worker"]) == ("app.Send", "me")


def test_a_wrong_id_or_a_stream_that_is_off_is_one_line(program: Program, live: Client) -> None:
    del live
    for words, text, code in (
        (["--from", "x"], "not the id of an event", 2),
        (["--from", "0", "--event", "job.faild"], "did you mean job.failed?", 2),
        (["--from", "0"], "the option event-stream", 1),
    ):
        assert text in program("listen", *words, code=code).stderr


def test_events_of_others_are_left_out(listening: Any, live: Client) -> None:
    with listening("--all", "--queue", "mail", "--jid", "one", "--json", "--count", "1") as process:
        live.queues["slow"].put("app.Send", jid="slow")
        live.queues["mail"].put("app.Send", jid="two")
        live.queues["mail"].put("app.Send", jid="one")
        out, _ = process.communicate(timeout=50)

    assert [json.loads(line)["jid"] for line in out.splitlines()] == ["one"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_ends_the_listening(listening: Any, number: int, code: int) -> None:
    with listening() as process:
        process.send_signal(number)
        _, err = process.communicate(timeout=50)

    assert process.returncode == code
    assert "Traceback" not in err


def test_it_ends_by_itself_after_a_time(program: Program) -> None:
    assert program("listen", "--for", "50ms").stdout == ""


def test_a_command_is_run_for_each_event(listening: Any, live: Client, tmp_path: Path) -> None:
    script = tmp_path / "on event"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    out = tmp_path / "out"
    command = f"'{script}' 'an argument'"

    with listening("--exec", command, "--count", "4", OUT=str(out)) as process:
        live_a_life(live)
        process.communicate(timeout=50)

    *_, last = out.read_text().splitlines()
    event, klass, argument, jid, body = last.split("|")
    assert (event, klass, argument, jid) == ("failed", "app.Send", "an argument", "one")
    assert json.loads(body)["details"]["group"] == "app.Send:Oops"


def test_a_failing_command_is_reported_and_listening_continues(
    listening: Any, live: Client
) -> None:
    with listening("--exec", "false", "--count", "4") as process:
        live_a_life(live)
        out, err = process.communicate(timeout=50)

    assert process.returncode == 0
    assert len(out.splitlines()) == 4
    assert err.count("false ended with 1 for one") == 4


@pytest.mark.parametrize("style", ["json", "slack", "mattermost", "discord"])
def test_each_chat_gets_its_own_format(listening: Any, live: Client, style: str) -> None:
    with (
        Chat(503, 429) as chat,
        listening(
            *("--event", "failed", "--webhook", chat.url, "--style", style, "--count", "1")
        ) as process,
    ):
        live_a_life(live)
        _, err = process.communicate(timeout=50)

    assert err == ""
    assert len(chat.received) == 3  # two were refused for now
    body = chat.received[-1]
    if style == "json":
        assert (body["event"], body["jid"], body["klass"]) == ("failed", "one", "app.Send")
    else:
        text = body["content" if style == "discord" else "text"]
        assert text.startswith("failed: one (app.Send in mail)")
        assert "failed" in text.splitlines()[-1] or "failed" in text.splitlines()[-2]
        assert set(body) <= {"text", "content", "username", "allowed_mentions"}


def test_a_permanent_rejection_is_reported_once(listening: Any, live: Client) -> None:
    with (
        Chat(404) as chat,
        listening("--event", "failed", "--webhook", chat.url, "--count", "1") as process,
    ):
        live_a_life(live)
        _, err = process.communicate(timeout=50)

    assert err == "http://127.0.0.1 answered 404\n"
    assert len(chat.received) == 1


def test_desktop_notifications_are_sent(listening: Any, live: Client, tmp_path: Path) -> None:
    notify = tmp_path / "notify-send"
    notify.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$OUT"\n')
    notify.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    out = tmp_path / "out"

    with listening(
        "--event", "failed", "--notify", "--count", "1", PATH=path, OUT=str(out)
    ) as process:
        live_a_life(live)
        process.communicate(timeout=50)

    assert "failed: one (app.Send in mail)" in out.read_text().splitlines()


def test_without_a_desktop_it_says_so(program: Program, tmp_path: Path) -> None:
    ended = program("listen", "--notify", PATH=str(tmp_path), code=1)

    assert "notify-send" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--exec", "no-such-command"], "no-such-command"),
        (["--exec", "'"], "'"),
        (["--webhook", "file:///etc/passwd"], "http"),
        (["--webhook", "http://"], "http"),
        (["--style", "slack"], "--webhook"),
        (["--event", "exploded"], "exploded"),
        (["--event", "faild"], "did you mean 'failed'?"),
        (["--all", "--event", "user_sets"], "did you mean 'user_set'?"),
        (["--webhook", "http://["], "http"),
        (["--webhook", "http://me:secret@host/"], "http"),
        (["--webhook", "http://host:99999/"], "http"),
        (["--webhook", "http://host/a b"], "http"),
    ],
)
def test_usage_errors_are_reported_before_listening(
    program: Program, words: list[str], message: str
) -> None:
    assert message in program("listen", *words, code=2).stderr
