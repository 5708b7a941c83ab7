"""Types of values and options that several commands share: names, durations, times, JSON."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from qless_py.cli.context import CliContext
from qless_py.errors import BadArgumentError
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol import arguments
from qless_py.store import parse, resolve

_COMPLETIONS: Final = 50


# Generic for the type checker; in older releases of click it cannot be subscripted.
if TYPE_CHECKING:
    Type = click.ParamType[Any]
else:
    Type = click.ParamType


def checked_name(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check a name, or several; a wrong one is a usage error."""
    try:
        for one in [value] if isinstance(value, str) else value or ():
            arguments.name(str(parameter.human_readable_name), one)
    except BadArgumentError as error:
        raise click.BadParameter(str(error)) from error
    return value


class Name(Type):
    """A name of something in the store; `known` lists some for completion in a shell."""

    def __init__(self, what: str, known: Callable[[Any, str], list[str]] | None = None) -> None:
        self.name = what
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return arguments.name(self.name, value)
        except BadArgumentError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return names that begin like this; none if the store does not answer."""
        del param
        if self._known is None:
            return []
        state = ctx.ensure_object(CliContext)
        try:
            with state.connect() as client:
                found = self._known(client, incomplete)
        except Exception:  # noqa: BLE001 - a traceback in the middle of typing helps nobody
            return []
        return [CompletionItem(one) for one in found if one.startswith(incomplete)][:_COMPLETIONS]


def _queues(client: Any, _: str) -> list[str]:
    return [str(row["name"]) for row in client.queues.counts]


def _jids(client: Any, _: str) -> list[str]:
    """List a few jobs of each state: a jid typed by hand is one that was just shown."""
    found: list[str] = [job.jid for job in client.jobs.tracked(data_limit=0)["jobs"]]
    for row in client.queues.counts[:10]:
        jobs = client.queues[row["name"]].jobs
        for state in ("running", "stalled", "waiting", "scheduled", "depends"):
            found += getattr(jobs, state)(0, _COMPLETIONS)
    for group in list(client.jobs.failed())[:10]:
        found += [job.jid for job in client.jobs.failed(group, 0, _COMPLETIONS)["jobs"]]
    return list(dict.fromkeys(found))


def _operations(client: Any, _: str) -> list[str]:
    return [one.jid for one in client.operations.recent()]


def _recurring(client: Any, _: str) -> list[str]:
    return [
        jid
        for row in client.queues.counts
        for jid in client.queues[row["name"]].jobs.recurring(0, _COMPLETIONS)
    ]


def _users(client: Any, _: str) -> list[str]:
    return [one.name for one in client.users.page(count=250).users]


def _throttles(client: Any, _: str) -> list[str]:
    return [one.id for one in client.throttles.page(count=250).throttles]


def _groups(client: Any, _: str) -> list[str]:
    return list(client.jobs.failed())


def _tags(client: Any, _: str) -> list[str]:
    return [tag for tag, _ in client.tag_counts(0, _COMPLETIONS)]


def _workers(client: Any, _: str) -> list[str]:
    return list(client.workers)


class Group(Name):
    """A failure group: one line of any text."""

    def __init__(self) -> None:
        super().__init__("group", _groups)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return arguments.line("group", value)
        except BadArgumentError as error:
            self.fail(str(error), param, ctx)


class Throttle(Name):
    """The id of a throttle: a name, `queue:NAME` or `user:NAME`."""

    def __init__(self) -> None:
        super().__init__("throttle", _throttles)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return arguments.throttle_id("throttle", value)
        except BadArgumentError as error:
            self.fail(str(error), param, ctx)


QUEUE: Final = Name("queue", _queues)
JID: Final = Name("jid", _jids)
OPERATION: Final = Name("jid", _operations)
RECURRING: Final = Name("jid", _recurring)
GROUP: Final = Group()
TAG: Final = Name("tag", _tags)
USER: Final = Name("user", _users)
THROTTLE: Final = Throttle()
WORKER: Final = Name("worker", _workers)
NAME: Final = Name("name")


class Cost(Throttle):
    """The id of a throttle, with or without the cost of the job: `github-api=2.5`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the id and the cost."""
        if not isinstance(value, str):
            return value
        throttle, equals, cost = value.partition("=")
        try:
            number = float(cost) if equals else 1.0
        except ValueError:
            self.fail(f"{cost!r} is not a number", param, ctx)
        return super().convert(throttle, param, ctx), number


COST: Final = Cost()
Command = TypeVar("Command", bound=Callable[..., Any])
_SPAN: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d|w)?")
_MAX_SHOWN: Final = 80
MAX_SPAN: Final = 100 * 365.25 * 86400
LATEST: Final = 253_402_300_799  # The year 9999.
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


# The options of a namespace that a queue may override.
OF_QUEUES: Final = ("heartbeat", "retry-policy")


def describe_store(url: str | None) -> str:
    """Return a line that names the store and how to choose another."""
    target = parse(resolve(url, is_shown=True))
    hint = " (choose another with --url or QLESS_PY_URL)" if target.kind == "embedded" else ""
    return f"Store: {target.shown}{hint}"


class Span(Type):
    """A duration in seconds: 90, 90s, 1.5m, 2h, 7d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number with or without a unit."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value
        else:
            found = _SPAN.fullmatch("" if isinstance(value, bool) else str(value).strip())
            if found is None:
                message = f"{_cut(value)} is not a duration such as 90, 90s, 15m, 2h, 7d"
                self.fail(message, param, ctx)
            seconds = float(found["number"]) * _UNITS[found["unit"] or "s"]
        if not 0 <= seconds <= MAX_SPAN:
            self.fail(f"{_cut(value)} is not between 0 seconds and 100 years", param, ctx)
        return float(seconds)


class Number(click.FloatRange):
    """A finite number: a range alone lets NaN and infinity pass."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{_cut(value)} is not a finite number", param, ctx)
        return number

    def _describe_range(self) -> str:
        """Return nothing for the help where there is no limit."""
        return "" if self.min is None and self.max is None else super()._describe_range()


class Most(click.IntRange):
    """A limit, from 1 to the largest integer of the machine."""

    def __init__(self) -> None:
        super().__init__(1, sys.maxsize)

    def _describe_range(self) -> str:
        """Leave the upper limit out of the help."""
        return "x>=1"


class Moment(Type):
    """An instant: seconds since 1970, ISO 8601, or a distance such as +15m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return seconds since 1970. Without a time zone, that of this machine holds."""
        text = str(value).strip()
        if text.startswith("+"):
            return time.time() + float(SPAN.convert(text[1:], param, ctx))
        at = _instant(text)
        if not 0 <= at <= LATEST:
            message = f"{_cut(value)} is not a time such as 2026-12-24T18:00, 1798131600, +15m"
            self.fail(message, param, ctx)
        return at


def _instant(text: str) -> float:
    """Read an instant; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        return math.nan


def _cut(value: Any) -> str:
    return repr(value) if len(repr(value)) <= _MAX_SHOWN else f"{repr(value)[:_MAX_SHOWN]}…"


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
    """Read a retry policy."""
    try:
        return RetryPolicy.of(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise click.BadParameter(f"not a retry policy: {error}", param_hint="--retry") from error


class Since(Moment):
    """An instant in the past: a distance such as 15m or 7d, or what `Moment` reads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return seconds since 1970."""
        found = _SPAN.fullmatch(str(value).strip())
        if found is None or found["unit"] is None:
            return super().convert(value, param, ctx)
        return max(0.0, time.time() - float(SPAN.convert(value, param, ctx)))


SPAN: Final = Span()
MOMENT: Final = Moment()
SINCE: Final = Since()
JSON: Final = Json()


class Pair(Type):
    """A name and a value: `traceparent=00-…`."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name and the value."""
        if not isinstance(value, str):
            return value
        name, equals, rest = value.partition("=")
        if not equals:
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, rest


RUN_OPTIONS: Final = (
    click.option(
        "--soft-limit", type=SPAN, help="Raise SoftLimitError in the job after this time."
    ),
    click.option("--hard-limit", type=SPAN, help="Kill the job after this time."),
    click.option(
        "--attempts",
        type=click.IntRange(min=1),
        help="How often a handler that raises is run, with back-off in between; by default once.",
    ),
    click.option(
        "--retry",
        type=JSON,
        help='Retry policy by exception, JSON: \'{"backoff": {"first": 5, "factor": 2}}\'.',
    ),
    click.option("--user", type=USER, help="The user of the job; users share a queue."),
    click.option(
        "--throttle",
        "throttles",
        type=COST,
        multiple=True,
        metavar="ID[=COST]",
        help="A throttle of the job, and its cost. May be repeated.",
    ),
    click.option(
        "--context",
        type=Pair(),
        multiple=True,
        help="What travels with the job, such as traceparent=00-…. May be repeated.",
    ),
)


def run_options(function: Command) -> Command:
    """Add the options of a job that hold for each of its runs."""
    for option in reversed(RUN_OPTIONS):
        function = option(function)
    return function


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as a put takes them."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "retry" in given:
        given["retry"] = policy(given["retry"])
    for name in ("throttles", "context"):
        if name in given:
            given[name] = dict(given[name])
    return given


def paged(count: int = 25) -> Callable[[Command], Command]:
    """Add --count and --offset."""

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "--count",
                type=click.IntRange(1, 1000),
                default=count,
                show_default=True,
                help="Show at most this many.",
            ),
            click.option(
                "--offset",
                type=click.IntRange(min=0),
                default=0,
                show_default=True,
                help="Skip this many.",
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
