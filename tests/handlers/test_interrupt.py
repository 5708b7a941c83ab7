"""Exceptions that are raised inside a running handler from outside."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from qless_py import SoftLimitError
from qless_py.handlers.event_loop import run_once
from qless_py.handlers.interrupt import SoftLimit
from qless_py.handlers.outcomes import deciding

PROFILED_AFTERWARDS = """
import sys
from qless_py.handlers.interrupt import InterruptibleBlock

block = InterruptibleBlock()
try:
    with block:
        block.interrupt(TimeoutError)
        for _ in range(100):
            pass
except TimeoutError:
    print("interrupted")

def job():
    return 1

sys.setprofile(lambda *_: None)
job()
sys.setprofile(None)
print("profiled")
"""


def test_a_thread_that_was_interrupted_can_be_profiled_afterwards() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROFILED_AFTERWARDS],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.stdout.split() == ["interrupted", "profiled"], done.stderr


async def never_awaits() -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pass


async def awaits_one_that_never_does() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(never_awaits())
        await asyncio.sleep(30)


@pytest.mark.parametrize("coroutine", [never_awaits, awaits_one_that_never_does])
def test_a_soft_limit_ends_a_coroutine_that_never_awaits(
    coroutine: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    async def limited() -> None:
        async with SoftLimit(0.05):
            await coroutine()

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises((SoftLimitError, ExceptionGroup)) as raised:
        run_once(limited())

    assert isinstance(deciding(raised.value), SoftLimitError)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_coroutine_that_cleans_up_after_its_limit_is_not_disturbed() -> None:
    cleaned: list[bool] = []

    async def limited() -> None:
        async with SoftLimit(0.02):
            try:
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.3)
                cleaned.append(True)

    with pytest.raises(SoftLimitError):
        run_once(limited())

    assert cleaned == [True]


def test_limits_of_coroutines_that_share_a_loop_leave_the_alarm_alone() -> None:
    before = signal.getsignal(signal.SIGALRM)

    async def limited(seconds: float) -> bool:
        async with SoftLimit(60):
            await asyncio.sleep(seconds)
            return signal.getsignal(signal.SIGALRM) == before

    async def several() -> list[bool]:
        return await asyncio.gather(*(limited(seconds) for seconds in (0.01, 0.03, 0.02)))

    assert asyncio.run(several()) == [True, True, True]
