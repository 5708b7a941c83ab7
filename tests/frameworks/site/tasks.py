"""Tasks of the tests."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.urls import get_urlconf, set_urlconf
from django.utils import timezone, translation

from qless_py import Discard, Retry
from qless_py.frameworks.django import options
from qless_py.frameworks.django.interface import tasks

task = tasks.task


class Refused(Exception):  # noqa: N818 - as an application may name it
    class Politely(Exception):  # noqa: N818
        pass


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task(queue_name="mail", priority=10)
def send(to: str) -> str:
    return f"sent to {to}"


@task
async def later(value: Any) -> Any:
    return {"value": value}


@task
def refuse(politely: bool = False) -> None:  # noqa: FBT001, FBT002 - from JSON
    if politely:
        raise Refused.Politely("no, thank you")
    raise Refused("no")


@task(takes_context=True)
@options(attempts=3)
def flaky(context: Any) -> list[Any]:
    if context.attempt < 3:
        raise ConnectionError(f"attempt {context.attempt}")
    result = context.task_result
    return [context.attempt, result.status, result.id, result.worker_ids]


@task
def give_up() -> None:
    raise Discard("nobody wants it")


@task
@options(retries=1)
def again() -> None:
    raise Retry(0)


@task
def price() -> Decimal:
    return Decimal("1.5")


@task
@options(enqueue_on_commit=True, tags=["order"], user="ann", soft_limit=5, hard_limit=9)
def committed(number: int) -> int:
    return number


@task
@options(enqueue_on_commit="archive")
def archived() -> None:
    pass


@task
@options(enqueue_on_commit=False)
def at_once() -> None:
    pass


@task(backend="reports", queue_name="any-queue")
def report() -> str:
    return "done"


@task
def leave_state() -> None:
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    set_urlconf("tests.frameworks.site.tasks")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@task
async def thread_of_orm() -> int:
    return await sync_to_async(threading.get_ident)()


@task
def show_state() -> list[Any]:
    return [translation.get_language(), str(timezone.get_current_timezone()), get_urlconf()]


def no_task() -> None:
    pass


def plain(job: Any) -> Any:
    return job.data
