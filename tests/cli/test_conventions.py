"""What all commands share: help, JSON, exit codes, colour, completion."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from qless_py import Client
from qless_py.cli import cli
from qless_py.cli.base import Configured
from qless_py.cli.output import safe
from tests import servers
from tests.cli.conftest import Program


def commands(
    command: click.Command = cli, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Configured]]:
    """Return every command by the words that name it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*words, name))
    else:
        assert isinstance(command, Configured)
        yield words, command


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_help_of_each_command_has_examples_that_can_be_parsed(
    program: Program, words: tuple[str, ...]
) -> None:
    shown = program(*words, "--help").stdout

    assert ALL[words].examples
    for example in ALL[words].examples:
        assert example in shown
        assert " ".join(("qless-py", *words)) in example
    assert "--json" in shown
    assert ALL[words].help


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_each_option_and_command_says_what_it_is_for(words: tuple[str, ...]) -> None:
    first = (ALL[words].help or "").splitlines()[0]

    assert first.endswith((".", ":"))
    assert len(first) <= 100
    for option in ALL[words].params:
        if isinstance(option, click.Option):
            named, text = option.get_help_record(click.Context(ALL[words])) or ("", "")
            assert text[:1].isalnum(), f"{named} has no help text"
            assert "=None" not in text
            assert "99" not in text


def test_the_program_and_its_groups_say_in_whole_sentences_what_each_command_does(
    program: Program,
) -> None:
    for words in ((), *{words[:1] for words in ALL if len(words) > 1}):
        own = [(name, ALL.get((*words, name))) for name in _names(words)]
        shown = " ".join(program(*words, "--help", COLUMNS="80").stdout.split())

        for name, one in own:
            sentence = " ".join((one.help or "").split()).partition(". ")[0] if one else ""
            assert f" {name} {sentence.rstrip('.')}" in shown
        assert "..." not in shown.replace("[ARGS]...", "")


def _names(words: tuple[str, ...]) -> set[str]:
    return {known[len(words)] for known in ALL if known[: len(words)] == words}


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [(["queus"], "queues"), (["queue", "paus"], "pause"), (["recur", "ad"], "add")],
)
def test_an_unknown_command_is_answered_with_a_suggestion(
    program: Program, words: list[str], suggestion: str
) -> None:
    assert f"did you mean '{suggestion}'?" in program(*words, code=2).stderr


def test_common_options_may_stand_before_the_command(server: servers.Server, live: Client) -> None:
    live.queues["mail"].put("app.Send")
    elsewhere = Program("unix:///no/such/socket")

    assert "mail" in elsewhere("--url", server.url, "queues").stdout
    assert "mail" in elsewhere("queues", "--url", server.url).stdout
    assert elsewhere("--url", server.url, "--json", "queues").stdout.startswith('{"queues"')
    elsewhere("queues", code=1)


def test_namespaces_are_apart(program: Program) -> None:
    program("put", "mail", "app.Send", "--namespace", "other")

    assert program.json("queues")["queues"] == []
    assert len(program.json("queues", "--namespace", "other")["queues"]) == 1
    assert "mail" in program("queues", QLESS_PY_NAMESPACE="other").stdout
    program("queues", "--namespace", "a b", code=2)


def test_job_data_cannot_control_the_terminal(program: Program, live: Client) -> None:
    live.queues["mail"].put("app.Send", {"to": "\x1b[31mred\x9b2J"}, jid="one")
    job = live.queues["mail"].pop(worker="me")
    assert job is not None
    job.fail("app.Send:Oops", "\x1b]0;title\x07")

    shown = program("job", "show", "one").stdout + program("failed", "list", "app.Send:Oops").stdout

    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "\\x1b]0;title" in shown


def test_data_that_json_cannot_write_as_it_is_can_be_read_all_the_same(
    program: Program, live: Client, server: servers.Server
) -> None:
    packed = Client(server.url, codec="msgpack")
    data = {"number": float("nan"), "bytes": b"\xff", 5: [(1, 2)]}
    live.queues["mail"].put("app.Send", b'"\\ud800 alone"', jid="json")
    packed.queues["mail"].put("app.Send", data, jid="msgpack")
    packed.close()

    answer = {one["jid"]: one["data"] for one in program.json("jobs")["jobs"]}

    assert answer["json"] == "\ud800 alone"
    assert (answer["msgpack"]["number"], answer["msgpack"]["5"]) == (None, [[1, 2]])
    assert "\\ud800 alone" in program("job", "show", "json").stdout


def test_data_of_any_depth_can_be_listed(program: Program, live: Client) -> None:
    deep = "[" * 600 + "]" * 600
    program("put", "mail", "app.Send", deep, "--jid", "deep")

    assert "deep" in program("jobs").stdout
    assert live.queues["mail"].counts["waiting"] == 1


def test_lines_and_tabs_are_no_danger() -> None:
    assert safe("a\n\tb") == "a\n\tb"
    assert safe("\u202eevil") == "\\u202eevil"


def on_a_terminal(url: str, *words: str, **environment: str) -> str:
    """Run the program on a terminal and give what it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "qless_py", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "QLESS_PY_URL": url, "TERM": "xterm", "COLUMNS": "100", **environment},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait() == 0
    return written.decode()


def test_output_is_coloured_on_a_terminal_only(
    program: Program, live: Client, server: servers.Server
) -> None:
    live.queues["mail"].put("app.Send")

    assert "\x1b[1m" in on_a_terminal(server.url, "queues")
    assert "\x1b" not in program("queues").stdout


def test_no_color_is_obeyed(live: Client, server: servers.Server) -> None:
    live.queues["mail"].put("app.Send")

    shown = on_a_terminal(server.url, "queues", NO_COLOR="1")

    assert "mail" in shown
    assert "\x1b[3" not in shown


def test_jobs_fit_on_a_terminal_of_80_columns_with_whole_jids_and_states(
    live: Client, server: servers.Server
) -> None:
    queue = live.queues["mail"]
    data = {"to": "ann@example.org", "text": "how do you do"}
    jid = queue.put("app.SendMail", data, tags=["welcome"])
    queue.put("app.SendMail", data, delay=600)

    shown = on_a_terminal(server.url, "jobs", COLUMNS="80", NO_COLOR="1")

    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", shown).splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["jid", "state", "queue", "klass", "retri", "tags"]
    assert lines[1].split() == ["es"]
    assert lines[2].split() == [jid, "waiting", "mail", "app.SendMail", "5/5", "welcome"]
    assert lines[3] == '    {"to": "ann@example.org", "text": "how do you do"}'
    assert lines[4].split()[1:] == ["scheduled", "mail", "app.SendMail", "5/5"]


def test_a_question_is_asked_on_a_terminal(live: Client, server: servers.Server) -> None:
    live.queues["mail"].put("app.Send")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "qless_py", "queue", "purge", "mail"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "QLESS_PY_URL": server.url},
    )
    os.write(ours, b"n\n")
    out, err = process.communicate(timeout=50)
    os.close(ours)
    os.close(theirs)

    assert process.returncode == 1
    assert b"Cancel 1 job?" in out + err
    assert len(live.queues["mail"]) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_a_shell(program: Program, shell: str) -> None:
    assert "_QLESS_PY_COMPLETE" in program("completion", shell).stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("qless-py que", "queue"),
        ("qless-py queue pause ", "mail"),
        ("qless-py job show on", "one"),
        ("qless-py jobs --tag ", "red"),
        ("qless-py failed list ", "app.Send:Oops"),
        ("qless-py recur pause ", "hourly"),
        ("qless-py jobs --sta", "--state"),
        ("qless-py jobs --state ", "waiting"),
    ],
)
def test_a_shell_completes_commands_and_names(
    program: Program, live: Client, line: str, offered: str
) -> None:
    queue = live.queues["mail"]
    queue.put("app.Send")
    job = queue.pop(worker="me")
    assert job is not None
    job.fail("app.Send:Oops", "it failed")
    queue.put("app.Send", jid="one", tags=["red"])
    queue.recur("app.Send", None, 60, 60, jid="hourly")

    ended = program(
        _QLESS_PY_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(line.split()) - (not line.endswith(" "))),
        code=None,
    )

    assert f"plain,{offered}" in ended.stdout.splitlines()


def test_completion_is_silent_without_a_store() -> None:
    ended = Program("unix:///no/such/socket")(
        _QLESS_PY_COMPLETE="bash_complete",
        COMP_WORDS="qless-py queue pause ",
        COMP_CWORD="3",
        code=None,
    )

    assert ended.stdout.strip() == ""
    assert ended.stderr == ""
