"""Django: a backend for its tasks, and the commands `qless_worker` and `qless`.

    TASKS = {"default": {"BACKEND": "qless_py.frameworks.django.QlessBackend"}}
    INSTALLED_APPS = [..., "qless_py.frameworks.django"]

The names are imported when they are used: Django imports this package before its settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from qless_py.frameworks.django.application import DjangoApp as DjangoApp
    from qless_py.frameworks.django.application import app_of_backend as app_of_backend
    from qless_py.frameworks.django.backend import QlessBackend as QlessBackend
    from qless_py.frameworks.django.task_options import options as options

    app: DjangoApp

_HOMES: Final = {
    "DjangoApp": "application",
    "QlessBackend": "backend",
    "app_of_backend": "application",
    "options": "task_options",
}

__all__ = ["DjangoApp", "QlessBackend", "app", "app_of_backend", "options"]


def __getattr__(name: str) -> Any:
    if name == "app":
        from qless_py.frameworks.django.application import default_app  # noqa: PLC0415

        return default_app()
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
