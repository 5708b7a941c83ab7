"""`manage.py qless`: run any command of `qless-py` on the store of a backend."""

from qless_py.frameworks.django.management.command_line import CommandLine


class Command(CommandLine):
    """Run a command of `qless-py`."""

    help = "Run a command of qless-py on the store of the tasks, for example: qless queues."
