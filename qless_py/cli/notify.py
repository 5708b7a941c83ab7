"""Forward events to a command, to the desktop and to a chat by its webhook."""

from __future__ import annotations

import contextlib
import html
import http.client
import os
import queue
import shlex
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import click

from qless_py.cli.output import as_json_line, brief
from qless_py.client.humanize import plural

STYLES: Final = ("json", "slack", "mattermost", "discord")
_HOSTS: Final = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
_MAX_TEXT: Final = 1500
_MAX_LINE: Final = 400
_DISCORD: Final = 2000  # Characters of a message: a longer one is refused.
_TIMEOUT: Final = 30.0
_TRIES: Final = 3
_PAUSE: Final = 0.5
_MAX_WAIT: Final = 30.0
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
EventFields = Mapping[str, Any]
Sink = Callable[[EventFields], None]


class SinkError(Exception):
    """An event could not be forwarded."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treat a redirect as a refusal: it would turn the POST into a GET, to any host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def webhook_sink(
    url: str, style: str | None, timeout: float = _TIMEOUT, pause: float = _PAUSE
) -> Sink:
    """Return a sink that POSTs events to a URL, in the format of a chat."""
    host = _host(url)
    chosen = style or _HOSTS.get(host, "json")
    # The rest of a webhook URL is a secret.
    shown = f"{url.partition(':')[0]}://{host}"
    opener = urllib.request.build_opener(_NoRedirect)

    def sink(event: EventFields) -> None:
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            url,
            data=as_json_line(shaped(event, chosen)).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "qless-py"},
        )
        for attempt in range(1, _TRIES + 1):
            wait = _post(opener, request, timeout, shown, is_last=attempt == _TRIES)
            if wait is None:
                return
            threading.Event().wait(min(_MAX_WAIT, wait or pause * attempt))

    return sink


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
        plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    except ValueError:
        host = None
    if not host or not plain:
        # Do not print the URL: it may hold a secret.
        raise click.BadParameter("not an http or https URL", param_hint="--webhook")
    return host


def _post(
    opener: urllib.request.OpenerDirector,
    request: urllib.request.Request,
    timeout: float,
    shown: str,
    *,
    is_last: bool,
) -> float | None:
    """Send a request; return how long to wait before a retry, or None if it was accepted."""
    try:
        with opener.open(request, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        with error:
            is_final = error.code != _TOO_MANY and error.code < _SERVER_ERROR
            if is_final or is_last:
                raise SinkError(f"{shown} answered {error.code}") from error
            after = error.headers.get("Retry-After", "")
            return float(after) if after.replace(".", "", 1).isdecimal() else 0.0
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_last:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            raise SinkError(f"{shown}: {type(error).__name__}: {why}") from error
        return 0.0


def shaped(event: EventFields, style: str) -> Any:
    """Return the message for a chat. Text from a job cannot mention anybody there."""
    text = headline(event)[:_MAX_LINE]
    more = details(event).replace("```", "` ` `")
    if style == "slack":
        safe = html.escape(text, quote=False)
        return {"text": f"{safe}\n```{html.escape(more, quote=False)}```" if more else safe}
    quiet = text.replace("@", "@\u200b")
    if style == "mattermost":
        return {"text": _with_block(quiet, more), "username": "qless-py"}
    if style == "discord":
        room = _DISCORD - len(_with_block(quiet, " ")) + 1
        content = _with_block(quiet, more[-room:])
        return {"content": content, "username": "qless-py", "allowed_mentions": {"parse": []}}
    return dict(event)


def _with_block(text: str, more: str) -> str:
    return f"{text}\n```\n{more}\n```" if more else text


def headline(event: EventFields) -> str:
    """Return a short description of the event."""
    where = f" in {event['queue']}" if event["queue"] else ""
    what = f" ({event['klass']}{where})" if event["klass"] else where
    return f"{event['event']}: {event['jid'] or ''}{what}".strip()


def details(event: EventFields) -> str:
    """Return the details, cut to what a chat accepts."""
    rest = dict(event["details"])
    message = str(rest.pop("message", "")).strip()
    parts = [brief(rest, _MAX_TEXT)] if rest else []
    return "\n".join([*parts, *([message[-_MAX_TEXT:]] if message else [])])


_LAST_WAIT: Final = 60.0
_MAX_HELD: Final = 1000


@dataclass(slots=True)
class _Backlog:
    """Events that wait for one receiver, ended by `None`; `dropped` did not fit."""

    waiting: queue.Queue[EventFields | None] = field(default_factory=lambda: queue.Queue(_MAX_HELD))
    dropped: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)


class Forwarder:
    """Forwards events in threads of its own, so that a slow chat does not delay the listener."""

    def __init__(
        self, sinks: Sequence[Sink], note: Callable[[str], None], last_wait: float = _LAST_WAIT
    ) -> None:
        self._note = note
        self._last_wait = last_wait
        self._backlogs = [_Backlog() for _ in sinks]
        for sink, backlog in zip(sinks, self._backlogs, strict=True):
            threading.Thread(target=self._run, args=(sink, backlog), daemon=True).start()

    def forward(self, event: EventFields) -> None:
        """Queue an event for all receivers; it is dropped where too many wait."""
        for backlog in self._backlogs:
            try:
                backlog.waiting.put_nowait(event)
            except queue.Full:
                if not backlog.dropped:
                    self._note("Too many events are waiting: dropping new ones")
                backlog.dropped += 1
            else:
                self._report_dropped(backlog)

    def _report_dropped(self, backlog: _Backlog) -> None:
        if backlog.dropped:
            self._note(f"{plural(backlog.dropped, 'event')} dropped")
            backlog.dropped = 0

    def _run(self, sink: Sink, backlog: _Backlog) -> None:
        while (event := backlog.waiting.get()) is not None:
            try:
                sink(event)
            except SinkError as error:
                self._note(str(error))
        backlog.is_over.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait up to a minute until all events are forwarded, unless interrupted."""
        end = time.monotonic() + (self._last_wait if kind is None else 0)
        for backlog in self._backlogs:
            with contextlib.suppress(queue.Full):
                backlog.waiting.put(None, timeout=max(0.0, end - time.monotonic()))
        for backlog in self._backlogs:
            if not backlog.is_over.wait(max(0.0, end - time.monotonic())):
                backlog.dropped += backlog.waiting.qsize()
            self._report_dropped(backlog)


def command_sink(command: str) -> Sink:
    """Return a sink that runs a command: JSON on standard input, the jid as last argument."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.BadParameter(f"{command!r} is not a valid command line: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise click.BadParameter(f"command {command!r} not found", param_hint="--exec")

    def sink(event: EventFields) -> None:
        environment = {
            **os.environ,
            "QLESS_PY_EVENT": str(event["event"]),
            "QLESS_PY_JID": str(event["jid"] or ""),
            "QLESS_PY_QUEUE": str(event["queue"] or ""),
            "QLESS_PY_KLASS": str(event["klass"] or ""),
        }
        try:
            ended = subprocess.run(  # noqa: S603 - the command of the user, no shell
                [*words, str(event["jid"] or "")],
                input=as_json_line(event).encode(),
                env=environment,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SinkError(f"{words[0]} did not end within {_TIMEOUT:g} s") from error
        except (OSError, ValueError) as error:
            raise SinkError(f"{words[0]}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{words[0]} ended with {ended.returncode} for {event['jid']}")

    return sink


def desktop_sink() -> Sink:
    """Return a sink that shows desktop notifications."""
    if (program := shutil.which("notify-send")) is not None:
        sender: str = program

        def argv(title: str, body: str) -> list[str]:
            return [sender, "--app-name=qless-py", "--", title, html.escape(body)]

    elif program := shutil.which("osascript"):
        script = "display notification (item 2 of argv) with title (item 1 of argv)"

        def argv(title: str, body: str) -> list[str]:
            steps = ("on run argv", script, "end run")
            return [program, *(word for step in steps for word in ("-e", step)), title, body]

    else:
        raise click.ClickException("--notify needs notify-send or osascript")

    def sink(event: EventFields) -> None:
        command = argv(headline(event), details(event)[:300])
        try:
            ended = subprocess.run(command, timeout=_TIMEOUT, check=False)  # noqa: S603 - no shell
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SinkError(f"{program}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{program} ended with {ended.returncode}")

    return sink
