"""Pass events on: to a command, to a chat by its webhook, to the desktop."""

from __future__ import annotations

import html
import json
import os
import queue
import shlex
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import click

from qless_py.cli.output import as_json_line, brief

STYLES: Final = ("json", "slack", "mattermost", "discord")
_HOSTS: Final = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
_LONGEST: Final = 1500
_TIMEOUT: Final = 30.0
_TRIES: Final = 3
_LONGEST_WAIT: Final = 30.0
_MOST_HELD: Final = 1000
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

Told = Mapping[str, Any]
Sink = Callable[[Told], None]


class SinkError(Exception):
    """An event could not be passed on."""


class Couriers:
    """Passes events on in threads of their own: a slow chat must not hold up the listening."""

    def __init__(self, sinks: Sequence[Sink], note: Callable[[str], None]) -> None:
        self._note = note
        self._lanes: list[queue.Queue[Told | None]] = []
        self._threads: list[threading.Thread] = []
        for sink in sinks:
            lane: queue.Queue[Told | None] = queue.Queue(_MOST_HELD)
            thread = threading.Thread(target=self._run, args=(sink, lane), daemon=True)
            thread.start()
            self._lanes.append(lane)
            self._threads.append(thread)

    def give(self, told: Told) -> None:
        """Have an event passed on; one that comes when too many wait is dropped, and said so."""
        for lane in self._lanes:
            try:
                lane.put_nowait(told)
            except queue.Full:
                self._note(f"dropped {told['event']} of {told['jid']}: too many events are waiting")

    def _run(self, sink: Sink, lane: queue.Queue[Told | None]) -> None:
        while (told := lane.get()) is not None:
            try:
                sink(told)
            except SinkError as error:
                self._note(str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let what was given arrive before leaving, unless interrupted."""
        for lane in self._lanes:
            if kind is None:
                lane.put(None)
        for thread in self._threads:
            thread.join(None if kind is None else 0)


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
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SinkError(f"{words[0]}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{words[0]} ended with {ended.returncode} for {told['jid']}")

    return sink


def posting(url: str, style: str | None) -> Sink:
    """POST each event to a URL, in the shape that a chat expects."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{url!r} is no http or https URL", param_hint="--webhook")
    chosen = style or _HOSTS.get(parts.hostname, "json")
    # The rest of such a URL is as good as a password.
    shown = f"{parts.scheme}://{parts.hostname}"

    def sink(told: Told) -> None:
        body = json.dumps(shaped(told, chosen), default=str).encode()
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "qless-py"},
        )
        for attempt in range(1, _TRIES + 1):
            wait = _post(request, shown, is_last=attempt == _TRIES)
            if wait is None:
                return
            threading.Event().wait(min(_LONGEST_WAIT, wait or 0.5 * attempt))

    return sink


def _post(request: urllib.request.Request, shown: str, *, is_last: bool) -> float | None:
    """Send it; gives how long to wait before another try, or None when it was accepted."""
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310 - checked above
            return None
    except urllib.error.HTTPError as error:
        is_final = error.code != _TOO_MANY and error.code < _SERVER_ERROR
        if is_final or is_last:
            raise SinkError(f"{shown} answered {error.code}") from error
        after = error.headers.get("Retry-After", "")
        return float(after) if after.replace(".", "", 1).isdigit() else 0.0
    except OSError as error:
        if is_last:
            raise SinkError(f"{shown}: {error}") from error
        return 0.0


def shaped(told: Told, style: str) -> Any:
    """Give the message for a chat; what a job says can address nobody there."""
    text = headline(told)
    more = details(told)
    if style == "slack":
        safe = html.escape(text, quote=False)
        return {"text": f"{safe}\n```{html.escape(more, quote=False)}```" if more else safe}
    quiet = text.replace("@", "@\u200b")
    body = f"{quiet}\n```\n{more.replace('```', '` ` `')}\n```" if more else quiet
    if style == "mattermost":
        return {"text": body, "username": "qless-py"}
    if style == "discord":
        return {"content": body, "username": "qless-py", "allowed_mentions": {"parse": []}}
    return dict(told)


def headline(told: Told) -> str:
    """Say in a few words what happened."""
    where = f" in {told['queue']}" if told["queue"] else ""
    what = f" ({told['klass']}{where})" if told["klass"] else where
    return f"{told['event']}: {told['jid'] or ''}{what}".strip()


def details(told: Told) -> str:
    """Say the rest, cut to what a chat takes."""
    rest = dict(told["details"])
    message = str(rest.pop("message", "")).strip()
    parts = [brief(rest, _LONGEST)] if rest else []
    return "\n".join([*parts, *([message[-_LONGEST:]] if message else [])])


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
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SinkError(f"{program}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{program} ended with {ended.returncode}")

    return sink
