"""Names of what is in a store, as arguments: checked, and completed in a shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from qless_py.cli.state import State
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as options

_SHOWN: Final = 50

# Generic for the type checker; in older releases of click it cannot be subscripted.
if TYPE_CHECKING:
    Type = click.ParamType[Any]
else:
    Type = click.ParamType


def checked_name(_context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Check a name, or several, so that a wrong one is wrong use and not an error of the store."""
    try:
        for one in [value] if isinstance(value, str) else value or ():
            options.name(str(parameter.human_readable_name), one)
    except BadArgumentError as error:
        raise click.BadParameter(str(error)) from error
    return value


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


def _operations(client: Any, _: str) -> list[str]:
    return [one.jid for one in client.operations.recent()]


def _recurring(client: Any, _: str) -> list[str]:
    return [
        jid
        for row in client.queues.counts
        for jid in client.queues[row["name"]].jobs.recurring(0, _SHOWN)
    ]


def _users(client: Any, _: str) -> list[str]:
    return [one.name for one in client.users.page(count=250).users]


def _throttles(client: Any, _: str) -> list[str]:
    return [one.id for one in client.throttles.page(count=250).throttles]


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


class Throttle(Name):
    """The id of a throttle: a name, or that of a queue or user behind `queue:` or `user:`."""

    def __init__(self) -> None:
        super().__init__("throttle", _throttles)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the form."""
        try:
            return options.throttle_id("throttle", value)
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
    """The id of a throttle, alone or with what the job costs of it: `github-api=2.5`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the id and the cost."""
        if not isinstance(value, str):
            return value
        throttle, equals, cost = value.partition("=")
        try:
            number = float(cost) if equals else 1.0
        except ValueError:
            self.fail(f"{cost!r} is not a number", param, ctx)
        return super().convert(throttle, param, ctx), number


COST: Final = Cost()
