"""Pass events on to a chat by its webhook, in the form that it expects."""

from __future__ import annotations

import html
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final
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

Told = Mapping[str, Any]
Sink = Callable[[Told], None]


class SinkError(Exception):
    """An event could not be passed on."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for a refusal: what follows it is no POST, and may lead anywhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def posting(url: str, style: str | None, timeout: float = _TIMEOUT, pause: float = _PAUSE) -> Sink:
    """POST each event to a URL, in the shape that a chat expects."""
    host = _host(url)
    chosen = style or _HOSTS.get(host, "json")
    # The rest of such a URL is as good as a password.
    shown = f"{url.partition(':')[0]}://{host}"
    opener = urllib.request.build_opener(_NoRedirect)

    def sink(told: Told) -> None:
        request = urllib.request.Request(  # noqa: S310 - http or https, checked above
            url,
            data=as_json_line(shaped(told, chosen)).encode(),
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


def shaped(told: Told, style: str) -> Any:
    """Give the message for a chat; what a job says can address nobody there."""
    text = headline(told)[:_LONGEST_LINE]
    more = details(told).replace("```", "` ` `")
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
    return dict(told)


def _with_block(text: str, more: str) -> str:
    return f"{text}\n```\n{more}\n```" if more else text


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
