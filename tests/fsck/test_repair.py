"""fsck finds damage made behind the scripts' back and repairs it from the jobs' records."""

import math
from collections.abc import Callable

import msgpack
import pytest
import redis as redis_py

from qless_py import fsck
from qless_py.fsck import Finding
from tests import invariants, servers
from tests.conftest import Clock
from tests.script_runner import Scripts, record

pytestmark = pytest.mark.slow

Damage = Callable[[redis_py.Redis], object]


def key(name: str) -> str:
    return "{ql}:" + name


def rewrite(redis: redis_py.Redis, jid: str, **changes: object) -> None:
    """Change fields of a stored job, behind everybody's back; None takes a field away.

    The job becomes a map, as jobs once were: that can hold any damage.
    """
    stored = redis.get(key(f"job:{jid}"))
    assert isinstance(stored, bytes)
    fields = record(stored) | changes
    data = fields.pop("data")
    kept = {name: value for name, value in fields.items() if value is not None}
    packed = msgpack.packb(kept, use_bin_type=False)
    redis.set(key(f"job:{jid}"), len(packed).to_bytes(4, "big") + packed + data)


def order_of(redis: redis_py.Redis, jid: str) -> bytes:
    stored = redis.get(key(f"job:{jid}"))
    assert isinstance(stored, bytes)
    return bytes(record(stored)["order"])


def waiting_member(redis: redis_py.Redis, jid: str) -> bytes:
    return order_of(redis, jid) + jid.encode()


# What is done to the store, and the kind under which it must be found.
DAMAGE: dict[str, tuple[str, Damage]] = {
    "copy of a canceled job gone": (
        "canceled",
        lambda redis: redis.delete(key("canceled:gone:job")),
    ),
    "copy of a canceled job not listed": (
        "canceled",
        lambda redis: redis.zrem(key("canceled"), "gone"),
    ),
    "stray bytes behind a job": (
        "unreadable",
        lambda redis: redis.append(key("job:plain"), "stray"),
    ),
    "stray bytes behind a recurring job": (
        "unreadable",
        lambda redis: redis.append(key("recurring:tick"), "stray"),
    ),
    "stray bytes behind a canceled job": (
        "unreadable",
        lambda redis: redis.append(key("canceled:gone:job"), "stray"),
    ),
    "data of a canceled job gone": (
        "canceled",
        lambda redis: redis.delete(key("canceled:gone:data")),
    ),
    "part of a canceled job too many": (
        "canceled",
        lambda redis: redis.set(key("canceled:gone:progress"), "x"),
    ),
    "undo without an end": ("undo", lambda redis: redis.zrem(key("undos"), "u")),
    "waiting job out of its queue": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:work:waiting"), waiting_member(redis, "plain")),
    ),
    "waiting job with another score": (
        "misplaced",
        lambda redis: redis.zadd(key("queue:work:waiting"), {waiting_member(redis, "tracked"): 7}),
    ),
    "waiting twice": (
        "stray",
        lambda redis: redis.zadd(key("queue:work:waiting"), {b"123456789012plain": 0}),
    ),
    "waiting in another queue as well": (
        "stray",
        lambda redis: redis.zadd(key("queue:other:waiting"), {waiting_member(redis, "plain"): 0}),
    ),
    "entry of no job": (
        "stray",
        lambda redis: redis.zadd(key("queue:work:scheduled"), {"nobody": 5}),
    ),
    "job gone, all its entries left": ("stray", lambda redis: redis.delete(key("job:tracked"))),
    "member of a batch gone": ("stray", lambda redis: redis.delete(key("job:member"))),
    "scheduled job out of its queue": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:work:scheduled"), "later"),
    ),
    "running job out of its queue": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:busy:running"), "runs"),
    ),
    "running job off its worker's list": (
        "misplaced",
        lambda redis: redis.zrem(key("worker:worker:jobs"), "runs"),
    ),
    "lease of two lengths": (
        "misplaced",
        lambda redis: redis.zadd(key("worker:worker:jobs"), {"runs": 5}),
    ),
    "waiting job among the running ones": (
        "stray",
        lambda redis: redis.zadd(key("queue:work:running"), {"plain": 5}),
    ),
    "failed job out of its group": ("misplaced", lambda redis: redis.delete(key("failed:group"))),
    "failure group not listed": ("group", lambda redis: redis.delete(key("failed"))),
    "failure group without jobs": (
        "listed",
        lambda redis: redis.zadd(key("failed"), {"imaginary": 5}),
    ),
    "complete job not listed": ("misplaced", lambda redis: redis.delete(key("complete"))),
    "number of a tag": ("tag", lambda redis: redis.zadd(key("tags"), {"x": 9})),
    "tag listed without jobs": ("listed", lambda redis: redis.zadd(key("tags"), {"z": 1})),
    "job not listed under its tag": (
        "misplaced",
        lambda redis: redis.zrem(key("tag:x"), "plain"),
    ),
    "job listed under a foreign tag": (
        "stray",
        lambda redis: redis.zadd(key("tag:y"), {"plain": 1}),
    ),
    "number of tracked jobs": ("tracking", lambda redis: redis.hset(key("meta"), "tracking", "5")),
    "tracked job not listed": ("misplaced", lambda redis: redis.delete(key("tracked"))),
    "job does not wait for its parent": (
        "edge",
        lambda redis: redis.srem(key("dependencies:child"), "later"),
    ),
    "parent does not know its dependent": (
        "edge",
        lambda redis: redis.zrem(key("dependents:parent"), "child"),
    ),
    "waiting for nothing": ("unfounded", lambda redis: redis.delete(key("dependencies:child"))),
    "dependents of a job that is gone": (
        "ended-parent",
        lambda redis: redis.delete(key("job:parent")),
    ),
    "result held for nobody": ("hold", lambda redis: redis.sadd(key("holds:ends"), "nobody")),
    "release not listed": ("release", lambda redis: _release(redis, listed=False)),
    "dependents of no release": (
        "release",
        lambda redis: redis.zadd(key("release:999:dependents"), {"child": 0}),
    ),
    "failure of a job that has none": (
        "attached",
        lambda redis: redis.set(
            key("failure:plain"), msgpack.packb({"group": "g", "message": "m", "when": 1})
        ),
    ),
    "result without a job": ("attached", lambda redis: redis.set(key("result:nobody"), "r")),
    "progress gone": ("attached", lambda redis: redis.delete(key("progress:runs"))),
    "data of another size": ("attached", lambda redis: redis.append(key("data:apart"), "more")),
    "unique key without a job": (
        "unique",
        lambda redis: redis.set(key("unique:k2"), msgpack.packb({"jid": "nobody"})),
    ),
    "unique key of a job that has none": (
        "unique",
        lambda redis: redis.set(key("unique:k3"), msgpack.packb({"jid": "plain"})),
    ),
    "window not listed": ("unique", lambda redis: redis.delete(key("windows"))),
    "counters of a batch": (
        "batch",
        lambda redis: redis.hset(key("batch:batch:record"), "total", 7),
    ),
    "batch not listed": ("batch", lambda redis: redis.delete(key("batches"))),
    "unfinished job not in its batch": (
        "misplaced",
        lambda redis: redis.delete(key("batch:batch:members")),
    ),
    "leases without a due entry": ("due", lambda redis: redis.zrem(key("due"), "leases:busy")),
    "scheduled jobs looked at too late": (
        "due",
        lambda redis: redis.zadd(key("due"), {"scheduled:work": 4e12}),
    ),
    "recurring jobs without a due entry": (
        "due",
        lambda redis: redis.zrem(key("due"), "recurring:work"),
    ),
    "nobody ends the pause": ("due", lambda redis: redis.zrem(key("due"), "pause:stopped")),
    "nobody sweeps": ("due", lambda redis: redis.zrem(key("due"), "sweep")),
    "duty that nobody knows": ("listed", lambda redis: redis.zadd(key("due"), {"dance": 1})),
    "recurring job without a slot": (
        "misplaced",
        lambda redis: redis.delete(key("queue:work:recurring")),
    ),
    "cron job without a slot": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:work:recurring"), "cron"),
    ),
    "cron job with another slot": (
        "misplaced",
        lambda redis: redis.zadd(key("queue:work:recurring"), {"cron": 5}),
    ),
    "cron job for whose ticks nobody is asked": (
        "refill",
        lambda redis: redis.delete(key("refills")),
    ),
    "tick request without a due entry": ("due", lambda redis: redis.zrem(key("due"), "refill")),
    "tick request without a job": (
        "refill",
        lambda redis: redis.zadd(key("refills"), {"nobody": 5}),
    ),
    "recurring job that its group does not know": (
        "refill",
        lambda redis: redis.delete(key("declared:deployed")),
    ),
    "declared job that is gone": (
        "stray",
        lambda redis: redis.sadd(key("declared:deployed"), "nobody"),
    ),
    "slot of no recurring job": ("stray", lambda redis: redis.delete(key("recurring:tick"))),
    "worker that nobody has seen": ("worker", lambda redis: redis.delete(key("workers"))),
    "queue that nobody knows": ("unknown-queue", lambda redis: redis.delete(key("queues"))),
    "klass that nobody knows": (
        "unknown-klass",
        lambda redis: redis.delete(key("klasses:known")),
    ),
    "job that expires": ("expiry", lambda redis: redis.expire(key("job:plain"), 500)),
    "counter of the namespace lags": (
        "sequence",
        lambda redis: redis.hset(key("meta"), "sequence", "1"),
    ),
}
# The same where users and throttles decide who may run.
DAMAGE |= {
    "waiting job out of its lane": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:fair:lane/ada/"), waiting_member(redis, "adas")),
    ),
    "waiting job of a user not listed for all": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:fair:shared"), waiting_member(redis, "adas")),
    ),
    "waiting job of a user with two scores": (
        "misplaced",
        lambda redis: redis.zadd(key("queue:fair:shared"), {waiting_member(redis, "adas"): 7}),
    ),
    "waiting in the lane of another": (
        "stray",
        lambda redis: redis.zadd(key("queue:fair:lane/eve/"), {waiting_member(redis, "adas"): 0}),
    ),
    "waiting in a subqueue without a user": (
        "stray",
        lambda redis: redis.zadd(key("queue:fair:waiting"), {waiting_member(redis, "adas"): 0}),
    ),
    "listed for all without a user": (
        "stray",
        lambda redis: redis.zadd(key("queue:work:shared"), {waiting_member(redis, "plain"): 0}),
    ),
    "parked job out of its lane": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:fair:lane/ada/limit"), waiting_member(redis, "parked")),
    ),
    "parked job not listed in its queue": (
        "misplaced",
        lambda redis: redis.zrem(key("queue:fair:throttled"), "parked"),
    ),
    "parked job not listed by its throttle": (
        "misplaced",
        lambda redis: redis.zrem(key("throttle:limit:parked"), "parked"),
    ),
    "parked on two throttles": (
        "stray",
        lambda redis: redis.zadd(key("throttle:other:parked"), {"parked": 5}),
    ),
    "throttled and not parked": (
        "stray",
        lambda redis: redis.zadd(key("queue:fair:throttled"), {"bobs": 5}),
    ),
    "a lane without a job": (
        "stray",
        lambda redis: redis.zadd(key("queue:fair:lane/bob/limit"), {b"123456789012gone": 0}),
    ),
    "a user left out": ("user", lambda redis: redis.zrem(key("queue:fair:users/"), "ada")),
    "a user left out of a gate": (
        "user",
        lambda redis: redis.zrem(key("queue:fair:users/limit"), "ada"),
    ),
    "a user without jobs": ("user", lambda redis: redis.zadd(key("queue:fair:users/"), {"eve": 0})),
    "a user who sleeps for ever": (
        "user",
        lambda redis: redis.zadd(key("queue:fair:users/"), {"ada": math.inf}),
    ),
    "a user who sleeps, but has room": (
        "due",
        lambda redis: (
            redis.sadd(key("throttle:user:ada:capped"), "fair/"),
            redis.zadd(key("queue:fair:users/"), {"ada": math.inf}),
        ),
    ),
    "a gate that does not know its queue": (
        "parking",
        lambda redis: redis.delete(key("throttle:limit:queues")),
    ),
    "a gate that knows another queue": (
        "parking",
        lambda redis: redis.zadd(key("throttle:limit:queues"), {"work": 5}),
    ),
    "a gate that is open for nobody": (
        "opened",
        lambda redis: redis.zadd(key("queue:fair:open"), {"other": 5}),
    ),
    "a gate that sleeps with users awake": (
        "opened",
        lambda redis: redis.zadd(key("queue:fair:open"), {"limit": math.inf}),
    ),
    "open slots without a due entry": (
        "due",
        lambda redis: set_throttle(redis, "limit", concurrency=2),
    ),
    "tokens without a due entry": (
        "due",
        lambda redis: set_throttle(
            redis, "limit", concurrency=None, rate=1, per=1000, burst=1, tokens=0, at=5
        ),
    ),
    "jobs parked on a throttle that is gone": (
        "due",
        lambda redis: redis.delete(key("throttle:limit:record"), key("throttle:user:ada:record")),
    ),
    "throttle not listed": ("throttle", lambda redis: redis.zrem(key("throttles"), "limit")),
    "throttle listed without limits": (
        "listed",
        lambda redis: redis.zadd(key("throttles"), {"imaginary": 5}),
    ),
    "user with a setting not listed": ("setting", lambda redis: redis.delete(key("users"))),
    "user listed without a setting": (
        "setting",
        lambda redis: redis.zadd(key("users"), {"eve": 5}),
    ),
    "room kept for a job that runs": (
        "reserved",
        lambda redis: set_throttle(
            redis, "limit", reserved={"jid": "holder", "queue": "fair", "until": 9**15, "cost": 1}
        ),
    ),
    "queue that lists a throttle which is not reserved for it": (
        "reserving",
        lambda redis: redis.zadd(key("queue:fair:reserving"), {"limit": 5}),
    ),
    "slot of a job that is gone": (
        "stray",
        lambda redis: redis.zadd(key("throttle:limit:holders"), {"nobody": 5}),
    ),
    "slot of a job that waits": (
        "stray",
        lambda redis: redis.zadd(key("throttle:limit:holders"), {"parked": 5}),
    ),
    "slot of a job without that throttle": (
        "stray",
        lambda redis: redis.zadd(key("throttle:other:holders"), {"holder": 5}),
    ),
    "running job without its slot": (
        "misplaced",
        lambda redis: redis.delete(key("throttle:limit:holders")),
    ),
    "running job without the slot of its user": (
        "misplaced",
        lambda redis: redis.delete(key("throttle:user:ada:holders")),
    ),
    "job excused without a reason": (
        "stray",
        lambda redis: redis.zadd(key("throttle:queue:fair:excused"), {"holder": 5}),
    ),
    "queue not marked as shared": (
        "fair",
        lambda redis: redis.hdel(key("meta"), "fair:fair"),
    ),
    "queue not listed as shared": (
        "fair",
        lambda redis: redis.zrem(key("queues:fair"), "fair"),
    ),
    "weight that is no number": (
        "malformed",
        lambda redis: redis.hset(key("weights"), "ada", "nan"),
    ),
    "token that cannot be read": (
        "unreadable",
        lambda redis: redis.hset(key("tokens"), "t0", "rubbish"),
    ),
    "webhook that cannot be read": (
        "unreadable",
        lambda redis: redis.hset(key("webhooks"), "hook", "rubbish"),
    ),
    "webhook without its keys": (
        "malformed",
        lambda redis: redis.hset(key("webhooks"), "hook", msgpack.packb({"url": "http://h/"})),
    ),
    "failure group whose record cannot be read": (
        "unreadable",
        lambda redis: redis.hset(key("groups:records"), "group", "rubbish"),
    ),
    "failure group without its first failure": (
        "malformed",
        lambda redis: redis.hset(key("groups:records"), "group", msgpack.packb({"count": 1})),
    ),
    "failure group without a record": (
        "seen-group",
        lambda redis: redis.zadd(key("groups"), {"other": 1}),
    ),
    "record of a failure group that is not listed": (
        "seen-group",
        lambda redis: redis.zrem(key("groups"), "group"),
    ),
    "deploy marker that cannot be read": (
        "unreadable",
        lambda redis: redis.hset(key("deploys"), "1", "rubbish"),
    ),
    "deploy marker without a time": (
        "malformed",
        lambda redis: redis.hset(key("deploys"), "1", msgpack.packb({"name": "v1"})),
    ),
    "token without its digest": (
        "malformed",
        lambda redis: redis.hset(key("tokens"), "t0", msgpack.packb({"name": "n"})),
    ),
    "virtual time that is no number": (
        "malformed",
        lambda redis: redis.hset(key("meta"), "fair:fair", "soon"),
    ),
}


# What nobody can read: repair sets it aside.
SET_ASIDE: dict[str, tuple[str, Damage]] = {
    "copy of a canceled job unreadable": (
        "unreadable",
        lambda redis: redis.set(key("canceled:gone:job"), "x"),
    ),
    "key of another type": ("wrong-type", lambda redis: redis.sadd(key("tag:odd"), "plain")),
    "value that cannot be read": ("unreadable", lambda redis: redis.set(key("job:odd"), "rubbish")),
    "unknown state": ("malformed", lambda redis: rewrite(redis, "plain", state="dreaming")),
    "no klass": ("malformed", lambda redis: rewrite(redis, "plain", klass=None)),
    "history that is no list": ("malformed", lambda redis: rewrite(redis, "plain", history="put")),
    "throttle that cannot be read": (
        "unreadable",
        lambda redis: redis.set(key("throttle:other:record"), "rubbish"),
    ),
    "release that cannot be read": (
        "unreadable",
        lambda redis: (
            redis.set(key("release:7:record"), "rubbish"),
            redis.zadd(key("releases"), {"7": 5}),
            redis.zrem(key("dependents:parent"), "child"),
        ),
    ),
}


# What only people can judge: it is reported, and repair leaves it alone.
BEYOND_REPAIR: dict[str, tuple[str, Damage]] = {
    "key outside the layout": ("foreign", lambda redis: redis.set(key("strange"), "1")),
    "name outside the rule": ("foreign", lambda redis: redis.set(key("data:a b"), "1")),
    "running without a lease": ("malformed", lambda redis: rewrite(redis, "runs", lease=None)),
    "parked on nothing": ("malformed", lambda redis: rewrite(redis, "parked", gate=None)),
    "gate of a job that waits": (
        "malformed",
        lambda redis: rewrite(redis, "plain", gate="limit"),
    ),
    "throttle that cannot be": (
        "malformed",
        lambda redis: set_throttle(redis, "limit", concurrency=-1),
    ),
    "lane outside the rule": ("foreign", lambda redis: redis.zadd(key("queue:a:lane/x"), {"j": 1})),
    "much data inline": ("malformed", lambda redis: rewrite(redis, "plain", data=b"x" * 2000)),
}


def set_throttle(redis: redis_py.Redis, throttle: str, **changes: object) -> None:
    """Change the record of a throttle, behind everybody's back; None takes a field away."""
    stored = redis.get(key(f"throttle:{throttle}:record"))
    settings = (msgpack.unpackb(stored) if isinstance(stored, bytes) else {}) | changes
    packed = msgpack.packb({name: one for name, one in settings.items() if one is not None})
    redis.set(key(f"throttle:{throttle}:record"), packed)


def _release(redis: redis_py.Redis, *, listed: bool) -> None:
    redis.set(key("release:7:record"), msgpack.packb({"parent": "ends", "reason": "complete"}))
    redis.zadd(key("release:7:dependents"), {"plain": 0})
    if listed:
        redis.zadd(key("releases"), {"7": 5})


def repaired(redis: redis_py.Redis) -> list[Finding]:
    """Repair until nothing changes any more; one repair may bring another fault to light."""
    for _ in range(4):
        found = fsck.check(redis)
        if not found or not fsck.repair(redis, "ql", found):
            return found
    return fsck.check(redis)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_repaired(populated: Scripts, damage: str) -> None:
    invariants.assert_sound(populated.redis)
    kind, inflict = DAMAGE[damage]
    inflict(populated.redis)

    found = fsck.check(populated.redis)
    left = repaired(populated.redis)

    assert kind in {finding.kind for finding in found}, found
    assert not left, left


@pytest.mark.corrupts
@pytest.mark.parametrize("damage", BEYOND_REPAIR)
def test_damage_that_needs_a_decision_is_reported_and_left_alone(
    populated: Scripts, damage: str
) -> None:
    kind, inflict = BEYOND_REPAIR[damage]
    inflict(populated.redis)
    before = populated.redis.dbsize()

    found = fsck.check(populated.redis)
    left = repaired(populated.redis)

    assert kind in {finding.kind for finding in found}, found
    assert kind in {finding.kind for finding in left}, left
    assert populated.redis.dbsize() >= before


@pytest.mark.corrupts
@pytest.mark.parametrize("damage", SET_ASIDE)
def test_what_nobody_can_read_is_set_aside_until_it_is_discarded(
    populated: Scripts, damage: str
) -> None:
    kind, inflict = SET_ASIDE[damage]
    inflict(populated.redis)

    found = fsck.check(populated.redis)
    left = repaired(populated.redis)

    assert kind in {finding.kind for finding in found}, found
    assert [finding.kind for finding in left] == ["quarantined"], left
    assert len(fsck.discard(populated.redis, "ql")) == 1
    assert fsck.check(populated.redis) == []


# The repair of the same damage, and the scripts that run the jobs, are tested on both servers.
@pytest.mark.any_server
@pytest.mark.parametrize("damage", DAMAGE)
def test_jobs_still_run_after_a_repair(populated: Scripts, clock: Clock, damage: str) -> None:
    DAMAGE[damage][1](populated.redis)
    repaired(populated.redis)
    clock.advance(200)

    ran = drain(populated, clock)

    gone = {"job gone, all its entries left": {"tracked"}, "member of a batch gone": {"member"}}
    gone["dependents of a job that is gone"] = {"parent"}
    everybody = {"tracked", "plain", "apart", "later", "parent", "child", "keyed", "window"}
    everybody |= {"member", "last", "runs", "heir", "holder", "parked", "nobodys", "adas", "bobs"}
    assert everybody - gone.get(damage, set()) <= ran


def drain(call: Scripts, clock: Clock) -> set[str]:
    """Pop and complete jobs until none is ready or scheduled."""
    ran: set[str] = set()
    for _ in range(40):
        reply = call("pop", ["work", "busy", "fair"], "other", 10, {"nonce": "m"})
        for job in reply["jobs"]:
            call("complete", job["jid"], job["lease"], "", "", "")
            ran.add(job["jid"])
        if not reply["jobs"] and not reply["more"]:
            clock.advance(20)
    return ran


@pytest.mark.corrupts
@pytest.mark.parametrize("jid", ["child", "parent", "keyed", "member", "runs", "tracked"])
def test_an_unreadable_job_does_not_stop_the_repair_of_others(populated: Scripts, jid: str) -> None:
    populated.redis.set(key(f"job:{jid}"), "rubbish")
    populated.redis.srem(key("dependencies:child"), "later")
    populated.redis.zadd(key("tags"), {"x": 9})

    left = repaired(populated.redis)

    assert {finding.kind for finding in left} == {"quarantined"}


def test_lost_data_fails_the_job_visibly(populated: Scripts) -> None:
    populated.redis.delete(key("data:apart"))

    assert repaired(populated.redis) == []
    assert populated("read/failed", "lost-data", 0, 10)["jids"] == ["apart"]


def test_repair_of_a_sound_namespace_changes_nothing(populated: Scripts) -> None:
    assert fsck.repair(populated.redis, "ql", fsck.check(populated.redis)) == []


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("damage", ["leases without a due entry", "lease of two lengths"])
def test_both_resp_versions_work(
    populated: Scripts, server: servers.Server, protocol: int, damage: str
) -> None:
    with redis_py.Redis(unix_socket_path=server.socket, protocol=protocol) as connection:
        assert fsck.check(connection) == []
        DAMAGE[damage][1](populated.redis)

        assert len(fsck.check(connection)) == 1
        assert repaired(connection) == []


def test_other_namespaces_are_not_touched(populated: Scripts) -> None:
    populated.redis.set("{ql2}:strange", "1")
    populated.redis.set("elsewhere", "1")

    assert fsck.check(populated.redis, "ql") == []
    assert [finding.kind for finding in fsck.check(populated.redis, "ql2")] == ["foreign"]
    assert fsck.check(populated.redis, "q*") == []
    populated.redis.delete("{ql2}:strange")
