"""The jobs in taskiq, on its list broker; results are not stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import jobs
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(f"unix://{jobs.SOCKET}", queue_name="bench")


@broker.task(task_name="no_op")
async def no_op(data: jobs.Data) -> None:
    """Do nothing."""
    jobs.no_op(data)


@broker.task(task_name="record_wait")
async def record_wait(sent: float) -> None:
    """Record the seconds since the put."""
    jobs.record_wait(sent)


async def put_all(items: Sequence[jobs.Data]) -> None:
    """Put jobs one by one."""
    for data in items:
        await no_op.kiq(data)


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        jobs.main(
            lambda items: runner.run(put_all(items)),
            lambda sent: runner.run(record_wait.kiq(sent)),
        )
