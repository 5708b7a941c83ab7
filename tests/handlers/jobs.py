"""Handlers for these tests; they append what they did to `SEEN`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

from qless_py import Backoff, Discard, GracefulStop, Job, Retry, RetryPolicy, Snooze, retry
from qless_py.handlers.context import current_job

SEEN: list[Any] = []


class CustomError(Exception):
    """Something of the application."""


class NarrowError(CustomError):
    """A special case of it."""


KINDS: dict[str, type[BaseException]] = {
    "os": OSError,
    "connection": ConnectionError,
    "value": ValueError,
    "custom": CustomError,
    "narrow": NarrowError,
    "exit": SystemExit,
    "stop": GracefulStop,
}


def raises(job: Job) -> None:
    raise KINDS[job["kind"]]("broken")


async def raises_later(job: Job) -> None:
    await asyncio.sleep(0)
    raise KINDS[job["kind"]]("broken")


def gives(job: Job) -> Any:
    return job["give"]


def says(job: Job) -> None:
    outcomes = {"retry": Retry(5), "snooze": Snooze(60), "discard": Discard("no need")}
    raise outcomes[job["say"]]


def retries_because(_job: Job) -> None:
    raise Retry(5) from CustomError("the reason")


def says_nonsense(_job: Job) -> None:
    raise Retry(-1)


class Patient:
    retry = RetryPolicy(Backoff.fixed(10))

    @staticmethod
    def perform(job: Job) -> None:
        raises(job)


class Pipeline:
    """As in qless-py: one method for each queue."""

    @staticmethod
    def first(_job: Job) -> str:
        return "static"

    @classmethod
    def second(cls, _job: Job) -> str:
        return cls.__name__

    def third(self, _job: Job) -> str:
        return type(self).__name__.lower()

    async def fourth(self, _job: Job) -> str:
        await asyncio.sleep(0)
        return "awaited"

    @staticmethod
    def retry(_job: Job) -> str:
        return "of a queue called retry"

    @staticmethod
    def process(_job: Job) -> str:
        return "otherwise"


class Awaitable:
    async def __call__(self, _job: Job) -> str:
        return "called"


callable_object = Awaitable()


def makes_a_coroutine(job: Job) -> Any:
    return Pipeline().fourth(job)


def current(_job: Job) -> tuple[str, str]:
    found = current_job()
    in_thread: list[Any] = []
    thread = threading.Thread(target=lambda: in_thread.append(current_job()))
    thread.start()
    thread.join()
    return found.jid if found else "", repr(in_thread[0])


async def current_later(_job: Job) -> str:
    await asyncio.sleep(0)
    found = current_job()
    return found.jid if found else ""


def noting(name: str) -> Any:
    @contextlib.contextmanager
    def enter(job: Job) -> Iterator[None]:
        SEEN.append(f"{name} enters {job.klass_name.rpartition('.')[2]}")
        try:
            yield
        except ValueError:
            SEEN.append(f"{name} saw it")
            raise
        finally:
            SEEN.append(f"{name} leaves")

    return enter


@contextlib.asynccontextmanager
async def awaiting(_job: Job) -> AsyncIterator[None]:
    SEEN.append("awaited in")
    await asyncio.sleep(0)
    yield
    await asyncio.sleep(0)
    SEEN.append("awaited out")


@contextlib.contextmanager
def swallowing(_job: Job) -> Iterator[None]:
    with contextlib.suppress(ValueError):
        yield


class Surrounded:
    middleware = (noting("own"),)

    @staticmethod
    def perform(job: Job) -> str:
        SEEN.append("handler")
        if job["fail"]:
            raise ValueError("broken")
        return "done"


class SurroundedLater(Surrounded):
    @staticmethod
    async def perform(_job: Job) -> str:  # type: ignore[override]
        SEEN.append("handler")
        return "done"


def spins(_job: Job) -> None:
    while True:
        sum(range(1000))


async def waits(_job: Job) -> None:
    await asyncio.Event().wait()


class Limited:
    soft_limit = 0.05
    hard_limit = 7

    @staticmethod
    def perform(job: Job) -> None:
        spins(job)


def grows(job: Job) -> None:
    SEEN.append(b"x" * job.data)


def logs_lines(job: Job) -> None:
    for number in range(job["lines"]):
        logging.getLogger("app").info("line %d", number)


async def logs_lines_later(job: Job) -> None:
    await asyncio.sleep(0)
    logs_lines(job)


def logs_elsewhere(_job: Job) -> None:
    logging.getLogger("qless_py.something").warning("not of the job")
    logging.getLogger("app").debug("below the level")
    thread = threading.Thread(target=lambda: logging.getLogger("app").error("of a thread"))
    thread.start()
    thread.join()


class Decorated:
    @staticmethod
    @retry(OSError, delay=3)
    def q(job: Job) -> None:
        """Break."""
        raises(job)

    @staticmethod
    @retry(OSError, delay=4)
    async def later(job: Job) -> None:
        await raises_later(job)


def _stop() -> None:
    raise GracefulStop


async def stopped_in_a_callback(_job: Job) -> None:
    asyncio.get_running_loop().call_soon(_stop)
    try:
        await asyncio.Event().wait()
    finally:
        SEEN.append("cleaned up")


def calls_the_library(_job: Job) -> None:
    RetryPolicy.of("{")


def yields(_job: Job) -> Iterator[int]:
    SEEN.append("yields")
    yield 1


async def yields_later(_job: Job) -> AsyncIterator[int]:
    SEEN.append("yields")
    yield 1


async def gives_a_generator(_job: Job) -> Any:
    return (one for one in range(3))


class Yields:
    def perform(self, _job: Job) -> Iterator[int]:
        SEEN.append("yields")
        yield 1


class _Eventually:
    def __await__(self) -> Generator[Any, None, str]:
        return asyncio.sleep(0, "awaited").__await__()


def gives_an_awaitable(_job: Job) -> Any:
    return _Eventually()
