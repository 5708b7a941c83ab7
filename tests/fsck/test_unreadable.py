"""A key that nobody can read stops no pop and no check, and its bytes are kept."""

from collections.abc import Callable
from typing import Any

import pytest
import redis as redis_py

from qless_py import fsck
from qless_py.fsck.layout import Keys
from tests.conftest import Clock
from tests.population import populate
from tests.script_runner import Scripts

pytestmark = [pytest.mark.corrupts, pytest.mark.slow]

Mutation = Callable[[Any, bytes], object]


def junk(redis: Any, key: bytes) -> None:
    redis.set(key, "junk")


def another_type(redis: Any, key: bytes) -> None:
    add = redis.sadd if redis.type(key) == b"list" else redis.rpush
    redis.delete(key)
    add(key, "x")


def damaged(redis: Any, key: bytes) -> None:
    """Cut strings short, and damage every value or entry of the others."""
    kind = redis.type(key)
    if kind == b"string":
        redis.set(key, redis.get(key)[:20])
    elif kind == b"hash":
        redis.hset(
            key, mapping={name: value[:-1] + b"\xff" for name, value in redis.hgetall(key).items()}
        )
    elif kind == b"zset":
        for member, score in redis.zrange(key, 0, -1, withscores=True):
            redis.zrem(key, member)
            redis.zadd(key, {member[:5]: score})
    elif kind == b"set":
        redis.sadd(key, b"\xff\n")
    elif kind == b"stream":
        redis.xadd(key, {"other": "junk"}, id=f"{2**64 - 1}-{2**64 - 1}")
    else:
        redis.lpush(key, "junk")


class Keyspace:
    """A populated namespace that can be restored, with one key of each kind to damage."""

    def __init__(self, call: Scripts, clock: Clock) -> None:
        populate(call)
        self.redis, self.clock, self.begin = call.redis, clock, clock.now
        keys = Keys("ql")
        self.one_of_each: dict[str, bytes] = {}
        self.dumps: dict[bytes, bytes] = {}
        for key in sorted(self.redis.scan_iter("{ql}:*")):
            self.dumps[key] = bytes(self.redis.dump(key) or b"")
            parsed = keys.parse(key)
            assert parsed is not None
            self.one_of_each.setdefault(parsed[0], key)

    def damage(self, key: bytes, mutate: Mutation) -> None:
        self.clock.now = self.begin
        with self.redis.pipeline() as pipeline:
            pipeline.flushall()
            for name, value in self.dumps.items():
                pipeline.restore(name, 0, value)
            pipeline.execute()
        mutate(self.redis, key)


@pytest.mark.parametrize("mutate", [junk, another_type, damaged])
def test_no_content_or_type_of_any_key_stops_a_pop(
    call: Scripts, clock: Clock, mutate: Mutation
) -> None:
    keyspace = Keyspace(call, clock)
    for key in keyspace.one_of_each.values():
        keyspace.damage(key, mutate)
        ran = set()
        for _ in range(3):
            clock.advance(70)
            for job in call("pop", ["work", "busy", "fair"], "other", 20, {"nonce": "m"})["jobs"]:
                call("complete", job["jid"], job["lease"], "", "", "")
                ran.add(job["jid"])
        # At most the jobs behind one damaged index are missing.
        assert len(ran) >= 5, key


def found_after_repair(redis: redis_py.Redis) -> list[fsck.Finding]:
    for _ in range(6):
        found = fsck.check(redis)
        if not fsck.repair(redis, "ql", found):
            break
    return fsck.check(redis)


@pytest.mark.parametrize("mutate", [junk, damaged])
def test_a_check_survives_any_content_of_any_key_and_repairs_it(
    call: Scripts, clock: Clock, mutate: Mutation
) -> None:
    keyspace = Keyspace(call, clock)
    for pattern, key in keyspace.one_of_each.items():
        keyspace.damage(key, mutate)

        left = found_after_repair(call.redis)

        assert {finding.kind for finding in left} <= {"quarantined"}, (pattern, left)
        assert all(fsck.why_left(finding) for finding in left)
        fsck.discard(call.redis, "ql")
        kept = call.redis.keys("{ql}:quarantine*")
        assert kept == [], pattern


def spoil(redis: redis_py.Redis, name: str) -> None:
    redis.set("{ql}:" + name, "junk \xff")


def test_an_unreadable_job_is_set_aside_with_its_bytes_and_all_others_run(call: Scripts) -> None:
    for jid in ("a", "b", "c"):
        call("put", "q", jid, "K", "{}", {})
    spoil(call.redis, "job:b")

    jobs = call("pop", ["q"], "w", 9, {})["jobs"]

    assert [job["jid"] for job in jobs] == ["a", "c"]
    assert call.redis.get("{ql}:quarantine:job:b") == "junk \xff".encode()
    assert call.redis.zrange("{ql}:quarantined", 0, -1) == [b"job:b"]
    assert [finding.kind for finding in fsck.check(call.redis)] == ["quarantined"]


@pytest.mark.parametrize("seen", ["read before", "not read before"])
def test_cancel_removes_an_unreadable_job_and_releases_its_dependents(
    call: Scripts, seen: str
) -> None:
    call("put", "q", "a", "K", "{}", {"delay": 60_000})
    call("put", "q", "child", "K", "{}", {"depends": ["a"], "on_parent_failed": "run"})
    spoil(call.redis, "job:a")
    if seen == "read before":
        call("read/job", "a")

    assert call("cancel", ["a"], "") == ["a"]
    found_after_repair(call.redis)

    assert fsck.check(call.redis) == []
    assert call("read/job", "child")["state"] == "waiting"
    assert call("put", "q", "a", "K", "{}", {})[0] == "a"


def test_an_unreadable_recurring_job_is_set_aside_and_can_be_removed(call: Scripts) -> None:
    call("recur", "q", "bad", "K", "{}", 60_000, 0, {})
    call("recur", "q", "good", "K", "{}", 60_000, 0, {})
    spoil(call.redis, "recurring:bad")

    assert [job["jid"] for job in call("pop", ["q"], "w", 9, {})["jobs"]] == ["good-1"]
    assert call.redis.zrange("{ql}:quarantined", 0, -1) == [b"recurring:bad"]
    assert call("recur_cancel", "bad") is True
    assert call("recur_cancel", "bad") is False
    assert fsck.check(call.redis) == []


def test_copies_of_one_key_do_not_overwrite_each_other(call: Scripts) -> None:
    for content in ("one", "two"):
        call.redis.set("{ql}:job:a", content)
        call("read/job", "a")
        call("cancel", ["other"], "")
        call("put", "q", "a", "K", "{}", {})

    assert call.redis.zrange("{ql}:quarantined", 0, -1) == [b"job:a", b"job:a#2"]
    assert call.redis.get("{ql}:quarantine:job:a#2") == b"two"


def test_a_query_reads_an_unreadable_key_as_empty(call: Scripts) -> None:
    call("put", "q", "a", "K", "{}", {})
    for name in ("job:a", "queue:q:scheduled", "tags", "queue:q:days"):
        spoil(call.redis, name)

    assert call("read/job", "a") is False
    assert call("read/counts", "q")["scheduled"] == 0
    assert call("read/tags", 0, 10, 1) == []


def test_lost_tasks_of_maintenance_are_restored(call: Scripts, clock: Clock) -> None:
    call("put", "q", "later", "K", "{}", {"delay": 30_000})
    call("recur", "q", "often", "K", "{}", 40_000, 40_000, {})
    spoil(call.redis, "due")
    clock.advance(60)

    ran = {job["jid"] for _ in range(9) for job in call("pop", ["q"], "w", 9, {})["jobs"]}

    assert ran == {"later", "often-1"}


def test_numbers_go_on_far_above_the_old_ones_when_meta_is_lost(call: Scripts) -> None:
    call("put", "q", "a", "K", "{}", {})
    before = call("pop", ["q"], "w", 1, {})["jobs"][0]["lease"]
    spoil(call.redis, "meta")
    call("put", "q", "b", "K", "{}", {})

    after = call("pop", ["q"], "w", 1, {})["jobs"][0]["lease"]

    assert int(after.split(".")[0]) > int(before.split(".")[0]) + 10**9
    assert call.redis.zrange("{ql}:quarantined", 0, -1) == [b"meta"]


def test_a_repair_pauses_no_queue_that_was_unpaused_or_paused_anew(call: Scripts) -> None:
    call("put", "q", "j", "k", "{}", {})

    assert call("repair", "meta", "paused:q", "", "") is False
    assert not call("read/counts", "q")["paused"]

    call("pause", ["q"], {"reason": "a deployment"})
    assert call("repair", "meta", "paused:q", "", "") is False
    assert call("read/counts", "q")["pause"]["reason"] == "a deployment"
