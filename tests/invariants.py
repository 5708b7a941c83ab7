"""Run fsck after every test: no transition may leave a broken keyspace."""

from __future__ import annotations

import redis as redis_py

from qless_py import fsck


def findings(redis: redis_py.Redis) -> list[fsck.Finding]:
    """Check every namespace that the server holds."""
    namespaces = sorted(key[1:-6] for key in redis.scan_iter(match=b"{*}:meta", count=10_000))
    return [one for name in namespaces for one in fsck.check(redis, name.decode())]


def assert_sound(redis: redis_py.Redis) -> None:
    """Fail with everything that is wrong, for use in the middle of a test."""
    found = findings(redis)
    assert not found, "\n".join(map(str, found))
