"""A target in a thread of its own, and a way to perform one job as a worker does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.result import Transition
from qless_py.push.performer import HttpRequests
from tests.push.servers import Recorder, recording

ALLOWED = ("127.0.0.0/8",)
Perform = Callable[..., Job]


@pytest.fixture
def target() -> Iterator[Recorder]:
    """Serve on a port of this machine; `target.answers` are given in turn, then 200."""
    ready = threading.Event()
    made: list[Recorder] = []
    ends: list[Callable[[], object]] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(end.set))
        async with recording() as recorder:
            made.append(recorder)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    yield made[0]
    ends[0]()
    thread.join(10)


@pytest.fixture
def perform(client: Client) -> Perform:
    """Pop the next job of a queue, perform it as a worker does, and return it as it is then."""

    def run(queue: str = "hooks", **options: Any) -> Job:
        given = {"allow_targets": ALLOWED, **options}
        executor = Executor(HandlerOptions(performer=HttpRequests(**given)))
        job = client.queues[queue].pop()
        assert job is not None, client.queues[queue].counts
        try:
            transition = Transition.returned(job, executor.run(job))
        except BaseException as error:  # noqa: BLE001 - as a worker does
            transition = Transition.raised(job, error)
        if transition.call is not None:
            client.runner.run(transition.call)
        found = client.jobs[job.jid]
        assert isinstance(found, Job)
        return found

    return run
