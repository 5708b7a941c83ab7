"""A receiver in a thread, and a way to deliver what is due as a worker does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.handlers.executor import Executor, HandlerOptions
from qless_py.handlers.result import Transition
from qless_py.push.performer import HttpRequests
from qless_py.webhooks.deliveries import Deliveries
from qless_py.webhooks.dispatcher import Dispatcher
from tests.push.conftest import ALLOWED, target

__all__ = ["target"]  # A fixture.

Deliver = Callable[..., list[Job]]


class _Closing(Deliveries):
    """Closes its connections after each job: each has an event loop of its own here."""

    async def perform(self, job: Any) -> Any:
        try:
            return await super().perform(job)
        finally:
            await self.close()


@pytest.fixture
def deliver(client: Client) -> Deliver:
    """Dispatch all events, run the deliveries that are due, and return them as they are then."""

    def run(*, allow_targets: tuple[str, ...] = ALLOWED) -> list[Job]:
        dispatcher = Dispatcher(client)
        while dispatcher.step():
            pass
        executor = Executor(
            HandlerOptions(performer=_Closing(HttpRequests(allow_targets=allow_targets)))
        )
        found = client.queues["webhooks"].pop(100)
        for job in found:
            try:
                transition = Transition.returned(job, executor.run(job))
            except BaseException as error:  # noqa: BLE001 - as a worker does
                transition = Transition.raised(job, error)
            if transition.call is not None:
                client.runner.run(transition.call)
        after = [client.jobs[job.jid] for job in found]
        return [job for job in after if isinstance(job, Job)]

    return run
