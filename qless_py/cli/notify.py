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

STYLES: Final = ("json", "slack", "mattermost", "discord")
_HOSTS: Final = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
_LONGEST: Final = 1500
_LONGEST_LINE: Final = 400
_DISCORD: Final = 2000  # Characters of a message: a longer one is refused.
_TIMEOUT: Final = 30.0
_TRIES: Final = 3
_PAUSE: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
EventFields = Mapping[str, Any]
Sink = Callable[[EventFields], None]


class SinkError(Exception):
    """An event could not be passed on."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for a refusal: what follows it is no POST, and may lead anywhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def webhook_sink(
    url: str, style: str | None, timeout: float = _TIMEOUT, pause: float = _PAUSE
) -> Sink:
    """POST each event to a URL, in the shape that a chat expects."""
    host = _host(url)
    chosen = style or _HOSTS.get(host, "json")
    # The rest of such a URL is as good as a password.
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
            threading.Event().wait(min(_LONGEST_WAIT, wait or pause * attempt))

    return sink


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
        plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    except ValueError:
        host = None
    if not host or not plain:
        # What is wrong with it may stand beside a secret.
        raise click.BadParameter("that is no http or https URL", param_hint="--webhook")
    return host


def _post(
    opener: urllib.request.OpenerDirector,
    request: urllib.request.Request,
    timeout: float,
    shown: str,
    *,
    is_last: bool,
) -> float | None:
    """Send it; gives how long to wait before another try, or None when it was accepted."""
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
    """Give the message for a chat; what a job says can address nobody there."""
    text = headline(event)[:_LONGEST_LINE]
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
    """Say in a few words what happened."""
    where = f" in {event['queue']}" if event["queue"] else ""
    what = f" ({event['klass']}{where})" if event["klass"] else where
    return f"{event['event']}: {event['jid'] or ''}{what}".strip()


def details(event: EventFields) -> str:
    """Say the rest, cut to what a chat takes."""
    rest = dict(event["details"])
    message = str(rest.pop("message", "")).strip()
    parts = [brief(rest, _LONGEST)] if rest else []
    return "\n".join([*parts, *([message[-_LONGEST:]] if message else [])])


_LAST_WAIT: Final = 60.0
_MOST_HELD: Final = 1000


@dataclass(slots=True)
class _Backlog:
    """Events that wait for one receiver, ended by `None`; `dropped` did not fit."""

    waiting: queue.Queue[EventFields | None] = field(
        default_factory=lambda: queue.Queue(_MOST_HELD)
    )
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

    def give(self, event: EventFields) -> None:
        """Have an event passed on; those that come when too many wait are dropped, and said so."""
        for backlog in self._backlogs:
            try:
                backlog.waiting.put_nowait(event)
            except queue.Full:
                if not backlog.dropped:
                    self._note("too many events are waiting to be passed on: more are dropped")
                backlog.dropped += 1
            else:
                self._tell_dropped(backlog)

    def _tell_dropped(self, backlog: _Backlog) -> None:
        if backlog.dropped:
            self._note(f"{backlog.dropped} events were not passed on")
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
        """Let what was given arrive before leaving, for a minute, unless interrupted."""
        end = time.monotonic() + (self._last_wait if kind is None else 0)
        for backlog in self._backlogs:
            with contextlib.suppress(queue.Full):
                backlog.waiting.put(None, timeout=max(0.0, end - time.monotonic()))
        for backlog in self._backlogs:
            if not backlog.is_over.wait(max(0.0, end - time.monotonic())):
                backlog.dropped += backlog.waiting.qsize()
            self._tell_dropped(backlog)


def command_sink(command: str) -> Sink:
    """Run a command for each event: JSON on standard input, the jid as last argument."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.BadParameter(f"{command!r} cannot be split into words: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise click.BadParameter(f"there is no command {command!r}", param_hint="--exec")

    def sink(event: EventFields) -> None:
        environment = {
            **os.environ,
            "QLESS_PY_EVENT": str(event["event"]),
            "QLESS_PY_JID": str(event["jid"] or ""),
            "QLESS_PY_QUEUE": str(event["queue"] or ""),
            "QLESS_PY_KLASS": str(event["klass"] or ""),
        }
        try:
            ended = subprocess.run(  # noqa: S603 - the command of whoever started this, no shell
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

    def sink(event: EventFields) -> None:
        command = words(headline(event), details(event)[:300])
        try:
            ended = subprocess.run(command, timeout=_TIMEOUT, check=False)  # noqa: S603 - no shell
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SinkError(f"{program}: {error}") from error
        if ended.returncode:
            raise SinkError(f"{program} ended with {ended.returncode}")

    return sink
