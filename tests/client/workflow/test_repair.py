"""fsck finds damage to nested batches and repairs it from their records."""

from collections.abc import Callable

import pytest
import redis as redis_py

from qless_py import Client, fsck
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew

Damage = Callable[[redis_py.Redis], object]


def key(batch: str, part: str) -> str:
    return f"{{ql}}:batch:{batch}:{part}"


DAMAGE: dict[str, tuple[str, Damage]] = {
    "a batch that is not within it": (
        "stray",
        lambda redis: redis.sadd(key("outer", "inner"), "other"),
    ),
    "a batch that is not there": (
        "stray",
        lambda redis: redis.sadd(key("outer", "inner"), "nobody"),
    ),
    "an inner batch forgotten": (
        "batch",
        lambda redis: redis.srem(key("outer", "inner"), "inner"),
    ),
    "canceled members of no batch": (
        "batch",
        lambda redis: redis.sadd(key("nobody", "canceled"), "a"),
    ),
    "data of no batch": ("batch", lambda redis: redis.set(key("nobody", "data"), "d")),
    "members counted wrongly": (
        "batch",
        lambda redis: redis.hset(key("outer", "record"), "total", 7),
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_repaired(client: Client, redis: redis_py.Redis, name: str) -> None:
    kind, damage = DAMAGE[name]
    with client.batch("outer"), client.batch("inner", within="outer") as inner:
        inner.put(QUEUE, KLASS)
    client.batch("other")
    damage(redis)

    found = fsck.check(redis)
    fsck.repair(redis, "ql", found)

    assert kind in {finding.kind for finding in found}
    assert fsck.check(redis) == []
    Crew(client).run()
    status = client.batches["outer"].status
    assert status is not None
    assert status["state"] == "finished"
