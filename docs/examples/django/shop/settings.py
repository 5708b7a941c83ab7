"""Settings of the example."""

import os
from pathlib import Path

import django

FOLDER = Path(os.environ.get("SHOP_FOLDER", Path(__file__).parent.parent))

SECRET_KEY = "only for this example"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "shop.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
INSTALLED_APPS = ["qless_py.frameworks.django", "shop"]
if django.VERSION < (6,):
    INSTALLED_APPS.append("django_tasks")

TASKS = {
    "default": {
        "BACKEND": "qless_py.frameworks.django.QlessBackend",
        "QUEUES": ["default", "mail"],
        "ENQUEUE_ON_COMMIT": True,
        "OPTIONS": {
            "url": os.environ.get("SHOP_STORE"),
            "namespace": "shop",
            "hard_limit": 60,
        },
    }
}
