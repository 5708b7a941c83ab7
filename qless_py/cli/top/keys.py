"""The keyboard of a terminal, and what each key does to the state of the view."""

from __future__ import annotations

import contextlib
import os
import re
import termios
import tty
from collections.abc import Iterator
from typing import Final

from qless_py.cli.top.view import TABS, State, orders

_SEQUENCE: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|.", re.DOTALL)
_NAMES: Final = {
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down", "\x1b[5~": "page up",
    "\x1b[6~": "page down", "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end",
    "\x1b[Z": "back tab", "\t": "tab", "\r": "enter", "\n": "enter", "\x7f": "backspace",
    "\x08": "backspace", "\x1b": "escape", "\x03": "q", "k": "k", "j": "j",
}  # fmt: skip
_MOVES: Final = {
    "up": -1, "k": -1, "down": 1, "j": 1, "page up": -10, "page down": 10, "home": -(10**9),
    "end": 10**9,
}  # fmt: skip
_MAX_FILTER: Final = 100


@contextlib.contextmanager
def unbuffered(descriptor: int) -> Iterator[None]:
    """Read single keys without echo during the `with` block, then restore the terminal."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def read(descriptor: int) -> list[str]:
    """Return the keys that were pressed; `q` if the terminal is gone."""
    try:
        raw = os.read(descriptor, 1024)
    except OSError:
        raw = b""
    if not raw:
        return ["q"]
    return [_NAMES.get(one, one) for one in _SEQUENCE.findall(raw.decode("utf-8", "ignore"))]


def press(state: State, key: str) -> bool:
    """Change the state by a key; return whether to go on."""
    if state.is_typing:
        _type(state, key)
        return True
    if key == "q":
        return False
    if key == "p":
        state.is_paused = not state.is_paused
    elif key == "s":
        state.sorts[state.tab] = (state.sorts.get(state.tab, 0) + 1) % len(orders(state.tab))
        state.offset = 0
    elif key in {"tab", "back tab"}:
        step = 1 if key == "tab" else -1
        state.tab = TABS[(TABS.index(state.tab) + step) % len(TABS)]
        state.offset = 0
    elif key == "/":
        state.is_typing = True
    elif key == "escape":
        state.filter, state.offset = "", 0
    elif key in _MOVES:
        state.offset = max(0, state.offset + _MOVES[key])
    return True


def _type(state: State, key: str) -> None:
    """Edit the filter."""
    if key == "enter":
        state.is_typing = False
    elif key == "escape":
        state.is_typing, state.filter = False, ""
    elif key == "backspace":
        state.filter = state.filter[:-1]
    elif len(key) == 1 and key.isprintable() and len(state.filter) < _MAX_FILTER:
        state.filter += key
    state.offset = 0
