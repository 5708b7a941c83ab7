"""A module of tasks that no setting names."""

from qless_py.frameworks.django.interface import tasks


@tasks.task
def forgotten() -> None:
    pass
