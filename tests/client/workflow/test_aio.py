"""Workflows, deciders and nested batches through the asyncio client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from qless_py import Client, aio
from qless_py.aio.workflow import parent_results
from qless_py.client.workflow import Workflow, chain, group, step
from qless_py.errors import AlreadyExistsError, CycleError
from tests.client.workflow.simulated_worker import KLASS, QUEUE, Crew
from tests.client.workflow.test_decider import Fan
from tests.conftest import Clock
from tests.servers import Server

Body = Callable[[aio.Client], Awaitable[None]]
Run = Callable[[Body], None]


@pytest.fixture
def run(server: Server, clock: Clock, client: Client) -> Run:
    """Run a coroutine with a client for asyncio over the same keyspace as `client`."""
    del client

    def runs(body: Body) -> None:
        async def main() -> None:
            async with aio.Client(server.url, clock=clock) as opened:
                await body(opened)

        asyncio.run(main())

    return runs


def workflow() -> Workflow:
    a, b, c, d = (step(QUEUE, KLASS, name=name) for name in "abcd")
    return Workflow("w", chain(a, group(b, c), d))


def test_a_workflow_is_submitted_looked_at_retried_and_canceled(run: Run, client: Client) -> None:
    broken = {"b"}
    crew = Crew(client, fails=lambda name: name in broken)

    async def body(opened: aio.Client) -> None:
        submitted = await opened.workflows.submit(workflow())
        await opened.workflows.submit(workflow())
        crew.run()
        status = await submitted.status()
        assert status is not None
        assert (submitted.name, status["state"]) == ("w", "failed")
        assert status["counts"] == {"complete": 2, "failed": 2}

        broken.clear()
        assert await submitted.retry() == ["b", "d"]
        crew.once()
        job = await opened.queues[QUEUE].pop()
        assert job is not None
        assert (job.jid, await parent_results(job)) == (submitted.jid("d"), {"b": "b", "c": "c"})
        assert await opened.workflows["w"].cancel() == 1
        assert submitted.tag in job.tags

    run(body)


def test_invalid_calls_are_rejected_here_too(run: Run) -> None:
    async def body(opened: aio.Client) -> None:
        with pytest.raises(CycleError):
            await opened.workflows.submit(Workflow("x").step("a", QUEUE, KLASS, after="a"))
        await opened.workflows.submit(workflow())
        with pytest.raises(AlreadyExistsError):
            await opened.workflows.submit(Workflow("w"))
        assert await opened.workflows["x"].status() is None

    run(body)


def test_a_decider_begins_and_branches(run: Run) -> None:
    async def body(opened: aio.Client) -> None:
        name = await Fan.begin(opened, QUEUE, {"deep": True})
        steps: list[Any] = []
        while (job := await opened.queues[QUEUE].pop()) is not None:
            steps.append(job["step"])
            await job.complete(result=await job.perform())
        status = await opened.workflows[name].status()
        assert (steps[0], steps[-1], len(steps)) == ("fan", "meet", 8)
        assert status is not None
        assert status["state"] == "complete"

    run(body)


def test_a_batch_within_another_and_a_member_that_adds(run: Run) -> None:
    async def body(opened: aio.Client) -> None:
        outer = await opened.batch("outer")
        async with outer, await opened.batch("inner", within=outer.name) as inner:
            await inner.put(QUEUE, KLASS)
        job = await opened.queues[QUEUE].pop()
        assert job is not None
        await job.own_batch().put(QUEUE, KLASS, {"n": 1})
        await job.complete()
        status = await outer.status()
        assert status is not None
        assert (status["state"], status["pending"]) == ("closed", 1)

    run(body)
