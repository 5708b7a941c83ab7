"""Functions of other queues as handlers of migrated jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from qless_py import Client, Job
from qless_py.errors import BadArgumentError
from qless_py.transfer import with_arguments


@with_arguments
def add(first: int, second: int = 0, *, third: int = 0) -> int:
    return first + second + third


@with_arguments
async def later(value: str) -> str:
    return value.upper()


def _perform(handler: Callable[..., Any], job: Job) -> Any:
    return handler(job)


def test_a_function_is_called_with_the_arguments_of_the_job(client: Client) -> None:
    job = Job.build(client, "app.add", {"args": [1, 2], "kwargs": {"third": 4}})

    assert _perform(add, job) == 7
    assert (add(1), add(1, third=2), add.__name__) == (1, 3, "add")


def test_a_coroutine_stays_one(client: Client) -> None:
    job = Job.build(client, "app.later", {"args": ["a"], "kwargs": {}})

    assert asyncio.iscoroutinefunction(later)
    assert asyncio.run(_perform(later, job)) == "A"


@pytest.mark.parametrize("data", [{}, {"args": 5, "kwargs": {}}, {"args": []}, [1], None])
def test_other_data_is_refused(client: Client, data: object) -> None:
    with pytest.raises(BadArgumentError, match="does not hold args and kwargs"):
        _perform(add, Job.build(client, "app.add", data))
