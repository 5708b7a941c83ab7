"""Settings of a backend, options of a task, and the messages about wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import qless_py
from qless_py import Client
from qless_py.frameworks.django import QlessBackend, options
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server


def test_limits_of_a_task_are_looked_up_when_it_runs(isolated: Client) -> None:
    result = tasks.committed.enqueue(1)

    handler = isolated.job(result.id).klass
    assert (handler.soft_limit, handler.hard_limit) == (5, 9)
    assert isolated.job(result.id).hard_limit is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"speed": 3}, "speed"),
        ({"attempts": 0}, "attempts"),
        ({"tags": "order"}, "tags"),
        ({"middleware": "app.Mine"}, "middleware must be a list"),
        ({"enqueue_on_commit": 3}, "neither a bool nor a database"),
    ],
)
def test_wrong_options_of_a_task_are_refused(wrong: Any, message: str) -> None:
    with pytest.raises(qless_py.BadArgumentError, match=message):
        options(**wrong)


def test_options_above_the_decorator_task_are_refused(isolated: Client) -> None:
    with pytest.raises(qless_py.BadArgumentError, match="below task"):
        options(attempts=2)(tasks.add)
    del isolated


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ENQUEUE_ON_COMIT": True}, "unknown setting 'ENQUEUE_ON_COMIT': did you mean"),
        ({"ENQUEUE_ON_COMMIT": 1.5}, r"\['ENQUEUE_ON_COMMIT'\] must be True, False or the name"),
        ({"QUEUES": "mail"}, r"\['QUEUES'\] must be a list of names, not 'mail'"),
        ({"QUEUES": ["a b"]}, r"\['QUEUES'\]: .*a b"),
        ({"OPTIONS": ["url"]}, r"\['OPTIONS'\] must be a map"),
        ({"OPTIONS": {"namspace": "x"}}, "unknown option 'namspace': did you mean 'namespace'"),
        ({"OPTIONS": {"url": "http://x"}}, r"\['OPTIONS'\]\['url'\]: .*http"),
        ({"OPTIONS": {"namespace": "a b"}}, r"\['OPTIONS'\]\['namespace'\]: .*a b"),
        ({"OPTIONS": {"attempts": -1}}, r"\['OPTIONS'\]\['attempts'\]"),
        ({"OPTIONS": {"imports": "shop"}}, r"\['OPTIONS'\]\['imports'\]"),
        ({"OPTIONS": {"tracing": 3}}, r"\['OPTIONS'\]\['tracing'\]"),
        ({"OPTIONS": {"codec": "yaml"}}, r"\['OPTIONS'\]\['codec'\]"),
    ],
)
def test_a_wrong_setting_is_named_by_a_check(wrong: dict[str, Any], message: str) -> None:
    mine = {"BACKEND": "qless_py.frameworks.django.QlessBackend", **wrong}
    backend = QlessBackend("mine", mine)

    (found,) = backend.check()

    assert found.id == "qless_py.E001"
    with pytest.raises(AssertionError, match=rf"^TASKS\['mine'\].*{message}"):
        raise AssertionError(found.msg)
    with pytest.raises(ImproperlyConfigured, match=message):
        _ = backend.app


def test_right_settings_pass_the_check() -> None:
    assert [*tasks.add.get_backend().check(), *tasks.report.get_backend().check()] == []
