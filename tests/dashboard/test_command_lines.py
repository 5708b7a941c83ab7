"""The command lines shown on pages are valid."""

from __future__ import annotations

import html
import itertools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import click
import pytest
from click.testing import CliRunner

from qless_py import Client
from qless_py.cli import cli
from qless_py.client import bulk
from qless_py.dashboard import commands
from tests.dashboard.conftest import Visitor
from tests.dashboard.pages import paths

# The command for every form, by the rule its form is posted to. Where one rule serves several
# actions, the name of the action follows.
EQUIVALENTS: Final[Mapping[str, Sequence[str]]] = {
    "/put": ("put", "QUEUE", "KLASS", "{}"),
    "/config set": ("config", "set", "OPTION", "VALUE"),
    "/config unset": ("config", "unset", "OPTION"),
    "/failures/retry": ("failed", "retry", "GROUP", "--to", "QUEUE", "--yes"),
    "/jobs/<jid>/edit": ("job", "edit", "JID", "--data", "{}", "--priority", "1", "--tag", "TAG"),
    "/workflows/<name>/cancel": ("workflows", "cancel", "NAME", "--yes"),
    "/workflows/<name>/retry": ("workflows", "retry", "NAME"),
    "/batches/<name>/cancel": ("batches", "cancel", "NAME", "--yes"),
    "/batches/<name>/retry": ("batches", "retry", "NAME"),
    "/jobs/<jid>/cancel": ("job", "cancel", "JID"),
    "/jobs/<jid>/untrack-gone": ("job", "untrack", "JID"),
    "/jobs/<jid>/<what> move": ("job", "move", "JID", "--to", "QUEUE"),
    "/jobs/<jid>/<what> priority": ("job", "priority", "JID", "--to", "10"),
    "/jobs/<jid>/<what> tag": ("job", "tag", "JID", "--add", "TAG"),
    "/jobs/<jid>/<what> untag": ("job", "untag", "JID", "--remove", "TAG"),
    "/jobs/<jid>/<what> retry": ("job", "requeue", "JID", "--to", "QUEUE"),
    "/jobs/<jid>/<what> timeout": ("job", "timeout", "JID"),
    "/jobs/<jid>/<what> track": ("job", "track", "JID"),
    "/jobs/<jid>/<what> untrack": ("job", "untrack", "JID"),
    "/jobs/<jid>/<what> undepend": ("job", "undepend", "JID", "--on", "PARENT"),
    "/jobs/<jid>/<what> undepend_all": ("job", "undepend", "JID", "--all"),
    "/jobs/<jid>/<what> finish": ("job", "finish", "JID", "--result", "null"),
    **{
        f"/jobs/chosen {action}": ("job", action, "JID", *words)
        for action, words in commands.ACTIONS.items()
    },
    **{
        f"/operations {action}": (
            *("job", action, "--search", "SEARCH", *words, "--in-background", "--yes"),
        )
        for action, words in commands.ACTIONS.items()
    },
    "/operations/<jid>/abort": ("operations", "abort", "JID"),
    "/operations/<jid>/undo": ("operations", "undo", "JID"),
    "/undo/<name>": ("canceled", "restore", "JID"),
    "/canceled/restore": ("canceled", "restore", "JID"),
    "/canceled/delete": ("canceled", "delete", "JID", "--yes"),
    "/queues/<name>/pause": ("queue", "pause", "QUEUE", "--reason", "WHY", "--for", "30m"),
    "/queues/<name>/unpause": ("queue", "unpause", "QUEUE"),
    "/queues/<name>/heartbeat": ("queue", "set", "QUEUE", "heartbeat=90"),
    "/queues/<name>/forget": ("queue", "forget", "QUEUE", "--yes"),
    "/recur": ("recur", "add", "QUEUE", "KLASS", "{}", "--every", "1h"),
    "/recurring/<jid>/edit": ("recur", "edit", "JID", "--every", "1h"),
    "/recurring/<jid>/cancel": ("recur", "remove", "JID"),
    "/recurring/<jid>/<what> run": ("recur", "run", "JID"),
    "/recurring/<jid>/<what> pause": ("recur", "pause", "JID"),
    "/recurring/<jid>/<what> resume": ("recur", "resume", "JID"),
    "/throttles/set": ("throttles", "set", "THROTTLE", "--concurrency", "5"),
    "/throttles/<name>/delete": ("throttles", "delete", "THROTTLE"),
    "/throttles/<name>/release": ("throttles", "release", "THROTTLE", "JID"),
    "/throttles/<name>/block": ("throttles", "block", "THROTTLE", "60s"),
    "/users/set": ("users", "set", "USER", "--weight", "2", "--max-running", "5"),
    "/users/unset": ("users", "unset", "USER"),
    "/workers/tell/<what> quiet": ("workers", "quiet", "WORKER"),
    "/workers/tell/<what> resume": ("workers", "resume", "WORKER"),
    "/workers/tell/<what> stop": ("workers", "stop", "WORKER"),
    "/workers/tell/<what> dump": ("workers", "dump", "WORKER"),
    "/workers/tell/<what> restart": ("workers", "restart", "WORKER"),
    "/workers/<name>/forget": ("workers", "forget", "WORKER"),
}
SHOWN: Final = re.compile(r'<pre tabindex="0"><code>(.*?)</code></pre>', re.DOTALL)


def command_lines(page: str) -> list[str]:
    """Return the command lines that a page shows."""
    return [html.unescape(found) for found in SHOWN.findall(page)]


def check(line: str) -> None:
    """Parse a command line without running it; raises `click.UsageError`."""
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


def test_command_lines_of_pages_are_valid(full: Client, visitor: Visitor) -> None:
    shown = {line for path in paths(full) for line in command_lines(visitor.get(path).text)}

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
        ("/operations", {"action": "timeout", "q": "worker:lost"}),
        ("/jobs/chosen", {"action": "timeout", "jid": ["runs"]}),
        ("/operations", {"action": "move", "q": 'klass:"a b"', "value": "other"}),
        ("/operations", {"action": "priority", "q": "queue:work", "value": "-2.5"}),
        ("/operations", {"action": "tag", "q": "queue:work", "value": "a, b"}),
        ("/operations", {"action": "untag", "q": "queue:work", "value": "a"}),
    ],
)
def test_command_lines_of_confirmations_are_valid(
    full: Client, visitor: Visitor, path: str, fields: dict[str, str]
) -> None:
    del full
    lines = command_lines(visitor.post(path, confirmed=False, **fields).text)

    assert lines
    for line in lines:
        check(line)


def test_command_lines_name_another_namespace(client: Client, server: object) -> None:
    del server
    from qless_py.dashboard import DashboardConfig, create_app  # noqa: PLC0415 - used here alone

    with Client(redis=client.redis, namespace="other") as other:
        page = create_app(other, DashboardConfig(secret="s" * 16)).test_client().get("/queues").text

    assert all("--namespace other" in line for line in command_lines(page))
    for line in command_lines(page):
        check(line)


def actions(visitor: Visitor) -> set[str]:
    """Return every action of a form, as named in the table of equivalents."""
    from qless_py.dashboard.pages import job, recurring, workers  # noqa: PLC0415 - used here alone

    several: dict[str, Iterable[str]] = {
        "/config": ("set", "unset"),
        "/jobs/chosen": bulk.ACTIONS,
        "/operations": bulk.ACTIONS,
        "/jobs/<jid>/<what>": job.ACTIONS,
        "/recurring/<jid>/<what>": recurring.ACTIONS,
        "/workers/tell/<what>": workers.ACTIONS,
    }
    rules = visitor.flask.application.url_map.iter_rules()
    pages = [one for one in rules if one.endpoint.startswith("qless_py.")]  # Not the API.
    found = {one.rule for one in pages if "POST" in (one.methods or ())} - {"/<path:rest>"}
    assert several.keys() <= found
    return {f"{one} {what}".strip() for one in found for what in several.get(one, ("",))}


def test_every_form_has_an_equivalent_command(visitor: Visitor) -> None:
    assert actions(visitor) == set(EQUIVALENTS)
    for words in EQUIVALENTS.values():
        check(shlex.join(["qless-py", *words]))
        named = list(itertools.takewhile(str.islower, words))
        helped = CliRunner().invoke(cli, [*named[:2], "--help"])
        assert helped.exit_code == 0, helped.output
