"""Pass events on, to a command and to the desktop."""

from __future__ import annotations

import contextlib
import html
import os
import queue
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import click

from qless_py.cli.output import as_json_line
from qless_py.cli.webhook import Sink, SinkError, Told, details, headline

_TIMEOUT: Final = 30.0
_LAST_WAIT: Final = 60.0
_MOST_HELD: Final = 1000


@dataclass(slots=True)
class _Lane:
    """What waits for one receiver; `None` is the end. `dropped` of it found no room."""

    waiting: queue.Queue[Told | None] = field(default_factory=lambda: queue.Queue(_MOST_HELD))
    dropped: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)


class Couriers:
    """Passes events on in threads of their own: a slow chat must not hold up the listening."""

    def __init__(
        self, sinks: Sequence[Sink], note: Callable[[str], None], last_wait: float = _LAST_WAIT
    ) -> None:
        self._note = note
        self._last_wait = last_wait
        self._lanes = [_Lane() for _ in sinks]
        for sink, lane in zip(sinks, self._lanes, strict=True):
            threading.Thread(target=self._run, args=(sink, lane), daemon=True).start()

    def give(self, told: Told) -> None:
        """Have an event passed on; those that come when too many wait are dropped, and said so."""
        for lane in self._lanes:
            try:
                lane.waiting.put_nowait(told)
            except queue.Full:
                if not lane.dropped:
                    self._note("too many events are waiting to be passed on: more are dropped")
                lane.dropped += 1
            else:
                self._tell_dropped(lane)

    def _tell_dropped(self, lane: _Lane) -> None:
        if lane.dropped:
            self._note(f"{lane.dropped} events were not passed on")
            lane.dropped = 0

    def _run(self, sink: Sink, lane: _Lane) -> None:
        while (told := lane.waiting.get()) is not None:
            try:
                sink(told)
            except SinkError as error:
                self._note(str(error))
        lane.is_over.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let what was given arrive before leaving, for a minute, unless interrupted."""
        end = time.monotonic() + (self._last_wait if kind is None else 0)
        for lane in self._lanes:
            with contextlib.suppress(queue.Full):
                lane.waiting.put(None, timeout=max(0.0, end - time.monotonic()))
        for lane in self._lanes:
            if not lane.is_over.wait(max(0.0, end - time.monotonic())):
                lane.dropped += lane.waiting.qsize()
            self._tell_dropped(lane)


def executing(command: str) -> Sink:
    """Run a command for each event: JSON on standard input, the jid as last argument."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.BadParameter(f"{command!r} cannot be split into words: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise click.BadParameter(f"there is no command {command!r}", param_hint="--exec")

    def sink(told: Told) -> None:
        environment = {
            **os.environ,
            "QLESS_PY_EVENT": str(told["event"]),
            "QLESS_PY_JID": str(told["jid"] or ""),
            "QLESS_PY_QUEUE": str(told["queue"] or ""),
            "QLESS_PY_KLASS": str(told["klass"] or ""),
        }
        try:
            ended = subprocess.run(  # noqa: S603 - the command of whoever started this, no shell
                [*words, str(told["jid"] or "")],
                input=as_json_line(told).encode(),
                env=environment,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SinkError(f"{words[0]} did not end within {_TIMEOUT:g} s") from error
        except (OSError, ValueError) as error:
            raise SinkError(f"{words[0]}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{words[0]} ended with {ended.returncode} for {told['jid']}")

    return sink


def notifying() -> Sink:
    """Show each event on the desktop."""
    if (program := shutil.which("notify-send")) is not None:
        sender: str = program

        def words(title: str, body: str) -> list[str]:
            return [sender, "--app-name=qless-py", "--", title, html.escape(body)]

    elif program := shutil.which("osascript"):
        script = "display notification (item 2 of argv) with title (item 1 of argv)"

        def words(title: str, body: str) -> list[str]:
            steps = ("on run argv", script, "end run")
            return [program, *(word for step in steps for word in ("-e", step)), title, body]

    else:
        raise click.ClickException("--notify needs notify-send or osascript, and neither is here")

    def sink(told: Told) -> None:
        command = words(headline(told), details(told)[:300])
        try:
            ended = subprocess.run(command, timeout=_TIMEOUT, check=False)  # noqa: S603 - no shell
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SinkError(f"{program}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{program} ended with {ended.returncode}")

    return sink
