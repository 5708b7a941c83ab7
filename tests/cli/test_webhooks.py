"""Forwarded events: the payload of each chat, and receivers that reject, stall or vanish."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from qless_py import UndecodableDataError
from qless_py.cli import notify
from qless_py.cli.notify import SinkError, shaped
from qless_py.client import serialize
from tests.cli.webhook_receiver import Chat

EVENT = {
    "event": "failed",
    "at": 1.0,
    "jid": "one",
    "queue": "mail",
    "klass": "app.<!channel>@everyone",
    "details": {"group": "g", "message": "```@here & <b>"},
}


def _wait(gate: threading.Event) -> None:
    gate.wait(60)


def test_each_chat_gets_what_its_documentation_says() -> None:
    slack, mattermost, discord = (
        shaped(EVENT, name) for name in ("slack", "mattermost", "discord")
    )

    assert slack == {
        "text": "failed: one (app.&lt;!channel&gt;@everyone in mail)\n"
        '```{"group": "g"}\n` ` `@here &amp; &lt;b&gt;```'
    }
    assert mattermost == {
        "text": "failed: one (app.<!channel>@\u200beveryone in mail)\n"
        '```\n{"group": "g"}\n` ` `@here & <b>\n```',
        "username": "qless-py",
    }
    assert discord == {
        "content": mattermost["text"],
        "username": "qless-py",
        "allowed_mentions": {"parse": []},
    }
    assert shaped(EVENT, "json") == EVENT


@pytest.mark.parametrize("style", ["slack", "mattermost", "discord"])
def test_a_long_message_is_cut_to_what_a_chat_takes(style: str) -> None:
    long = {"group": "g" * 900, "message": "@`" * 5000 + "the end", "more": "y" * 5000}
    body = shaped({**EVENT, "klass": "k@" * 2000, "details": long}, style)

    text = body["content" if style == "discord" else "text"]
    assert len(text) <= (2000 if style == "discord" else 4000)
    assert "the end" in text
    assert text.endswith("```")
    empty = shaped({**EVENT, "details": {}}, style)
    assert "```" not in empty["content" if style == "discord" else "text"]


@pytest.mark.parametrize(
    ("codes", "message", "posts"),
    [
        ([500, 500, 500], "http://127.0.0.1 answered 500", 3),
        ([503, 204], None, 2),
        ([404], "http://127.0.0.1 answered 404", 1),
        ([302], "http://127.0.0.1 answered 302", 1),
        ([307], "http://127.0.0.1 answered 307", 1),
    ],
)
def test_a_chat_is_asked_again_if_that_may_help(
    codes: list[int], message: str | None, posts: int
) -> None:
    with Chat(*codes) as chat:
        send = notify.webhook_sink(chat.url, "slack")
        if message is None:
            send(EVENT)
        else:
            with pytest.raises(SinkError, match=f"^{message}$"):
                send(EVENT)

    assert chat.received == [shaped(EVENT, "slack")] * posts


def test_a_receiver_that_hangs_or_sends_garbage_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/secret"
        with pytest.raises(SinkError, match="TimeoutError: timed out") as raised:
            notify.webhook_sink(url, None, timeout=0.05, pause=0.01)(EVENT)
    assert "secret" not in str(raised.value)

    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer() -> None:
            for _ in range(3):
                taken, _ = odd.accept()
                taken.recv(65536)
                taken.sendall(b"220 mail.example.org ESMTP\r\n")
                taken.close()

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{odd.getsockname()[1]}/"
        with pytest.raises(SinkError, match=r"http://127\.0\.0\.1: "):
            notify.webhook_sink(url, None, pause=0.01)(EVENT)
        thread.join()


@pytest.mark.parametrize(
    ("url", "style"),
    [
        ("https://hooks.slack.com/services/a/b", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://chat.example.org/hooks/x", "json"),
    ],
)
def test_the_url_of_a_known_chat_says_its_style(
    monkeypatch: pytest.MonkeyPatch, url: str, style: str
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(notify, "_post", lambda _, request, *__, **___: sent.append(request))

    notify.webhook_sink(url, None)(EVENT)

    assert json.loads(sent[0].data) == shaped(EVENT, style)
    assert sent[0].get_header("Content-type") == "application/json"


def test_a_command_gets_the_event_or_its_error_is_reported(tmp_path: Path) -> None:
    out = tmp_path / "out"
    notify.command_sink(f"sh -c 'cat > {out}; echo \"$0 $QLESS_PY_QUEUE\" >> {out}'")(EVENT)
    assert out.read_text().endswith("}one mail\n")
    assert json.loads(out.read_text().partition("}one")[0] + "}") == EVENT

    notify.command_sink("true")(
        {**EVENT, "details": {"message": "x" * 1_000_000}}
    )  # It reads nothing.
    with pytest.raises(SinkError, match="false ended with 1 for one"):
        notify.command_sink("false")(EVENT)
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(SinkError, match="No such file"):
        notify.command_sink(os.fspath(script))(EVENT)


def test_a_slow_receiver_loses_events_and_not_the_listening() -> None:
    notes: list[str] = []
    gate = threading.Event()
    with notify.Forwarder([lambda _: _wait(gate)], notes.append) as forwarder:
        for _ in range(1100):
            forwarder.forward(EVENT)
        gate.set()

    assert notes[0] == "Too many events are waiting: dropping new ones"
    assert notes[1].endswith("events dropped")
    assert len(notes) == 2


def test_the_end_waits_for_no_receiver_that_never_answers() -> None:
    notes: list[str] = []
    gate = threading.Event()
    with notify.Forwarder([lambda _: _wait(gate)], notes.append, last_wait=0.01) as forwarder:
        for _ in range(5):
            forwarder.forward(EVENT)

    assert notes
    assert notes[-1].endswith("events dropped")
    gate.set()


def test_a_failing_receiver_is_reported_and_gets_the_next_event() -> None:
    notes: list[str] = []
    seen: list[Any] = []

    def sink(event: notify.EventFields) -> None:
        seen.append(event)
        raise SinkError("no")

    with notify.Forwarder([sink], notes.append) as forwarder:
        forwarder.forward(EVENT)
        forwarder.forward(EVENT)

    assert (len(seen), notes) == (2, ["no", "no"])


def test_what_is_nested_too_deeply_is_left_out() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]

    with pytest.raises(UndecodableDataError, match="too deeply"):
        serialize.shallow(deep)
    assert serialize.shallow([{"a": [1, "b"]}]) == [{"a": [1, "b"]}]
