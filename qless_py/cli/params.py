"""Types of values, and options, that several commands share."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from qless_py.cli.names import COST, USER, Type
from qless_py.handlers.retry import RetryPolicy
from qless_py.store import parse, resolve

Command = TypeVar("Command", bound=Callable[..., Any])

_SPAN: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d|w)?")
_SHOWN: Final = 80
LONGEST_SPAN: Final = 100 * 365.25 * 86400
LATEST: Final = 253_402_300_799  # The year 9999.
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


# Of all options of a namespace, those that a queue may have for itself.
OF_QUEUES: Final = ("heartbeat", "retry-policy")


def describe_store(url: str | None) -> str:
    """Give one line that says which store is used, and how to name another."""
    target = parse(resolve(url))
    hint = "; --url or QLESS_PY_URL names another" if target.kind == "embedded" else ""
    return f"Store: {target.shown}{hint}"


class Span(Type):
    """A length of time in seconds: 90, 90s, 1.5m, 2h, 7d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number with or without a unit."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value
        else:
            found = _SPAN.fullmatch("" if isinstance(value, bool) else str(value).strip())
            if found is None:
                told = f"{_cut(value)} is no length of time such as 90, 90s, 15m, 2h, 7d"
                self.fail(told, param, ctx)
            seconds = float(found["number"]) * _UNITS[found["unit"] or "s"]
        if not 0 <= seconds <= LONGEST_SPAN:
            self.fail(f"{_cut(value)} is not from 0 seconds to a hundred years", param, ctx)
        return float(seconds)


class Number(click.FloatRange):
    """A number that is one: neither infinite nor NaN, which no range keeps out."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{_cut(value)} is no number", param, ctx)
        return number

    def _describe_range(self) -> str:
        """Say nothing in the help where there is no limit."""
        return "" if self.min is None and self.max is None else super()._describe_range()


class Most(click.IntRange):
    """How many at most, from 1 to whatever an integer of the machine holds."""

    def __init__(self) -> None:
        super().__init__(1, sys.maxsize)

    def _describe_range(self) -> str:
        """Leave out what nobody reaches."""
        return "x>=1"


class Moment(Type):
    """A point in time: seconds since 1970, ISO 8601, or in as much as +15m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give seconds since 1970. Without a time zone it is that of this machine."""
        text = str(value).strip()
        if text.startswith("+"):
            return time.time() + float(SPAN.convert(text[1:], param, ctx))
        at = _instant(text)
        if not 0 <= at <= LATEST:
            told = f"{_cut(value)} is no time such as 2026-12-24T18:00, 1798131600, +15m"
            self.fail(told, param, ctx)
        return at


def _instant(text: str) -> float:
    """Read an instant; gives NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        return math.nan


def _cut(value: Any) -> str:
    return repr(value) if len(repr(value)) <= _SHOWN else f"{repr(value)[:_SHOWN]}…"


class Json(Type):
    """JSON; `-` reads it from standard input, `@PATH` from a file."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not isinstance(value, str):
            return value
        try:
            text = _content(value)
        except (OSError, ValueError) as error:
            self.fail(f"cannot read {value}: {error}", param, ctx)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self.fail(f"{text[:80]!r} is not JSON: {error}", param, ctx)


def _content(value: str) -> str:
    if value == "-":
        return sys.stdin.buffer.read().decode()
    return Path(value[1:]).read_text(encoding="utf-8") if value.startswith("@") else value


def policy(text: Any) -> RetryPolicy:
    """Read a policy of retries."""
    try:
        return RetryPolicy.of(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise click.BadParameter(f"no policy: {error}", param_hint="--retry") from error


SPAN: Final = Span()
MOMENT: Final = Moment()
JSON: Final = Json()

RUN_OPTIONS: Final = (
    click.option("--soft-limit", type=SPAN, help="The run gets an exception after this."),
    click.option("--hard-limit", type=SPAN, help="The run is ended after this."),
    click.option(
        "--retry",
        type=JSON,
        help='What is run again, and when: \'{"backoff": {"first": 5, "factor": 2}}\'.',
    ),
    click.option("--user", type=USER, help="Whose job it is: users share a queue."),
    click.option(
        "--throttle",
        "throttles",
        type=COST,
        multiple=True,
        metavar="ID[=COST]",
        help="A limit that it keeps to. May be repeated.",
    ),
)


def run_options(function: Command) -> Command:
    """Add what is said of each run of a job."""
    for option in reversed(RUN_OPTIONS):
        function = option(function)
    return function


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options that were given, in the form in which a put takes them."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "retry" in given:
        given["retry"] = policy(given["retry"])
    if "throttles" in given:
        given["throttles"] = dict(given["throttles"])
    return given


def paged(count: int = 25) -> Callable[[Command], Command]:
    """Add the options that choose a page."""

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "--count",
                type=click.IntRange(1, 1000),
                default=count,
                show_default=True,
                help="How many to show.",
            ),
            click.option(
                "--offset",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="How many to leave out before.",
            ),
        ):
            command = option(command)
        return command

    return add


yes: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")


def confirm(question: str, *, agreed: bool, out: Any) -> None:
    """Ask before a change that cannot be undone; without a terminal, --yes is required."""
    if agreed:
        return
    if out.is_json or not sys.stdin.isatty():
        raise click.UsageError(f"{question} Confirm with --yes")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was changed")
