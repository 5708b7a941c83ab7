"""A module of tasks that OPTIONS names."""

from qless_py.frameworks.django.interface import tasks


@tasks.task
def imported() -> str:
    return "imported"
