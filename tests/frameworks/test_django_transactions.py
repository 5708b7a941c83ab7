"""Tasks that are put when a transaction commits."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from django.conf import settings
from django.db import transaction
from django.test.utils import override_settings

from qless_py import Client
from qless_py.frameworks.django import interface as django_tasks
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server

READY, RUNNING = django_tasks.Status.READY, django_tasks.Status.RUNNING


def waiting(client: Client) -> int:
    return client.queues["default"].counts["waiting"]


def test_a_task_is_put_when_its_transaction_commits(isolated: Client) -> None:
    with transaction.atomic():
        result = tasks.committed.enqueue(1)
        assert (waiting(isolated), result.enqueued_at, result.status) == (0, None, READY)

    assert waiting(isolated) == 1
    assert result.enqueued_at is not None
    job = isolated.job(result.id)
    assert (job.tags, job.user) == (["order"], "ann")


def test_a_task_of_a_transaction_that_rolls_back_is_never_put(isolated: Client) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        tasks.committed.enqueue(1)
        raise ZeroDivisionError

    assert waiting(isolated) == 0


def test_outside_of_a_transaction_a_task_is_put_at_once(isolated: Client) -> None:
    tasks.committed.enqueue(1)

    assert waiting(isolated) == 1


def test_a_task_may_wait_for_another_database(isolated: Client) -> None:
    with transaction.atomic():
        tasks.archived.enqueue()
        assert waiting(isolated) == 1
    with transaction.atomic(using="archive"):
        tasks.archived.enqueue()
        assert waiting(isolated) == 1
    assert waiting(isolated) == 2


def test_the_setting_applies_to_tasks_that_say_nothing(isolated: Client) -> None:
    before = dict(settings.TASKS)
    mine = {**before, "default": {**before["default"], "ENQUEUE_ON_COMMIT": True}}
    with override_settings(TASKS=mine), transaction.atomic():
        tasks.add.enqueue(1)
        tasks.at_once.enqueue()
        assert waiting(isolated) == 1
    assert waiting(isolated) == 2


def test_in_an_event_loop_a_task_waits_for_the_transaction_of_its_thread(
    isolated: Client,
) -> None:
    result = asyncio.run(tasks.committed.aenqueue(1))

    assert isolated.job(result.id).state == "waiting"
