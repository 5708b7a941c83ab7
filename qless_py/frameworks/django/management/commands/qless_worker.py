"""`manage.py qless_worker`: run a worker, with all options of `qless-py work`."""

from qless_py.frameworks.django.management.command_line import CommandLine


class Command(CommandLine):
    """Run a worker for the tasks of a backend."""

    help = "Run a worker for tasks, with all options of qless-py work."
    prefix = ("work",)
