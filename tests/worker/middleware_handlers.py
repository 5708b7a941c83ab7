"""Handlers and middleware for workers under test."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator

import qless_py
from qless_py import Discard, Job
from tests.worker.handlers import report


def sleeps(_job: Job) -> None:
    """Sleep in small bits: between them another thread can raise something here."""
    while True:
        threading.Event().wait(0.01)


async def sleeps_later(_job: Job) -> None:
    await asyncio.sleep(30)


def discards(_job: Job) -> None:
    raise Discard("no need")


@qless_py.job(queue="work")
def task(number: int) -> tuple[str, int]:
    job = qless_py.get_current_job()
    return (job.jid if job else "", 2 * number)


def logs(_job: Job) -> None:
    logging.getLogger("app").info("logged by the handler")


@contextlib.contextmanager
def shouting(_job: Job) -> Iterator[None]:
    logging.getLogger("app").info("in")
    yield
    logging.getLogger("app").info("out")


def raises(_job: Job) -> None:
    raise ValueError("this went wrong")


async def raises_later(_job: Job) -> None:
    await asyncio.sleep(0)
    raise ValueError("this went wrong")


async def tells_and_waits(job: Job) -> None:
    try:
        report(job, "here")
        await asyncio.Event().wait()
    finally:
        report(job, "left")
