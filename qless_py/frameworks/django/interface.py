"""The interface of tasks: `django.tasks` of Django 6, or else the package django-tasks."""

from __future__ import annotations

import importlib
from typing import Any, Final

from qless_py.errors import ConfigError


def _package() -> str:
    for name in ("django.tasks", "django_tasks"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
        else:
            return name
    raise ConfigError(
        "there is neither Django 6 nor the package django-tasks; "
        "install qless_py with the extra `django`"
    )


PACKAGE: Final = _package()

_base: Final[Any] = importlib.import_module(f"{PACKAGE}.base")
_exceptions: Final[Any] = importlib.import_module(f"{PACKAGE}.exceptions")

tasks: Final[Any] = importlib.import_module(PACKAGE)
signals: Final[Any] = importlib.import_module(f"{PACKAGE}.signals")
BaseTaskBackend: Final[Any] = importlib.import_module(f"{PACKAGE}.backends.base").BaseTaskBackend
Task: Final[Any] = _base.Task
TaskContext: Final[Any] = _base.TaskContext
TaskError: Final[Any] = _base.TaskError
TaskResult: Final[Any] = _base.TaskResult
Status: Final[Any] = _base.TaskResultStatus
normalize_json: Final[Any] = _base.normalize_json
TaskResultDoesNotExist: Final[Any] = _exceptions.TaskResultDoesNotExist
# Django and the package name them differently.
InvalidTask: Final[Any] = getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
InvalidTaskBackend: Final[Any] = (
    getattr(_exceptions, "InvalidTaskBackend", None) or _exceptions.InvalidTaskBackendError
)
