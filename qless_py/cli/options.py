"""Types of arguments that several commands share."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from qless_py import options
from qless_py.cli.state import State
from qless_py.errors import BadArgumentError
from qless_py.store import parse, resolve

Command = TypeVar("Command", bound=Callable[..., Any])

# Generic for the type checker; in older releases of click it cannot be subscripted.
if TYPE_CHECKING:
    Type = click.ParamType[Any]
else:
    Type = click.ParamType

_SPAN: Final = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d|w)?")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SHOWN: Final = 50


def checked_name(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check a name, or several, so that a wrong one is wrong use and not an error of the store."""
    try:
        for one in [value] if isinstance(value, str) else value or ():
            options.name(str(parameter.human_readable_name), one)
    except BadArgumentError as error:
        raise click.BadParameter(str(error)) from error
    return value


def describe_store(url: str | None) -> str:
    """Give one line that says which store is used, and how to name another."""
    target = parse(resolve(url))
    hint = "; --url or QLESS_PY_URL names another" if target.kind == "embedded" else ""
    return f"Store: {target.shown}{hint}"


class Name(Type):
    """A name of something in the store; `known` lists a few for completion in a shell."""

    def __init__(self, what: str, known: Callable[[Any, str], list[str]] | None = None) -> None:
        self.name = what
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return options.name(self.name, value)
        except BadArgumentError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer what begins like this; a store that does not answer offers nothing."""
        del param
        if self._known is None:
            return []
        state = ctx.ensure_object(State)
        try:
            with state.connect() as client:
                found = self._known(client, incomplete)
        except Exception:  # noqa: BLE001 - a traceback in the middle of typing helps nobody
            return []
        return [CompletionItem(one) for one in found if one.startswith(incomplete)][:_SHOWN]


def _queues(client: Any, _: str) -> list[str]:
    return [str(row["name"]) for row in client.queues.counts]


def _jids(client: Any, _: str) -> list[str]:
    """List a few of each state: whoever types a jid by hand has just seen it."""
    found: list[str] = [job.jid for job in client.jobs.tracked()["jobs"]]
    for row in client.queues.counts[:10]:
        jobs = client.queues[row["name"]].jobs
        for state in ("running", "stalled", "waiting", "scheduled", "depends"):
            found += getattr(jobs, state)(0, _SHOWN)
    for group in list(client.jobs.failed())[:10]:
        found += [job.jid for job in client.jobs.failed(group, 0, _SHOWN)["jobs"]]
    return list(dict.fromkeys(found))


def _recurring(client: Any, _: str) -> list[str]:
    return [
        jid
        for row in client.queues.counts
        for jid in client.queues[row["name"]].jobs.recurring(0, _SHOWN)
    ]


def _groups(client: Any, _: str) -> list[str]:
    return list(client.jobs.failed())


def _tags(client: Any, _: str) -> list[str]:
    return [tag for tag, _ in client.tag_counts(0, _SHOWN)]


def _workers(client: Any, _: str) -> list[str]:
    return list(client.workers)


class Group(Name):
    """A failure group, which is one line of any text."""

    def __init__(self) -> None:
        super().__init__("group", _groups)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return options.line("group", value)
        except BadArgumentError as error:
            self.fail(str(error), param, ctx)


QUEUE: Final = Name("queue", _queues)
JID: Final = Name("jid", _jids)
RECURRING: Final = Name("jid", _recurring)
GROUP: Final = Group()
TAG: Final = Name("tag", _tags)
WORKER: Final = Name("worker", _workers)
NAME: Final = Name("name")


class Span(Type):
    """A length of time in seconds: 90, 90s, 1.5m, 2h, 7d."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number with or without a unit."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        found = _SPAN.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no length of time such as 90, 90s, 15m, 2h, 7d", param, ctx)
        return float(found["number"]) * _UNITS[found["unit"] or "s"]


class Moment(Type):
    """A point in time: seconds since 1970, ISO 8601, or in as much as +15m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give seconds since 1970. Without a time zone it is that of this machine."""
        text = str(value).strip()
        if text.startswith("+"):
            return time.time() + float(SPAN.convert(text[1:], param, ctx))
        try:
            return float(text)
        except ValueError:
            pass
        try:
            return dt.datetime.fromisoformat(text).astimezone().timestamp()
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time such as 2026-12-24T18:00, 1798131600, +15m", param, ctx
            )


class Json(Type):
    """JSON; `-` reads it from standard input, `@PATH` from a file."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not isinstance(value, str):
            return value
        text = value
        if value == "-":
            text = sys.stdin.read()
        elif value.startswith("@"):
            try:
                text = Path(value[1:]).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self.fail(f"cannot read {value[1:]}: {error}", param, ctx)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self.fail(f"{text[:80]!r} is not JSON: {error}", param, ctx)


SPAN: Final = Span()
MOMENT: Final = Moment()
JSON: Final = Json()


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


yes: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def confirm(question: str, *, agreed: bool, out: Any) -> None:
    """Ask before what cannot be taken back; whoever cannot be asked must have said --yes."""
    if agreed:
        return
    if out.is_json or not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say --yes")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was done")
