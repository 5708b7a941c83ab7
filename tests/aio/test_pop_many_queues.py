"""Popping from several queues with the asyncio client."""

from __future__ import annotations

import asyncio

import pytest

from qless_py import BadArgumentError, Client, RoundRobinReserver, aio
from tests.conftest import Clock
from tests.servers import Server


def test_a_pop_from_several_queues(server: Server, client: Client, clock: Clock) -> None:
    for queue in ("a", "b", "mail-1"):
        client.queues[queue].put_many([{"klass": "k"}] * 2)

    async def inside() -> None:
        async with aio.Client(server.url, clock=clock) as made:
            reserver = RoundRobinReserver(["a", "b"], turn=1)
            one = await made.pop(reserver)
            assert one is not None
            assert one.queue_name == "b"
            more = await made.pop(["mail-*", "*"], 3, worker="somebody")
            assert [job.queue_name for job in more] == ["mail-1", "mail-1", "a"]
            assert more[0].worker_name == "somebody"
            assert await made.pop(["nothing-*"]) is None
            with pytest.raises(BadArgumentError):
                await made.pop("a")

    asyncio.run(inside())
