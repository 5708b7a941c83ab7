"""What a job leaves behind in Django: no connection, language, time zone or URLs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import translation

from qless_py import Client
from qless_py.frameworks.django import app, app_of_backend
from qless_py.frameworks.django import interface as django_tasks
from qless_py.frameworks.django.state import JobState
from qless_py.testing import drain
from tests.frameworks.django_site import use
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server

READY, RUNNING = django_tasks.Status.READY, django_tasks.Status.RUNNING
FAILED, SUCCESSFUL = django_tasks.Status.FAILED, django_tasks.Status.SUCCESSFUL


def run(queue: str = "default") -> list[Any]:
    return drain(app.client.queues[queue], raises=False)


def test_a_job_leaves_no_language_zone_urls_or_connection(isolated: Client) -> None:
    tasks.leave_state.enqueue()
    result = tasks.show_state.enqueue()

    run()
    result.refresh()

    assert result.return_value == ["en-us", "UTC", None]
    assert connections["default"].connection is None or connections["default"].is_usable()
    del isolated


def test_in_a_test_async_tasks_use_the_database_in_the_thread_of_the_test(
    isolated: Client,
) -> None:
    result = tasks.thread_of_orm.enqueue()
    run()
    result.refresh()

    assert result.return_value == threading.get_ident()
    del isolated


def test_in_an_event_loop_a_task_needs_no_thread_that_a_fork_may_have_lost(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost = ThreadPoolExecutor(1)
    lost.shutdown()
    monkeypatch.setattr(SyncToAsync, "single_thread_executor", lost)
    with use(store):
        result = tasks.thread_of_orm.enqueue()
        drain(app_of_backend().client.queues["default"])
        result.refresh()

    assert result.return_value != threading.get_ident()
    assert "cannot note the end" not in caplog.text


def test_a_connection_in_a_transaction_of_the_test_stays_open(isolated: Client) -> None:
    with transaction.atomic():
        held = connections["default"].connection
        tasks.leave_state.enqueue()
        run()
        assert connections["default"].connection is held
    del isolated


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the connection of this thread to a file: one to memory would stay open for good."""
    found = connections["default"]
    found.close()
    monkeypatch.setitem(found.settings_dict, "NAME", str(tmp_path / "site.sqlite3"))
    BaseDatabaseWrapper.close(found)
    yield found
    found.close()


def test_a_job_closes_the_connection_that_it_opened(isolated: Client, database: Any) -> None:
    result = tasks.leave_state.enqueue()
    run()

    assert isolated.job(result.id).state == "complete"
    assert database.connection is None


def test_no_connection_is_open_when_children_are_forked(database: Any) -> None:
    database.ensure_connection()

    assert app.hooks.start_worker()

    assert database.connection is None


@pytest.mark.usefixtures("database")
def test_in_an_event_loop_a_job_has_a_thread_that_leaves_no_connection() -> None:
    def opened() -> tuple[int, Any]:
        mine = connections["default"]
        mine.ensure_connection()
        return threading.get_ident(), mine

    async def one() -> tuple[int, Any]:
        async with JobState(None):
            translation.activate("de")
            first, again = [await sync_to_async(opened)() for _ in range(2)]
            assert first == again
            assert first[1].connection is not None
            await asyncio.sleep(0.01)
        return first

    async def two() -> tuple[tuple[int, Any], ...]:
        return await asyncio.gather(one(), one())

    [(first, mine), (second, other)] = asyncio.run(two())

    assert first != second
    assert mine.connection is other.connection is None
