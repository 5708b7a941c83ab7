"""`qless-py deploy` and `qless-py deploys`."""

from __future__ import annotations

import pytest

from qless_py import Client
from tests.cli.conftest import Program


def test_a_deploy_is_marked_listed_and_removed(program: Program, live: Client) -> None:
    assert "Marked v1.2 (marker" in program("deploy", "v1.2").stdout
    assert "Already marked: v1.2" in program("deploy", "v1.2", "--once").stdout
    again = program.json("deploy", "v1.2", "--by", "ci")

    assert [again["name"], again["by"], again["is_new"]] == ["v1.2", "ci", True]
    newest, oldest = program.json("deploys", "list")["deploys"]
    assert newest["id"] == again["id"]
    assert "@" in oldest["by"]
    assert "v1.2" in program("deploys", "list").stdout
    assert program.json("deploys", "remove", newest["id"]) == {"removed": newest["id"]}
    program("deploys", "remove", newest["id"], code=3)
    assert [one.id for one in live.deploys.list()] == [oldest["id"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deploy"], "Missing argument 'NAME'"),
        (["deploy", "a\nb"], "is not printable text"),
        (["deploy", "x" * 129], "name has 129 characters; the limit is 128"),
        (["deploys", "remove", "a b"], "deploy 'a b' is not a name"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    program: Program, live: Client, words: list[str], message: str
) -> None:
    ended = program(*words, code=2)

    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert live.deploys.list() == []
