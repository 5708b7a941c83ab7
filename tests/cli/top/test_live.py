"""`top` in a real pseudo-terminal: keys, sizes, and a store that goes away and comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qless_py import Client
from tests import servers
from tests.cli.conftest import Program
from tests.cli.top.terminal import Terminal

ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


def _shows(*texts: str) -> Callable[[str], bool]:
    return lambda screen: all(text in screen for text in texts)


@pytest.mark.slow
def test_the_keys_change_the_view_and_q_leaves_it(server: servers.Server, live: Client) -> None:
    for name in ("mail", "reports", "slow"):
        live.queues[name].put_many([{"klass": f"app.{name.title()}"}] * len(name))
    live.queues["mail"].pop(2, worker="host-1-0")

    with Terminal(["top", "--url", server.url, "--interval", "0.2s"]) as terminal:
        terminal.wait_for(_shows("13 waiting", "2 running", "reports", "q quit", "by activity"))
        assert ENTER_SCREEN in terminal.raw
        terminal.press("s")
        terminal.wait_for(_shows("by oldest"))
        terminal.press("/rep\r")
        terminal.wait_for(lambda text: "1-1 of 1" in text and "slow" not in text)
        terminal.press("\x1b\t")
        terminal.wait_for(_shows("host-1-0", "longest job"))
        terminal.press("\t")
        terminal.wait_for(_shows("app.Mail", "1-2 of 2"))
        terminal.resize(120, 10)
        wide = terminal.wait_for(_shows("worker", "app.Mail"))
        assert "host-1-0" in wide
        terminal.press("p")
        terminal.wait_for(_shows("paused"))
        live.queues["mail"].put("app.Mail")
        terminal.press("p")
        terminal.wait_for(_shows("14 waiting"))
        terminal.press("q")

        assert terminal.ended() == 0
        assert terminal.raw.rstrip().endswith(LEAVE_SCREEN) or LEAVE_SCREEN in terminal.raw


@pytest.mark.slow
def test_a_store_that_goes_away_is_reported_until_it_is_back(
    server_name: str, tmp_path: Path
) -> None:
    one = servers.start(server_name, tmp_path)
    with Client(one.url) as client:
        client.queues["mail"].put("app.Send")
    with Terminal(["top", "--url", one.url, "--interval", "0.2s"]) as terminal:
        terminal.wait_for(_shows("1 waiting"))

        servers.stop(one)
        terminal.wait_for(_shows("no answer since", "1 waiting"))
        again = servers.start(server_name, tmp_path)
        try:
            terminal.wait_for(lambda text: "no answer" not in text)
            terminal.process.send_signal(signal.SIGTERM)

            assert terminal.ended() == 0
            assert LEAVE_SCREEN in terminal.raw
        finally:
            servers.stop(again)


def test_one_picture_is_printed_for_pipes(program: Program) -> None:
    program("put", "mail", "app.Send", "--jid", "j")
    program("pop", "mail", "--worker", "host-1-0")

    text = program("top", "--once").stdout
    answer = program.json("top")

    assert "1 running" in text
    assert "host-1-0" in text
    assert answer["totals"]["running"] == 1
    assert [one["jid"] for one in answer["running"]] == ["j"]
    assert answer["queues"][0]["name"] == "mail"


def test_without_a_terminal_it_says_what_to_do(program: Program) -> None:
    assert "--once or --json" in program("top", code=2).stderr
    assert "is not from" in program("top", "--interval", "1ms", code=2).stderr
