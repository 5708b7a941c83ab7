"""The signals of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qless_py import Client
from qless_py.frameworks.django import QlessBackend, app
from qless_py.frameworks.django import interface as django_tasks
from qless_py.testing import drain
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server

READY, RUNNING = django_tasks.Status.READY, django_tasks.Status.RUNNING
FAILED, SUCCESSFUL = django_tasks.Status.FAILED, django_tasks.Status.SUCCESSFUL


def run(queue: str = "default") -> list[Any]:
    return drain(app.client.queues[queue], raises=False)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, int]]]:
    signals = django_tasks.signals
    sent: list[tuple[str, str, int]] = []

    def hear(name: str) -> Any:
        def receive(sender: Any, task_result: Any, **_: Any) -> None:
            assert sender is QlessBackend
            sent.append((name, str(task_result.status), len(task_result.errors)))

        return receive

    receivers = {name: hear(name) for name in ("task_enqueued", "task_started", "task_finished")}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield sent
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def test_signals_follow_a_task(isolated: Client, heard: list[Any]) -> None:
    tasks.add.enqueue(1)
    run()

    assert heard == [
        ("task_enqueued", "READY", 0),
        ("task_started", "RUNNING", 0),
        ("task_finished", "SUCCESSFUL", 0),
    ]
    del isolated


def test_a_task_that_will_run_again_has_not_finished(
    isolated: Client, heard: list[Any], clock: Any
) -> None:
    tasks.flaky.enqueue()
    for _ in range(3):
        run()
        clock.advance(3600)

    assert [name for name, *_ in heard].count("task_started") == 3
    assert heard[-1] == ("task_finished", "SUCCESSFUL", 2)
    assert [name for name, *_ in heard].count("task_finished") == 1
    del isolated


@pytest.mark.parametrize(
    ("task", "finished"),
    [
        (tasks.refuse, [("task_finished", "FAILED", 1)]),
        (tasks.again, [("task_finished", "FAILED", 1)]),
        (tasks.price, [("task_finished", "FAILED", 1)]),
        (tasks.give_up, []),
    ],
    ids=["raised", "retries used up", "not JSON", "discarded"],
)
def test_a_task_finishes_once(
    isolated: Client, heard: list[Any], task: Any, finished: list[Any]
) -> None:
    task.enqueue()
    run()

    assert [one for one in heard if one[0] == "task_finished"] == finished
    del isolated


def test_a_receiver_that_raises_does_not_change_the_end_of_a_task(
    isolated: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def receive(**_: Any) -> None:
        raise ZeroDivisionError

    django_tasks.signals.task_finished.connect(receive)
    try:
        result = tasks.add.enqueue(1)
        run()
    finally:
        django_tasks.signals.task_finished.disconnect(receive)

    assert isolated.job(result.id).state == "complete"
    assert "cannot note the end" in caplog.text
