"""Set Django up in the process of the tests, with one installed application: `site`."""

from typing import Any

import django
from django.conf import settings
from django.test.utils import override_settings

OPTIONS = {"namespace": "ql", "imports": ["tests.frameworks.more_tasks"]}


def set_up() -> None:
    """Set Django up."""
    settings.configure(
        SECRET_KEY="of the tests",
        USE_TZ=True,
        TIME_ZONE="UTC",
        LOGGING_CONFIG=None,
        DATABASES={
            name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            for name in ("default", "archive")
        },
        INSTALLED_APPS=[
            "qless_py.frameworks.django",
            "tests.frameworks.site",
            *(["django_tasks"] if django.VERSION < (6,) else []),
        ],
        TASKS={
            "default": {
                "BACKEND": "qless_py.frameworks.django.QlessBackend",
                "QUEUES": ["default", "mail"],
                "OPTIONS": OPTIONS,
            },
            "reports": {
                "BACKEND": "qless_py.frameworks.django.QlessBackend",
                "QUEUES": [],
                "OPTIONS": {"namespace": "reports", "attempts": 2, "retries": 7},
            },
        },
    )
    django.setup()


def use(store: str, **options: Any) -> Any:
    """Return settings whose default backend uses this store."""
    backend = {
        "BACKEND": "qless_py.frameworks.django.QlessBackend",
        "QUEUES": ["default", "mail"],
        "OPTIONS": {"url": store, "namespace": "ql", **options},
    }
    return override_settings(TASKS={"default": backend})
