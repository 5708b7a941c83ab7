"""The command lines that pages show are commands that there are, with options that they have."""

from __future__ import annotations

import html
import re
import shlex
from typing import Final

import click
import pytest

from qless_py import Client
from qless_py.cli import cli
from qless_py.dashboard import commands
from tests.dashboard.conftest import Visitor
from tests.dashboard.pages import paths

SHOWN: Final = re.compile(r'<pre tabindex="0"><code>(.*?)</code></pre>', re.DOTALL)


def told(page: str) -> list[str]:
    """Give the command lines that a page shows."""
    return [html.unescape(found) for found in SHOWN.findall(page)]


def check(line: str) -> None:
    """Have the program read a command line, without doing it; raises `click.UsageError`."""
    words = shlex.split(line)
    assert words[0] == "qless-py", line
    command: click.Command = cli
    context = click.Context(cli, info_name="qless-py")
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, f"there is no command {rest[0]} in {line}"
        command, rest = found, rest[1:]
    command.make_context(command.name or "", list(rest))


def test_what_pages_show_can_be_typed(full: Client, visitor: Visitor) -> None:
    shown = {line for path in paths(full) for line in told(visitor.get(path).text)}

    assert len(shown) > 60
    for line in sorted(shown):
        check(line)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/jobs/plain/cancel", {}),
        ("/jobs/chosen", {"action": "cancel", "jid": ["plain", "apart"]}),
        ("/failures/retry", {"group": "group", "queue": "work"}),
        ("/queues/work/forget", {}),
        ("/recurring/tick/cancel", {}),
        ("/throttles/api/delete", {}),
        ("/workers/tell/stop", {}),
        ("/workers/tell/restart", {"name": "worker"}),
        ("/workers/worker/forget", {}),
        ("/operations", {"action": "retry", "q": "state:failed"}),
        ("/operations", {"action": "cancel", "q": ""}),
        ("/operations", {"action": "move", "q": 'klass:"a b"', "value": "other"}),
        ("/operations", {"action": "priority", "q": "queue:work", "value": "-2.5"}),
        ("/operations", {"action": "tag", "q": "queue:work", "value": "a, b"}),
        ("/operations", {"action": "untag", "q": "queue:work", "value": "a"}),
    ],
)
def test_what_is_asked_back_can_be_typed(
    full: Client, visitor: Visitor, path: str, fields: dict[str, str]
) -> None:
    del full
    lines = told(visitor.post(path, confirmed=False, **fields).text)

    assert lines
    for line in lines:
        check(line)


def test_another_namespace_is_named(client: Client, server: object) -> None:
    del server
    from qless_py.dashboard import DashboardConfig, create_app  # noqa: PLC0415 - used here alone

    with Client(redis=client.redis, namespace="other") as other:
        page = create_app(other, DashboardConfig(secret="s" * 16)).test_client().get("/queues").text

    assert all("--namespace other" in line for line in told(page))
    for line in told(page):
        check(line)


def test_all_bulk_actions_but_timing_out_are_told() -> None:
    from qless_py.operations import ACTIONS  # noqa: PLC0415 - used here alone

    assert set(ACTIONS) - set(commands.ACTIONS) == {"timeout"}
