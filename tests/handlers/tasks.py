"""Functions used as handlers."""

from __future__ import annotations

import asyncio
from typing import Any

import qless_py
from qless_py import Backoff, RetryPolicy
from tests.handlers.jobs import SEEN, noting


@qless_py.job(queue="mail", retries=2, tags=["task"])
def send(to: str, subject: str = "hello", **more: Any) -> str:
    return f"{subject} {to} {sorted(more)}"


@qless_py.job(
    queue="mail",
    retry=RetryPolicy(Backoff.fixed(30)),
    soft_limit=5,
    hard_limit=10,
    middleware=[noting("task")],
)
def fails() -> None:
    raise ValueError("broken")


@qless_py.job
async def later(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@qless_py.job(queue="mail")
def forwards(to: str) -> str:
    job = qless_py.get_current_job()
    assert job is not None
    return f"{job.jid} {send.put(to)}"


@qless_py.job
def yields() -> Any:
    SEEN.append("yields")
    yield 1
