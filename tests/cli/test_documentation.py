"""docs/cli.md shows every command, and every command it shows exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import qless_py
from qless_py.cli import cli
from tests.cli.test_conventions import ALL

ROOT = Path(qless_py.__file__).parents[1]
DOCUMENT = ROOT / "docs" / "cli.md"
_BLOCK = re.compile(r"^```(?:bash|console|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?<![\w/.'-])qless-py((?: [a-z][a-z-]*)+)")
_SPAN = re.compile(r"`(qless-py [^`]*)`")


def called(text: str) -> set[tuple[str, ...]]:
    """Return the paths of the commands that a text calls."""
    found = set()
    for words in _CALL.findall(text):
        command: click.Command = cli
        path: list[str] = []
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            below = command.get_command(click.Context(command), word)
            assert below is not None, f"qless-py{words}: there is no {word}"
            command = below
            path.append(word)
        assert not isinstance(command, click.Group), f"qless-py{words} names no command"
        found.add(tuple(path))
    return found


def test_every_command_has_an_example_and_every_example_a_command() -> None:
    blocks = "\n".join(_BLOCK.findall(DOCUMENT.read_text()))

    assert called(blocks) == set(ALL)


def test_every_command_named_in_a_table_exists() -> None:
    spans = [span for span in _SPAN.findall(DOCUMENT.read_text()) if "COMMAND" not in span]

    assert len(spans) > 15
    for span in spans:
        called(span)


# Commands, options and variables of the programs that qless-py replaces.
_BEFORE = """
rake qless:work QUEUES QUEUE JOB_RESERVER INTERVAL VERBOSE VVERBOSE REDIS_URL RUN_AS_SINGLE_PROCESS
qless-py-worker --path --queue --workers qless-web qless-growl qless-campfire
perfectqueue list submit -u -t force_finish run -I -r init -e -c --database --table --simpledb
--push --list --cancel --configure --exec --run -f -C -b -x -X -i -w -d -o -v e2e/main.go ui main.go
"""


def test_every_command_of_the_predecessors_has_a_counterpart_in_the_table() -> None:
    table = DOCUMENT.read_text().partition("## Coming from other queues")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    left = {word.strip("`,|()") for row in rows for word in row[0].split()}

    assert {word.strip() for word in _BEFORE.split()} <= left
    assert all(len(row) == 2 and len(row[1]) > 3 for row in rows)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_in_an_example_of_the_help_exists(words: tuple[str, ...]) -> None:
    command = ALL[words]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}

    for example in command.examples:
        own = re.sub(r"'[^']*'", "", example).partition(" -- ")[0]
        shown = {word for word in own.split() if word.startswith("-") and len(word) > 1}
        assert shown <= known, example
