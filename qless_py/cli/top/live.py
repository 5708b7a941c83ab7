"""The live view: a thread reads pictures, this one draws them and waits for keys."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from redis.exceptions import RedisError
from rich.console import Console
from rich.live import Live

from qless_py.cli.top import keys
from qless_py.cli.top.picture import Picture
from qless_py.cli.top.view import Outage, State, screen
from qless_py.errors import QlessError

_CLOCK: Final = 1.0  # Seconds between two drawings at most, so that an outage shows its age.


class Poller:
    """Reads a picture every `interval` seconds; `notify` is called after each attempt."""

    def __init__(
        self, read: Callable[[], Picture], interval: float, notify: Callable[[], None]
    ) -> None:
        self._read = read
        self._interval = interval
        self._notify = notify
        self._stop = threading.Event()
        self._wake = threading.Event()
        self.is_paused = False
        self.picture: Picture | None = None
        self.outage: Outage | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="qless-py-top", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        self._wake.set()

    def wake(self) -> None:
        """Read at once."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.is_paused:
                self._try()
                self._notify()
            self._wake.wait(self._interval)
            self._wake.clear()

    def _try(self) -> None:
        try:
            self.picture, self.outage = self._read(), None
        except (RedisError, QlessError, OSError) as error:
            since = time.time() if self.outage is None else self.outage.since
            self.outage = Outage(since, " ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001 - raised again by the main thread
            self.failure = error
            self._stop.set()


class LiveView:
    """The view in a terminal until the user leaves it."""

    def __init__(
        self, console: Console, read: Callable[[], Picture], store: str, interval: float
    ) -> None:
        self._console = console
        self._store = store
        self._interval = interval
        self._state = State()
        self._signal_read, self._signal_write = os.pipe()
        os.set_blocking(self._signal_write, False)
        self._poller = Poller(read, interval, self._notify)
        self._is_over = False

    def _notify(self, *_: Any) -> None:
        # The pipe is full: the view is going to draw anyway.
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._signal_write, b"x")

    def _end(self, *_: Any) -> None:
        self._is_over = True
        self._notify()

    def run(self, descriptor: int) -> None:
        """Show the view; keys are read from a descriptor."""
        with (
            self._signals(),
            keys.unbuffered(descriptor),
            Live(console=self._console, screen=True, auto_refresh=False) as live,
        ):
            self._poller.start()
            try:
                while not self._is_over:
                    if self._poller.failure is not None:
                        raise self._poller.failure
                    live.update(self._drawn(), refresh=True)
                    self._wait(descriptor)
            finally:
                self._poller.stop()

    def _drawn(self) -> Any:
        size = self._console.size
        return screen(
            self._poller.picture,
            self._poller.outage,
            self._state,
            (size.width, size.height),
            store=self._store,
            interval=self._interval,
        )

    def _wait(self, descriptor: int) -> None:
        """Wait for a key, a new picture, a new size or a second."""
        ready, _, _ = select.select([descriptor, self._signal_read], [], [], _CLOCK)
        if self._signal_read in ready:
            os.read(self._signal_read, 1024)
        if descriptor in ready:
            for key in keys.read(descriptor):
                if not keys.press(self._state, key):
                    self._is_over = True
                    return
            if self._poller.is_paused and not self._state.is_paused:
                self._poller.wake()
            self._poller.is_paused = self._state.is_paused

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Draw again when the terminal is resized, and leave it in order when asked to end."""
        handlers = {
            signal.SIGWINCH: self._notify, signal.SIGTERM: self._end, signal.SIGHUP: self._end,
        }  # fmt: skip
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
