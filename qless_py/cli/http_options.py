"""The options of `qless-py put` that make the job an HTTP request."""

from __future__ import annotations

from typing import Any, Final

import click

from qless_py.cli.params import JSON, SPAN

_REQUEST: Final = {
    "http_url": "url",
    "method": "method",
    "header": "headers",
    "body": "body",
    "json_body": "json",
    "form": "form",
    "request_timeout": "timeout",
    "hand_off": "hand_off",
}
_NAMES: Final = {
    "header": "--header",
    "json_body": "--json",
    "request_timeout": "--request-timeout",
}
_OPTIONS: Final = (
    click.option("--http", "http_url", metavar="URL", help="Put an HTTP request to this URL."),
    click.option("--method", metavar="METHOD", help="With --http, its method; by default POST."),
    click.option(
        "--header",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="With --http, a header of it. May be repeated.",
    ),
    click.option("--body", metavar="TEXT", help="With --http, its body."),
    click.option("--json-body", type=JSON, help="With --http, its body as JSON."),
    click.option(
        "--form",
        multiple=True,
        metavar="NAME=VALUE",
        help="With --http, a field of its form. May be repeated.",
    ),
    click.option(
        "--request-timeout", type=SPAN, help="With --http, how long it may take; by default 1m."
    ),
    click.option(
        "--hand-off",
        type=SPAN,
        help="With --http, how long the target may take after an answer of 202.",
    ),
)


def with_http_options(function: Any) -> Any:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def http_arguments(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take these options out of `options`; return those of `put_http`, if there is a URL."""
    given = {name: options.pop(name) for name in _REQUEST}
    present = {name: one for name, one in given.items() if one not in (None, ())}
    if "http_url" not in present:
        if present:
            name = next(iter(present))
            raise click.UsageError(f"--{name.replace('_', '-')} needs --http URL")
        return None
    found = {_REQUEST[name]: one for name, one in present.items()}
    if "headers" in found:
        found["headers"] = dict(_pair("--header", one, ":") for one in found["headers"])
    if "form" in found:
        found["form"] = [_pair("--form", one, "=") for one in found["form"]]
    return found


def _pair(option: str, text: str, separator: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found:
        raise click.BadParameter(f"{text!r} has no {separator!r}", param_hint=option)
    return name, value.strip() if separator == ":" else value
