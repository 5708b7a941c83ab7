"""Handlers that leave something behind in their process, and some that look for it."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from pathlib import Path
from typing import Any

from qless_py import Job, aio

_CLIENT: list[aio.Client] = []


def append(job: Job, text: str) -> None:
    with Path(job["file"]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def leaves_state(_job: Job) -> int:
    signal.signal(signal.SIGALRM, _interrupt)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    signal.setitimer(signal.ITIMER_PROF, 50)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    os.umask(0o077)
    os.chdir("/")
    return os.getpid()


def _interrupt(_number: int, _frame: Any) -> None:
    raise TimeoutError("of another job")


def sees_state(_job: Job) -> list[Any]:
    threading.Event().wait(0.3)
    umask = os.umask(0o022)
    os.umask(umask)
    return [
        os.getpid(),
        os.getcwd(),  # noqa: PTH109 - as the handler before would
        umask,
        signal.getitimer(signal.ITIMER_PROF),
        len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN,
    ]


def registers(job: Job) -> None:
    atexit.register(append, job, job.jid)
    atexit.register(_fail)


def _fail() -> None:
    raise ValueError("an atexit function that fails hides no other")


def never_exits(job: Job) -> None:
    atexit.register(threading.Event().wait, 3600)
    atexit.register(append, job, job.jid)


async def puts_by_a_client_of_its_module(job: Job) -> str:
    if not _CLIENT:
        _CLIENT.append(aio.Client(job["url"]))
    return await _CLIENT[0].queues["out"].put("app.x", job["number"])


def calls_a_service(job: Job) -> None:
    append(job, job.jid)
    if job["number"] >= job["allowed"]:
        job.back_off(60, "api")
