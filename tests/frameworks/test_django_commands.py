"""The App of a backend, and the management commands, which are the command line with this App."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import django
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.test.utils import override_settings

import qless_py
from qless_py.app import load_app
from qless_py.frameworks.django import DjangoApp, app, app_of_backend, interface
from qless_py.frameworks.django.management.commands import qless, qless_worker
from qless_py.testing import drain
from tests.frameworks.django_site import use
from tests.frameworks.site import tasks

pytestmark = pytest.mark.any_server

SITE = "tests.frameworks.site.tasks"
ROOT = Path(__file__).parents[2]


def test_the_app_has_the_settings_of_the_default_backend() -> None:
    assert isinstance(app, DjangoApp)
    assert load_app("qless_py.frameworks.django:app") is app
    assert app.namespace == "ql"
    assert app.queues == ("default", "mail")
    assert app.imports == (SITE, "tests.frameworks.more_tasks")


def test_an_only_backend_of_another_name_is_the_app() -> None:
    backend = {"BACKEND": "qless_py.frameworks.django.QlessBackend", "OPTIONS": {"namespace": "x"}}
    with override_settings(TASKS={"only": backend}):
        import qless_py.frameworks.django as package  # noqa: PLC0415

        assert package.app.namespace == "x"
        assert package.app is app_of_backend("only")


def test_a_backend_that_is_not_ours_is_named() -> None:
    with pytest.raises(qless_py.ConfigError, match="use one of default, reports"):
        app_of_backend("other")
    with (
        override_settings(TASKS={}),
        pytest.raises(qless_py.ConfigError, match="no other one does"),
    ):
        app_of_backend()


def test_jobs_of_other_classes_run_beside_tasks(isolated: qless_py.Client) -> None:
    queue = app.client.queues["default"]
    jid = queue.put(f"{SITE}.plain", {"n": 1})
    result = tasks.add.enqueue(1, 2)

    drain(queue, options=app.handler_options())

    assert isolated.job(jid).result == {"n": 1}
    assert tasks.add.get_result(result.id).return_value == 3


def test_a_worker_runs_no_module_that_the_settings_do_not_name(isolated: qless_py.Client) -> None:
    queue = isolated.queues["default"]
    jid = queue.put("tests.frameworks.other_tasks.forgotten", {})

    drain(queue, options=app.handler_options(), raises=False)

    assert "not in a module that this worker may run" in isolated.job(jid).failure["message"]


def test_the_command_qless_runs_any_command(store: str, capfd: pytest.CaptureFixture[str]) -> None:
    with use(store):
        jid = tasks.send.enqueue("ann").id
        call_command("qless", "job", "show", jid, "--json")

    assert json.loads(capfd.readouterr().out)["klass"] == f"{SITE}.send"


def test_a_command_that_fails_inside_a_program_raises(
    store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with use(store), pytest.raises(CommandError, match="qless-py job show none ended with 3"):
        call_command("qless", "job", "show", "none")

    assert "none" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["-n", "4", "-q", "mail"], ["-n", "4", "-q", "mail"]),
        (["-q", "a", "--verbosity", "2", "--burst"], ["-q", "a", "--burst"]),
        (["--settings=x.y", "--grace", "5m", "--traceback"], ["--grace", "5m"]),
        (["--exec", "a b", "--", "-v", "--settings"], ["--exec", "a b", "--", "-v", "--settings"]),
        (["--help"], ["--help"]),
        (["-n4", "--log-format=json"], ["-n4", "--log-format=json"]),
    ],
)
def test_words_that_are_not_of_django_are_passed_on(given: list[str], words: list[str]) -> None:
    command: BaseCommand = qless_worker.Command()

    found = command.create_parser("manage.py", "qless_worker").parse_args(given)

    assert found.words == words


def test_a_backend_is_chosen_by_name(store: str, capfd: pytest.CaptureFixture[str]) -> None:
    with use(store), pytest.raises(CommandError, match="'other'"):
        call_command(qless.Command(stdout=io.StringIO()), "--backend", "other", "queues")
    capfd.readouterr()


def test_the_command_line_names_missing_settings(tmp_path: Path) -> None:
    words = ["-m", "qless_py", "--app", "qless_py.frameworks.django:app", "queues"]
    done = subprocess.run(
        [sys.executable, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )

    assert done.returncode == 2
    assert "set DJANGO_SETTINGS_MODULE to a module" in done.stderr.splitlines()[-1]


def test_settings_that_cannot_be_imported_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for state in ("ready", "loading"):
        monkeypatch.setattr(apps, state, False)

    def fails() -> None:
        raise ModuleNotFoundError("no module shop.settings")

    monkeypatch.setattr(django, "setup", fails)
    with pytest.raises(qless_py.ConfigError, match="cannot set up Django: ModuleNotFoundError: no"):
        load_app("qless_py.frameworks.django:app")


def test_without_django_tasks_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("django.tasks", "django_tasks"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(qless_py.ConfigError, match="with the extra `django`"):
        interface._package()
