"""What the command line needs as process 1 of a container, before anything else is imported.

The kernel ignores a signal to process 1 that has no handler, so a container that is stopped while
it starts would wait for its KILL. Importing this module is enough.
"""

import os
import signal
import sys
from types import FrameType
from typing import Final

_PROGRAMS: Final = ("qless-py", "-m")  # The second while `python -m qless_py` is being started.


def prepare() -> None:
    """Let TERM end this process if it is process 1 and runs the command line."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""  # noqa: PTH119 - no import yet
    if os.getpid() == 1 and program in _PROGRAMS:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


prepare()
