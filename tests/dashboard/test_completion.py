"""Completion of a search: fields, existing names, and nothing that reveals hidden data."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from qless_py import Client, protocol
from qless_py.client.search import SearchError, parse
from qless_py.client.search.fields import FIELDS
from qless_py.dashboard import Access
from tests.dashboard.conftest import Visitor


def _complete(visitor: Visitor, text: str, at: int | None = None) -> tuple[int, int, list[str]]:
    query = {"q": text, **({} if at is None else {"at": str(at)})}
    answer = visitor.get("/search/complete", query_string=query)
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    return found["start"], found["end"], [text for text, _ in found["options"]]


def test_every_field_of_the_grammar_is_completed() -> None:
    with pytest.raises(SearchError) as refused:
        parse("qqqqqqqq:x")
    named = re.findall(r"there are ([a-z, ]+)", str(refused.value))[0].split(", ")
    assert set(FIELDS) == {*named} - {"class", "prio"}
    for name, field in FIELDS.items():
        for value in [one for one, _ in field.examples] or ["waiting" if name == "state" else "x"]:
            assert parse(f"{name}:{value}")[0].field == name


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("st", ["state:", "started:"]),
        ("tag:a -cra", ["-crashes:"]),
        ("state:wa", ["state:waiting"]),
        ("state:failed,ru", ["state:failed,running"]),
        ("queue:ma", ["queue:mail", "queue:ge-mail"]),
        ("klass:Send", ["klass:app.Send"]),
        ("class:app.S", ["class:app.Send"]),
        ("-tag:e", ["-tag:eu", "-tag:later"]),
        ("user:", ["user:ann"]),
        ("throttle:a", ["throttle:api"]),
        ("group:tim", ['group:"app.Send:Time out"']),
        ('group:"app', ['group:"app.Send:Time out"']),
        ("worker:1-", ["worker:host-1-0"]),
        ("failed:", ["failed:<1h", "failed:<1d", "failed:>1h"]),
        ("tracked:y", ["tracked:yes"]),
        ("codec:m", ["codec:msgpack"]),
        ("data:x", []),
        ("nothing:x", []),
        ('"quoted st', []),
    ],
)
def test_a_search_is_completed(
    client: Client, visitor: Visitor, text: str, options: list[str]
) -> None:
    client.throttles["api"].set(concurrency=1)
    client.users["ann"].set(weight=2)
    client.queues["mail"].put("app.Send", tags=["eu", "later"])
    client.queues["mail"].pop(1, worker="host-1-0")[0].fail("app.Send:Time out", "no")
    client.queues["ge-mail"].put("app.Send")
    client.run(protocol.workers.register("host-1-0", "n", b"{}"))

    found = _complete(visitor, text)

    assert (found[1], found[2]) == (len(text), options)


def test_the_term_at_the_cursor_is_completed(client: Client, visitor: Visitor) -> None:
    client.queues["mail"].put("K")

    assert _complete(visitor, "tag:a queue:m data:x", 13) == (6, 13, ["queue:mail"])


def test_viewers_are_offered_only_what_they_may_search(visit: Callable[..., Visitor]) -> None:
    viewer = visit(auth=[lambda _: Access("ann")], trusted_hosts=["localhost"])

    offered = _complete(viewer, "")[2]

    assert {"data:", "error:"}.isdisjoint(offered)
    assert "queue:" in offered


def test_an_invalid_position_is_rejected(visitor: Visitor) -> None:
    assert visitor.get("/search/complete?q=a&at=9").status_code == 422
