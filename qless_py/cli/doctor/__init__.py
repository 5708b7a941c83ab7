"""`qless-py doctor`: check the store and its jobs, and name the command that mends each fault.

Each module checks one subject; what it reads is bounded, however many jobs and queues there are.
"""

from qless_py.cli.doctor.command import doctor

__all__ = ["doctor"]
