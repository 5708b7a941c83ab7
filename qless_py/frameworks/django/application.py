"""The App of a backend, made from its settings."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

import django
from django.apps import apps
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string, module_has_submodule

from qless_py.app import App
from qless_py.errors import ConfigError
from qless_py.frameworks.django import conf
from qless_py.frameworks.django.state import JobState, close_all

DEFAULT_ALIAS: Final = "default"
_BACKEND: Final = "qless_py.frameworks.django.QlessBackend"
_ANY_QUEUE: Final = ("*",)

# One App for each backend and its settings, which tests may override for a while. Django makes a
# backend for each thread: these share the App, and so the connections.
_made: Final[list[tuple[str, Mapping[str, Any], DjangoApp]]] = []


class DjangoApp(App):
    """The App of a backend; its options are those in OPTIONS.

    Its workers may run what is declared in the modules `tasks` of the installed applications,
    besides `imports`. Without other queues they serve QUEUES.
    """

    def __init__(self, alias: str, queues: Iterable[str], **options: Any) -> None:
        middleware = (JobState, *options.pop("middleware", ()))
        super().__init__(middleware=middleware, **options)
        self.alias: Final = alias
        self._queues = tuple(queues)
        self.on_worker_start(close_all)
        self.on_child_stop(close_all)

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules whose tasks a worker may run."""
        set_up()
        found = _task_modules(tuple(one.label for one in apps.get_app_configs()))
        return tuple(dict.fromkeys((*found, *super().imports)))

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues in QUEUES, and those of jobs that were declared with this App.

        Any queue, if QUEUES is empty.
        """
        return (
            tuple(dict.fromkeys((*self._queues, *super().queues))) if self._queues else _ANY_QUEUE
        )

    @property
    def retries(self) -> dict[str, Any]:
        """The option `retries` of each put, if it is set."""
        return {"retries": self._defaults["retries"]} if "retries" in self._defaults else {}


def app_of_backend(alias: str = DEFAULT_ALIAS) -> DjangoApp:
    """Return the App of a backend by its name in TASKS; raises `ConfigError`."""
    set_up()
    tasks = _tasks()
    params = tasks.get(alias)
    if params is None or not _is_ours(params):
        ours = [name for name in tasks if _is_ours(tasks[name])]
        others = f"use one of {', '.join(ours)}" if ours else "no other one does, either"
        raise ConfigError(f"TASKS[{alias!r}] does not name the backend {_BACKEND}: {others}")
    return made_app(alias, params)


def default_app() -> DjangoApp:
    """Return the App of the backend `default`, or of the only one that is ours."""
    set_up()
    ours = [alias for alias, params in _tasks().items() if _is_ours(params)]
    return app_of_backend(ours[0] if len(ours) == 1 else DEFAULT_ALIAS)


def made_app(alias: str, params: Mapping[str, Any]) -> DjangoApp:
    """Return the App of a backend with these settings; raises `ImproperlyConfigured`."""
    found = _find_app(alias, params)
    if found is not None:
        return found
    for problem in conf.problems(alias, params):
        raise ImproperlyConfigured(problem)
    app = DjangoApp(alias, params.get("QUEUES", ("default",)), **params.get("OPTIONS", {}))
    _made.append((alias, dict(params), app))
    return _find_app(alias, params) or app  # That of the first of several threads.


def set_up() -> None:
    """Set Django up in a program that has not, such as `qless-py`; raises `ConfigError`."""
    if apps.ready or apps.loading:
        return
    if not settings.configured and not os.environ.get(ENVIRONMENT_VARIABLE):
        raise ConfigError(
            f"Django has no settings: set {ENVIRONMENT_VARIABLE} to a module such as shop.settings"
        )
    try:
        django.setup()
    except Exception as error:
        raise ConfigError(f"cannot set up Django: {type(error).__name__}: {error}") from error


def _find_app(alias: str, params: Mapping[str, Any]) -> DjangoApp | None:
    known = (app for name, its, app in _made if name == alias and its == params)
    return next(known, None)


@functools.lru_cache(maxsize=8)  # Each put asks; the search looks into the folders of all apps.
def _task_modules(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the modules `tasks` of these installed applications."""
    found = (apps.get_app_config(label) for label in labels)
    return tuple(f"{one.name}.tasks" for one in found if module_has_submodule(one.module, "tasks"))


def _tasks() -> dict[str, Any]:
    return dict(getattr(settings, "TASKS", {}))


def _is_ours(params: Mapping[str, Any]) -> bool:
    from qless_py.frameworks.django.backend import QlessBackend  # noqa: PLC0415 - it imports this

    name = params.get("BACKEND", "")
    if name == _BACKEND:
        return True
    try:
        found = import_string(name)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, QlessBackend)
