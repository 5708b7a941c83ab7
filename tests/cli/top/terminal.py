"""A program in a pseudo-terminal of a given size, and what is on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from typing import Self

import pyte

from tests.eventually import eventually


class Terminal:
    """Runs `qless-py` in a pseudo-terminal. Keys are pressed by `press`; `lines` are on screen."""

    def __init__(self, words: Sequence[str], columns: int = 80, lines: int = 24) -> None:
        self._leader, follower = pty.openpty()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self._set_size(columns, lines)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "LANG": "C.UTF-8",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qless_py", *words],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            env=environment,
        )
        os.close(follower)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._leader)

    def _set_size(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._leader, termios.TIOCSWINSZ, size)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size, as a window manager does."""
        self._read()
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._leader, keys.encode())

    def _read(self) -> None:
        while select.select([self._leader], [], [], 0)[0]:
            try:
                some = os.read(self._leader, 65536)
            except OSError:
                return  # The program has ended.
            self.raw += some
            self._stream.feed(some)

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without spaces at their ends."""
        self._read()
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """All that is on the screen."""
        return "\n".join(self.lines)

    def wait_for(self, is_there: Callable[[str], object]) -> str:
        """Wait until the text of the screen is as wanted, and return it."""
        try:
            eventually(lambda: is_there(self.text))
        except AssertionError as error:
            raise AssertionError(f"the screen shows:\n{self.text}") from error
        return self.text

    def ended(self) -> int:
        """Wait until the program has ended and return its exit code."""

        def has_ended() -> bool:
            self._read()
            return self.process.poll() is not None

        eventually(has_ended)
        self._read()
        return self.process.returncode
