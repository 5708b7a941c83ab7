"""`qless-py token`."""

from __future__ import annotations

import time

import pytest

from qless_py import Client
from tests.cli.conftest import Program


def test_a_token_is_printed_once_listed_and_revoked(program: Program, live: Client) -> None:
    made = program("token", "create", "billing", "--scope", "put", "--scope", "read",
                   "--queue", "mail*", "--klass", "app.mail.*", "--expires", "+90d")  # fmt: skip
    text = made.stdout.strip()
    token = live.tokens.verify(text)

    assert token
    assert (token.scopes, token.queues, token.klasses) == (
        ("put", "read"), ("mail*",), ("app.mail.*",),
    )  # fmt: skip
    assert token.expires_at == pytest.approx(time.time() + 90 * 86400, abs=600)
    assert "@" in (token.created_by or "")
    assert "cannot be shown again" in made.stderr
    shown = program("token", "list").stdout
    assert all(word in shown for word in (token.id, "billing", "put, read", "mail*", "app.mail.*"))
    (listed,) = program.json("token", "list")["tokens"]
    assert listed["id"] == token.id
    assert text.rpartition("_")[2] not in str(program.json("token", "list"))
    assert program.json("token", "revoke", token.id) == {"revoked": token.id}
    program("token", "revoke", token.id, code=3)
    assert program.json("token", "list") == {"tokens": []}


def test_json_holds_the_token_and_its_id(program: Program, live: Client) -> None:
    answer = program.json("token", "create", "ci", "--scope", "work")

    assert answer["token"].startswith(f"qlt_{answer['id']}_")
    assert live.tokens.verify(answer["token"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "ci"], "Missing option '--scope'"),
        (["create", "ci", "--scope", "admin"], "'admin' is not one of 'put'"),
        (["create", "ci", "--scope", "put", "--queue", "a b"], "queues holds 'a b'"),
        (["create", "", "--scope", "put"], "name does not have 1 to 255 bytes"),
        (["create", "ci", "--scope", "put", "--expires", "soon"], "'soon' is not a time"),
        (["revoke", "qlt_0_1"], "give the id of the token, not the token itself"),
        (["revoke", "A"], "is not an id"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    program: Program, live: Client, words: list[str], message: str
) -> None:
    ended = program("token", *words, code=2)

    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert live.tokens.all == []
