"""One event loop for the coroutines of a thread: what stays between them, and what does not."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qless_py import Client, GracefulStop, SoftLimitError, aio
from qless_py.handlers.event_loop import KeptLoop, run_once
from qless_py.handlers.executor import Executor, HandlerOptions
from tests.servers import Server

NAMED = contextvars.ContextVar("NAMED", default="nothing")


@pytest.fixture
def loop() -> Iterator[KeptLoop]:
    kept = KeptLoop()
    yield kept
    kept.close()


async def loop_id() -> int:
    return id(asyncio.get_running_loop())


async def fail(error: BaseException) -> None:
    raise error


def test_a_client_of_a_module_works_in_each_coroutine(
    loop: KeptLoop, client: Client, server: Server
) -> None:
    shared = aio.Client(server.url, clock=client.runner.clock)

    async def put(number: int) -> str:
        return await shared.queues["q"].put("app.x", number)

    jids = [loop.run(put(number)) for number in range(4)]

    assert len({*jids}) == client.queues["q"].counts["waiting"] == 4
    loop.run(shared.close())


def test_an_executor_keeps_its_loop_only_if_asked(client: Client) -> None:
    executor = Executor(HandlerOptions(allow_any=True))
    seen: list[int] = []
    for _ in range(2):
        client.queues["q"].put("tests.handlers.test_event_loop.sees_its_loop")
        job = client.queues["q"].pop()
        assert job is not None
        executor.keep_loop() if not seen else None
        seen.append(executor.run(job))
    executor.close()

    assert seen[0] == seen[1]


async def sees_its_loop(_job: Any) -> int:
    return await loop_id()


def test_tasks_that_a_coroutine_leaves_behind_are_canceled(loop: KeptLoop) -> None:
    ended: list[str] = []

    async def forget() -> None:
        ended.append("begun")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("canceled")
            raise

    async def leave() -> None:
        ended.append(str(asyncio.create_task(forget()).done()))
        await asyncio.sleep(0)

    loop.run(leave())

    assert ended == ["False", "begun", "canceled"]


def test_context_variables_do_not_reach_the_next_coroutine(loop: KeptLoop) -> None:
    async def name() -> str:
        before = NAMED.get()
        NAMED.set("mine")
        return before

    assert [loop.run(name()) for _ in range(2)] == ["nothing", "nothing"]


@pytest.mark.parametrize("error", [ValueError("x"), SoftLimitError(), asyncio.CancelledError()])
def test_a_coroutine_that_raises_leaves_the_loop_to_the_next(
    loop: KeptLoop, error: BaseException
) -> None:
    first = loop.run(loop_id())

    with pytest.raises(type(error)):
        loop.run(fail(error))

    assert loop.run(loop_id()) == first


def test_an_interrupt_of_the_loop_itself_costs_the_loop_only(loop: KeptLoop) -> None:
    async def interrupt_the_loop() -> None:
        running = asyncio.get_running_loop()
        running._run_once = fail_now  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    with pytest.raises(GracefulStop):
        loop.run(interrupt_the_loop())

    assert loop.run(loop_id())


def fail_now() -> None:
    raise GracefulStop


def test_another_thread_is_no_user_of_the_loop(loop: KeptLoop) -> None:
    usable: list[bool] = []
    thread = threading.Thread(target=lambda: usable.append(loop.is_usable))
    thread.start()
    thread.join()

    assert usable == [False]
    assert loop.is_usable


def test_a_canceled_coroutine_is_canceled_for_its_caller() -> None:
    with pytest.raises(asyncio.CancelledError):
        run_once(fail(asyncio.CancelledError()))
