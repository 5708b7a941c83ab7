"""The event loop in which a handler that is `async def` runs when its thread runs nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final

from qless_py.errors import LostLeaseError, ProcessStop, SoftLimitError
from qless_py.handlers import exceptions
from qless_py.handlers.interrupt import RUNS_ALONE

_INTERRUPTS: Final = (ProcessStop, LostLeaseError, SoftLimitError)


def run_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in an event loop of its own."""
    loop = KeptLoop()
    try:
        return loop.run(coroutine)
    finally:
        loop.close()


class KeptLoop:
    """An event loop that runs one coroutine after the other, so that connections stay usable.

    Clients for asyncio belong to the loop in which they connected: with a loop for each job, a
    client that a module has made would fail in the second one. Tasks that a coroutine leaves behind
    are canceled at its end. After an interrupt that has hit the loop itself there is a new one.
    """

    def __init__(self) -> None:
        self._owner = _thread()
        self._runner: asyncio.Runner | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the caller is in the thread and the process that this loop belongs to."""
        return self._owner == _thread()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine and return its value; raises what it raises, or an interrupt."""
        main = _MainTask(coroutine)
        runner = self._runner = self._runner or asyncio.Runner()
        loop = runner.get_loop()
        loop.set_exception_handler(main.on_error)
        try:
            # Each with variables of its own: the runner would use one context for all of them.
            context = contextvars.copy_context()
            context.run(RUNS_ALONE.set, True)  # noqa: FBT003 - its only argument
            runner.run(main.run(), context=context)
            runner.run(_cancel_other_tasks())
        except asyncio.CancelledError:
            runner.run(_cancel_other_tasks())
            if main.interrupt is not None:
                raise main.interrupt from None
            raise
        except BaseException:
            self.close()  # An interrupt has hit the loop itself.
            raise
        if main.error is not None:
            raise main.error
        return main.value

    def close(self) -> None:
        """Close the loop; the next coroutine gets another one."""
        runner, self._runner = self._runner, None
        if runner is not None and self.is_usable:
            runner.close()


class _MainTask:
    """The task that runs a handler in a loop of its own, and how the handler ended.

    That is not the result of the task: asyncio calls the repr of results, which may raise.

    An interrupt that a signal raises inside a callback of the loop would only be logged by the
    loop. Here it cancels the task and is kept as `interrupt`.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.interrupt: BaseException | None = None
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None

    async def run(self) -> None:
        """Await the coroutine and keep what it returned or raised."""
        self._task = asyncio.current_task()
        try:
            self.value = await self._coroutine
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            self.error = error

    def on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception that no code has caught."""
        error = context.get("exception")
        if error is None or self.interrupt is not None or not _is_interrupt(error):
            loop.default_exception_handler(context)
            return
        self.interrupt = error
        if self._task is not None:
            self._task.cancel()


async def _cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_interrupt(error: BaseException | None) -> bool:
    if error is None:
        return False
    return any(exceptions.is_a(one, _INTERRUPTS) for one in exceptions.members(error))


def _thread() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
