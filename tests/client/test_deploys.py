"""Deploy markers: bounded, by the server's clock, each name once if asked."""

from __future__ import annotations

import pytest
import redis as redis_py

from qless_py import BadArgumentError, Client
from tests.conftest import Clock


def test_markers_are_listed_the_newest_first_and_removed(client: Client, clock: Clock) -> None:
    first = client.deploys.mark("v1.1 / Zürich 💥", by="ann@laptop")
    clock.advance(60)
    second = client.deploys.mark("v1.2")

    assert client.deploys.list() == [second, first]
    assert (first.name, first.by, first.at) == ("v1.1 / Zürich 💥", "ann@laptop", clock() - 60)
    assert (second.by, second.at) == (None, clock())
    assert client.deploys.remove(first.id)
    assert not client.deploys.remove(first.id)
    assert client.deploys.list() == [second]


def test_with_once_a_name_is_marked_when_it_first_appears(client: Client, clock: Clock) -> None:
    first = client.deploys.mark("v1", once=True)
    clock.advance(60)
    client.deploys.mark("v2", once=True)
    clock.advance(60)

    assert client.deploys.mark("v1", once=True) == first
    assert [one.name for one in client.deploys.list()] == ["v2", "v1"]
    assert client.deploys.mark("v1") != first  # Without `once`: a roll back is a deployment.


def test_the_100_newest_are_kept(client: Client, clock: Clock, redis: redis_py.Redis) -> None:
    redis.hset("{ql}:deploys", "junk", "rubbish")  # Room is made by what cannot be read, too.
    for number in range(103):
        clock.advance(number % 2)  # Markers of one instant are ordered as they came.
        client.deploys.mark(f"v{number}")

    assert [one.name for one in client.deploys.list()] == [f"v{n}" for n in range(102, 2, -1)]
    assert redis.hlen("{ql}:deploys") == 100


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "a\nb", "\x1b[31m", "\u202eevil", 5, None])
def test_a_name_is_up_to_128_printable_characters(client: Client, name: object) -> None:
    client.deploys.mark("💥" * 128)

    with pytest.raises(BadArgumentError, match="name"):
        client.deploys.mark(name)  # type: ignore[arg-type]

    assert len(client.deploys.list()) == 1


def test_each_change_is_an_event(client: Client) -> None:
    client.config["event-stream"] = 10
    marker = client.deploys.mark('v1 "quoted"')
    client.deploys.mark('v1 "quoted"', once=True)
    client.deploys.remove(marker.id)

    found = [one.as_dict() for one in client.events.read("0").events]
    assert [(one["type"], one["deploy"], one["name"]) for one in found if "deploy" in one] == [
        ("deploy.marked", marker.id, 'v1 "quoted"'),
        ("deploy.removed", marker.id, 'v1 "quoted"'),
    ]
