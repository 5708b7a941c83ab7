"""A canceled task ends, at whatever await of the client it was canceled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from qless_py import Client, aio
from tests.servers import Server

TIMES = 25


@pytest.mark.any_server
@pytest.mark.parametrize("what", ["wait", "put", "listen", "read"])
def test_a_task_canceled_at_any_moment_ends(client: Client, server: Server, what: str) -> None:
    client.queues["q"].put("app.x", jid="j")

    async def listen(asynchronous: aio.Client) -> None:
        async with asynchronous.events.listen() as events:
            async for _ in events:
                pass

    async def forever(call: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await call()

    async def canceled_after(asynchronous: aio.Client, steps: int) -> bool:
        job = await asynchronous.job("j")
        calls: dict[str, Callable[[], Any]] = {
            "wait": job.wait,
            "listen": lambda: listen(asynchronous),
            "read": lambda: forever(lambda: asynchronous.job("j")),
            "put": lambda: forever(lambda: asynchronous.queues["q"].put("app.x", jid="k")),
        }
        task = asyncio.ensure_future(calls[what]())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=20)
        return bool(ended) and task.cancelled()

    async def main() -> list[bool]:
        asynchronous = aio.Client(server.url, clock=client.runner.clock)
        async with asynchronous:
            return [await canceled_after(asynchronous, steps) for steps in range(TIMES)]

    assert asyncio.run(main()) == [True] * TIMES
