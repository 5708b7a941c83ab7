"""A namespace with jobs in every state and everything that can belong to a job."""

from collections.abc import Mapping
from typing import Any, Final

from tests.script_runner import Scripts

# By server, time and namespace.
_DUMPS: Final[dict[tuple[str, float, str], dict[Any, Any]]] = {}


def lease_of(call: Scripts, jid: str) -> str:
    """Return the present lease of a job."""
    return str(call("read/job", jid)["lease"])


def populate(call: Scripts) -> None:
    """Fill an empty namespace; every job is named after what is special about it.

    Hundreds of tests do. The scripts run once, and their keys are restored in one round trip then.
    """
    redis = call.redis
    made_for = str(redis.get_connection_kwargs().get("path")), call.clock(), call.namespace
    if made_for not in _DUMPS:
        _populate(call)
        _DUMPS[made_for] = {
            key: redis.dump(key) for key in redis.scan_iter() if redis.ttl(key) == -1
        }
        assert len(_DUMPS[made_for]) == redis.dbsize()
        return
    with redis.pipeline() as pipeline:
        for key, dump in _DUMPS[made_for].items():
            pipeline.restore(key, 0, dump)
        pipeline.execute()


def _populate(call: Scripts) -> None:
    call("config_set", "event-stream", "1000")
    call("put", "work", "tracked", "K", "{}", {"tags": ["x", "y"], "priority": 3})
    call("track", "tracked")
    call("put", "work", "plain", "K", "{}", {"tags": ["x"]})
    call("put", "work", "apart", "K", "d" * 3000, {})
    call("put", "work", "later", "K", "{}", {"delay": 60_000})
    call("put", "work", "parent", "K", "{}", {"delay": 90_000})
    call("put", "work", "child", "K", "{}", {"depends": ["parent", "later"]})
    _put_with_keys(call)
    _open_batches(call)
    call("recur", "work", "tick", "K", "{}", 60_000, 30_000, {})
    now = round(call.clock() * 1000)
    by_cron = {"cron": "* * * * *", "zone": "UTC", "after": now, "ticks": [now + 60_000]}
    call("recur", "work", "cron", "K", "{}", 0, 0, {**by_cron, "group": "deployed"})
    for jid in ("runs", "fails", "ends"):
        call("put", "busy", jid, "K", "{}", {})
    call("put", "work", "heir", "K", "{}", {"depends": ["ends", "parent"]})
    call("pop", ["busy"], "worker", 3, {"nonce": "n"})
    call("fail", "fails", lease_of(call, "fails"), "group", "message", "")
    call("complete", "ends", lease_of(call, "ends"), "", "result", "")
    call("progress", "runs", lease_of(call, "runs"), "half")
    call("worker_register", "worker", "n", "info")
    call("put", "work", "gone", "K", "d" * 2000, {"tags": ["x"]})
    call("cancel", ["gone"], {"by": "ann", "reason": "r"})
    call("bulk", "priority", ["later"], {"priority": 2, "undo": "u"})
    _crowd(call)
    call("pause", ["stopped"], {"until": round(call.clock() * 1000) + 5000, "reason": "r"})


def _crowd(call: Scripts) -> None:
    """Put jobs with users and throttles: one runs, and two are parked behind its slot."""
    call("user_set", "ada", {"weight": 2, "max_running": 5})
    entry = {"who": "ann", "door": "dashboard", "action": "user set", "targets": "ada"}
    call("audit_add", {**entry, "outcome": "done"})
    call("webhook_add", "hook", {"url": "http://h/", "key": "k", "codec": "json"})
    call("token_create", "t0", "0" * 64, {"name": "n", "scopes": ["put"], "queues": ["work*"]})
    call("deploy_mark", "v1", {"by": "ada"})
    call("throttle_set", "limit", {"concurrency": 1})
    call("throttle_set", "queue:fair", {"concurrency": 9})
    call("put", "fair", "holder", "K", "{}", {"throttles": ["limit"], "user": "ada"})
    call("pop", ["fair"], "worker", 1, {"nonce": "n"})
    call("put", "fair", "parked", "K", "{}", {"throttles": ["limit"], "user": "ada"})
    call("put", "fair", "nobodys", "K", "{}", {"throttles": ["limit"]})
    call("pop", ["fair"], "worker", 1, {"nonce": "n"})
    call("put", "fair", "adas", "K", "{}", {"user": "ada", "priority": 2})
    call("put", "fair", "bobs", "K", "{}", {"user": "bob", "throttles": ["unlimited"]})


def _put_with_keys(call: Scripts) -> None:
    call("put", "work", "keyed", "K", "{}", {"unique": {"key": "k", "scope": "queued"}})
    window: Mapping[str, Any] = {"key": "w", "scope": "window", "window": 50_000}
    call("put", "work", "window", "K", "{}", {"unique": window, "delay": 70_000})


def _open_batches(call: Scripts) -> None:
    callback = {"queue": "work", "jid": "after", "klass": "K", "data": 1}
    call("batch_open", "batch", {"on_complete": callback}, "{}")
    call("put", "work", "member", "K", "{}", {"batch": "batch"})
    call("batch_open", "closed", {})
    call("put", "work", "last", "K", "{}", {"batch": "closed"})
    call("batch_close", "closed")
