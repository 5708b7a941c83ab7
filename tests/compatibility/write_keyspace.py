"""Write a keyspace that holds everything a namespace can hold, as this version stores it.

    python -m tests.compatibility.write_keyspace FILE

Only the public API is used, so the same program runs on any version. The file has a line of JSON
for each key: its name, its type and its content, all bytes in base64.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import redis as redis_py

import qless_py
from tests import servers

START = 1_700_000_000.0


class Clock:
    """A clock that moves only when asked."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def build(client: qless_py.Client, clock: Clock) -> None:
    """Fill an empty namespace; each jid names what is special about its job."""
    work = client.queues["work"]
    work.put("app.Run", {"n": 1}, jid="waiting", priority=3, tags=["x", "y"])
    work.put("app.Run", {"n": "d" * 3000}, jid="large", codec="msgpack")
    work.put("app.Run", {}, jid="later", delay=60)
    work.put("app.Run", {}, jid="child", depends=["waiting", "later"])
    work.put("app.Run", {}, jid="unique", unique_key="k")
    waiting = client.jobs["waiting"]
    assert isinstance(waiting, qless_py.Job)
    waiting.track()

    busy = client.queues["busy"]
    for jid in ("running", "fails", "ends", "retried"):
        busy.put("app.Run", {"of": jid}, jid=jid, retries=3)
    work.put("app.Run", {}, jid="heir", depends=["ends", "later"])
    jobs = {job.jid: job for job in busy.pop(4)}
    jobs["running"].set_progress({"percent": 40})
    jobs["running"].log("half way", {"by": "hand"})
    jobs["fails"].fail("app.Run:ValueError", "ValueError: nobody eats that")
    jobs["ends"].complete(result={"sum": 42})
    jobs["retried"].retry(30, "app.Run:Timeout", "no answer")

    client.throttles["limit"].set(concurrency=1)
    client.users["ada"].set(weight=2, max_running=5)
    fair = client.queues["fair"]
    for jid in ("holder", "parked", "parked-too"):
        fair.put("app.Run", {}, jid=jid, throttles=["limit"], user="ada")
    fair.put("app.Run", {}, jid="of-bob", user="bob")
    assert {job.jid for job in fair.pop(4)} == {"holder", "of-bob"}

    work.recur("app.Run", {"every": "minute"}, interval=60, jid="interval")
    work.recur("app.Run", {"every": "hour"}, cron="0 * * * *", zone="UTC", jid="cron")

    with client.batch("batch", on_success={"queue": "calls", "klass": "app.Done"}) as batch:
        batch.put("members", "app.Run", {"n": 1}, jid="member-1")
        batch.put("members", "app.Run", {"n": 2}, jid="member-2")
    member = client.queues["members"].pop()
    assert member is not None
    member.complete()

    step = qless_py.step
    steps = (step("flow", "app.Run", name="first"), step("flow", "app.Run", name="second"))
    client.workflows.submit(qless_py.Workflow("flow", qless_py.chain(*steps)))

    for n in range(3):
        busy.put("app.Send", {"n": n}, jid=f"failed-{n}")
    for job in client.queues["busy"].pop(3):
        job.fail("app.Send:Timeout", "no answer")
    # The store holds the klass of what carries this out.
    client.operations.start("retry", "state:failed group:app.Send:Timeout", by="ann")

    client.queues["stopped"].put("app.Run", {}, jid="paused")
    client.queues["stopped"].pause(reason="maintenance")
    client.config["heartbeat"] = 120
    clock.now += 5


def dump(redis: Any) -> list[dict[str, Any]]:
    """Return every key with its type and content."""
    return [
        {"key": _text(key), "type": kind, "content": _content(redis, key, kind)}
        for key in sorted(redis.scan_iter())
        if not key.startswith(b"{ql}:request:") and (kind := redis.type(key).decode())
    ]


def load(redis: redis_py.Redis, lines: list[str]) -> None:
    """Write what `dump` returned into an empty server."""
    for line in lines:
        entry = json.loads(line)
        key, content = _bytes(entry["key"]), entry["content"]
        match entry["type"]:
            case "string":
                redis.set(key, _bytes(content))
            case "list":
                redis.rpush(key, *map(_bytes, content))
            case "set":
                redis.sadd(key, *map(_bytes, content))
            case "hash":
                redis.hset(key, mapping={_bytes(name): _bytes(value) for name, value in content})
            case "zset":
                redis.zadd(key, {_bytes(member): score for member, score in content})
            case other:
                raise ValueError(f"{entry['key']}: unexpected type {other}")


def _content(redis: Any, key: bytes, kind: str) -> Any:
    match kind:
        case "string":
            return _text(redis.get(key))
        case "list":
            return [_text(value) for value in redis.lrange(key, 0, -1)]
        case "set":
            return sorted(_text(value) for value in redis.smembers(key))
        case "hash":
            return sorted([_text(name), _text(value)] for name, value in redis.hgetall(key).items())
        case "zset":
            members = redis.zrange(key, 0, -1, withscores=True)
            return [[_text(member), repr(score)] for member, score in members]
        case other:
            raise ValueError(f"{key!r}: unexpected type {other}")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def main() -> None:
    clock = Clock()
    with servers.running("valkey") as server, server.connect() as redis:
        build(qless_py.Client(server.url, clock=clock, worker_name="old-worker"), clock)
        lines = [json.dumps(entry) for entry in dump(redis)]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
