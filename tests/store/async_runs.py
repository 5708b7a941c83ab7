"""Run tests of the asyncio runner, each in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from qless_py import store
from qless_py.store.async_runner import AsyncRunner
from qless_py.store.resend import ResendPolicy
from tests.store.calls import QUICK

Test = Callable[[AsyncRunner], Awaitable[None]]


def run(url: str, test: Test, *, policy: ResendPolicy = QUICK, **options: Any) -> None:
    """Run a test in an event loop of its own, with a runner for the URL."""

    async def main() -> None:
        async with store.connect_async(url, **options) as connection:
            await test(AsyncRunner(connection, "ql", policy=policy))

    asyncio.run(main())
