"""The backend of Django's tasks: what is put, what comes back, in which order signals are sent."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test.utils import override_settings

import qless_py
from qless_py import Client
from qless_py.frameworks.django import app
from qless_py.frameworks.django import interface as django_tasks
from qless_py.testing import drain, run_inline
from tests.frameworks import more_tasks, other_tasks
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server

HOME = "tests.frameworks.site.tasks"
READY, RUNNING = django_tasks.Status.READY, django_tasks.Status.RUNNING
FAILED, SUCCESSFUL = django_tasks.Status.FAILED, django_tasks.Status.SUCCESSFUL


def run(queue: str = "default") -> list[Any]:
    return drain(app.client.queues[queue], raises=False)


def test_a_task_is_a_job_of_its_name(isolated: Client) -> None:
    result = tasks.send.enqueue("ann")

    job = isolated.job(result.id)
    assert (job.klass_name, job.queue_name, job.priority) == (f"{HOME}.send", "mail", 10)
    assert job.data == {"args": ["ann"], "kwargs": {}}
    assert (result.status, result.args, result.backend) == (READY, ["ann"], "default")
    assert result.enqueued_at.tzinfo is not None
    assert result.attempts == 0


def test_a_result_shows_the_run_of_its_task(isolated: Client, clock: Any) -> None:
    result = tasks.add.enqueue(1, b=2)
    assert tasks.add.get_result(result.id).status == READY

    run()
    result.refresh()

    now = datetime.fromtimestamp(clock(), UTC)
    assert (result.status, result.return_value, result.is_finished) == (SUCCESSFUL, 3, True)
    assert result.enqueued_at == result.started_at == result.finished_at == now
    assert result.last_attempted_at == now
    assert result.worker_ids == [isolated.worker_name]
    assert result.errors == []


def test_a_running_task_is_running(isolated: Client) -> None:
    result = tasks.add.enqueue(1)
    assert isolated.queues["default"].pop() is not None

    result.refresh()

    assert (result.status, result.finished_at) == (RUNNING, None)
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value


@pytest.mark.parametrize(
    ("politely", "path"),
    [(False, f"{HOME}.Refused"), (True, f"{HOME}.Refused.Politely")],
    ids=["a class", "a nested class"],
)
def test_a_failed_task_names_its_exception(isolated: Client, politely: Any, path: str) -> None:
    result = tasks.refuse.enqueue(politely=politely)

    run()
    result.refresh()

    assert result.status == FAILED
    assert [one.exception_class_path for one in result.errors] == [path]
    assert "in refuse" in result.errors[0].traceback
    assert "qless_py" not in result.errors[0].traceback
    assert result.finished_at is not None
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    del isolated


def test_a_failure_without_an_exception_can_still_be_shown(isolated: Client) -> None:
    result = tasks.add.enqueue(1)
    job = isolated.queues["default"].pop()
    assert job is not None
    job.fail("no-money", "come back later")

    result.refresh()

    (error,) = result.errors
    assert error.exception_class is qless_py.JobFailedError
    assert error.traceback == "come back later"


def test_attempts_are_counted_and_each_error_is_kept(isolated: Client, clock: Any) -> None:
    result = tasks.flaky.enqueue()
    seen = []
    for _ in range(3):
        run()
        result.refresh()
        seen.append((result.status, result.attempts, len(result.errors)))
        clock.advance(3600)

    assert seen == [(READY, 1, 1), (READY, 2, 2), (SUCCESSFUL, 3, 2)]
    worker = isolated.worker_name
    assert result.return_value == [3, "RUNNING", result.id, [worker] * 3]
    assert {one.exception_class for one in result.errors} == {ConnectionError}
    assert "attempt 1" in result.errors[0].traceback


@pytest.mark.parametrize("priority", [-100, -1, 0, 100])
def test_priorities_of_django_are_those_of_jobs(isolated: Client, priority: int) -> None:
    result = tasks.add.using(priority=priority).enqueue(1)

    assert isolated.job(result.id).priority == priority
    assert tasks.add.get_result(result.id).task.priority == priority


def test_a_task_with_the_higher_priority_runs_first(isolated: Client) -> None:
    low, high = (tasks.add.using(priority=one).enqueue(one).id for one in (-100, 100))

    assert [one.jid for one in run()] == [high, low]
    del isolated


def test_a_priority_that_django_does_not_know_is_shown_as_the_nearest(isolated: Client) -> None:
    result = tasks.add.enqueue(1)
    job = isolated.job(result.id)
    job.priority = 1e6
    job.move("elsewhere")

    found = tasks.add.get_result(result.id)

    assert (found.task.priority, found.task.queue_name) == (100, "default")


@pytest.mark.parametrize("use_tz", [True, False])
def test_run_after_delays_a_task(isolated: Client, clock: Any, use_tz: Any) -> None:
    due = datetime.fromtimestamp(clock() + 60, UTC)
    with override_settings(USE_TZ=use_tz):
        given = due if use_tz else due.replace(tzinfo=None)
        result = tasks.add.using(run_after=given).enqueue(1)
        found = tasks.add.get_result(result.id)

        assert isolated.job(result.id).state == "scheduled"
        assert found.task.run_after == given
        assert (found.enqueued_at.tzinfo is None) is not use_tz
        assert run() == []
        clock.advance(61)
        assert len(run()) == 1


def test_an_async_task_runs_and_is_put_and_read_in_an_event_loop(isolated: Client) -> None:
    async def use() -> Any:
        result = await tasks.later.aenqueue({"a": [1, None]})
        await asyncio.to_thread(run)
        await result.arefresh()
        found = await tasks.later.aget_result(result.id)
        assert found.return_value == result.return_value
        with pytest.raises(django_tasks.TaskResultDoesNotExist):
            await tasks.later.aget_result("none")
        return result

    result = asyncio.run(use())

    assert (result.status, result.return_value) == (SUCCESSFUL, {"value": {"a": [1, None]}})
    assert result.enqueued_at is not None
    del isolated


@pytest.mark.parametrize("jid", ["none", "", "not a jid", "other", "foreign", "gone"])
def test_what_is_no_result_of_a_task_does_not_exist(isolated: Client, jid: str) -> None:
    queue = isolated.queues["default"]
    queue.put(f"{HOME}.no_task", jid="other")
    queue.put("os.system", jid="foreign")
    queue.put(f"{HOME}.removed", jid="gone")

    with pytest.raises(django_tasks.TaskResultDoesNotExist):
        tasks.add.get_result(jid)


def test_a_result_belongs_to_one_task(isolated: Client) -> None:
    result = tasks.add.enqueue(1)

    with pytest.raises(Exception, match=r"received '.*\.add'"):
        tasks.send.get_result(result.id)
    del isolated


def test_other_programs_put_tasks_by_name(isolated: Client) -> None:
    jid = isolated.queues["default"].put(f"{HOME}.add", {"kwargs": {"a": 4}})
    wrong = isolated.queues["default"].put(f"{HOME}.add", {"args": 4})

    run()

    assert tasks.add.get_result(jid).return_value == 4
    assert "args must be a list" in isolated.job(wrong).failure["message"]


def test_a_schedule_puts_tasks_with_their_options(isolated: Client, clock: Any) -> None:
    app.client.queues["default"].recur(tasks.committed.func, {"args": [7]}, cron="0 9 * * *")
    clock.advance(86400)

    (ran,) = run()

    found = tasks.committed.get_result(ran.jid)
    assert found.return_value == 7
    job = isolated.job(ran.jid)
    assert (job.tags, job.user) == (["order"], "ann")


def test_a_value_that_is_not_json_fails_the_task(isolated: Client) -> None:
    result = tasks.price.enqueue()

    run()

    assert f"{HOME}.price returned is not JSON" in isolated.job(result.id).failure["message"]


def test_a_task_in_a_module_that_no_worker_may_run_is_refused(isolated: Client) -> None:
    assert more_tasks.imported.enqueue().status == READY
    with pytest.raises(django_tasks.InvalidTask, match="other_tasks"):
        other_tasks.forgotten.enqueue()
    assert isolated.queues["default"].counts["waiting"] == 1


@pytest.mark.parametrize("name", ["", "a b", "x" * 200])
def test_a_queue_that_cannot_exist_is_refused(isolated: Client, name: str) -> None:
    with pytest.raises(django_tasks.InvalidTask, match="queue"):
        tasks.report.using(queue_name=name)
    del isolated


def test_a_queue_outside_of_queues_is_refused(isolated: Client) -> None:
    with pytest.raises(django_tasks.InvalidTask, match="elsewhere"):
        tasks.add.using(queue_name="elsewhere")
    del isolated


def test_backends_share_no_store(isolated: Client) -> None:
    reports = tasks.report.get_backend()
    result = tasks.report.enqueue()

    assert reports.app is not app
    assert (reports.app.namespace, app.namespace) == ("reports", "ql")
    assert reports.app.queues == ("*",)
    assert isolated.job(result.id).original_retries == 7


def test_threads_share_one_app(isolated: Client) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(tasks.add.get_backend().app))
    thread.start()
    thread.join()

    assert found == [app]
    assert tasks.add.get_backend().app is app
    del isolated


def test_put_jobs_run_before_enqueue_returns_inside_run_inline(isolated: Client) -> None:
    with run_inline(app.client):
        result = tasks.add.enqueue(2, 3)
        result.refresh()

    assert result.return_value == 5
    del isolated
