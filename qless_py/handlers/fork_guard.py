"""Processes that a handler forks: they belong to the handler and never act where it ran."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from typing import Final, NoReturn

_LAST_WORDS: Final = 2.0  # seconds


class Original:
    """Lets out only the process that went in: `with Original(): run the handler`.

    A copy of it has no right to the job: its verdict would be taken for ours, and it would go on
    taking jobs. It ends with the code with which Python would have ended it.
    """

    def __enter__(self) -> None:
        self._pid = os.getpid()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if os.getpid() != self._pid:
            _end(error)


def _end(error: BaseException | None) -> NoReturn:
    # A lock that another thread held at the fork is never released here, so it may be for ever
    # that the streams cannot be written.
    words = threading.Thread(target=_tell, args=(error,), daemon=True)
    with contextlib.suppress(RuntimeError):
        words.start()
        words.join(_LAST_WORDS)
    os._exit(_code(error) & 0xFF)


def _code(error: BaseException | None) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return int(error is not None)


def _tell(error: BaseException | None) -> None:
    """Say what ended the copy, and write what it has said before."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
