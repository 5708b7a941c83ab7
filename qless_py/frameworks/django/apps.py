"""The application that INSTALLED_APPS names, which brings the management commands."""

from django.apps import AppConfig


class QlessConfig(AppConfig):  # type: ignore[misc] # Django has no types
    """Its label is `qless_py`."""

    name = "qless_py.frameworks.django"
    label = "qless_py"
    verbose_name = "qless_py"
