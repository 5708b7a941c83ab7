"""Record the changes that come through the command line: who ran which command, with what outcome.

`Configured.invoke` wraps every command, and a command counts as a change if it sent the store a
script that writes; so no command can be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from qless_py.cli.actor import actor
from qless_py.cli.errors import MISUSED, NOT_FOUND, ending_of

if TYPE_CHECKING:
    from qless_py.client.client import Client

# What producers, workers and programs do all day; it is no change by a person.
DAILY: Final = frozenset(
    {("put",), ("pop",), ("work",), ("web",), ("top",), ("demo",), ("simulate",), ("doctor",),
     ("job", "log")}
)  # fmt: skip
# Arguments that name what is changed, and options that only say how the command is run.
_TARGETS: Final = frozenset(
    {"jids", "jid", "names", "name", "queue", "throttle", "option", "group", "token_id",
     "webhook_id", "marker", "batch", "workflow"}
)  # fmt: skip
_HOW: Final = frozenset({"yes", "everyone", "output", "count"})


class NotingRunner:
    """Passes everything on to the runner of a client, and notes whether it sent a change."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.has_sent_change = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def run(self, call: Any) -> Any:
        """Send one call."""
        self._note([call])
        return self._runner.run(call)

    def run_many(self, calls: Any) -> Any:
        """Send calls in one round trip."""
        self._note(calls)
        return self._runner.run_many(calls)

    def _note(self, calls: Any) -> None:
        self.has_sent_change |= any(not call.script.startswith("read/") for call in calls)


def watch(client: Client) -> None:
    """Note from now on whether a client changes anything."""
    client.runner = NotingRunner(client.runner)  # type: ignore[assignment] # it stands for it


def recorded(ctx: click.Context, words: tuple[str, ...], cli: Any, run: Callable[[], Any]) -> Any:
    """Run a command, and record it if it changed something or was refused by the store."""
    if words in DAILY or ctx.params.get("dry_run"):
        return run()
    try:
        code = run()
    except click.exceptions.Exit as ending:
        _record(ctx, words, cli, ending.exit_code, "")
        raise
    except (Exception, KeyboardInterrupt) as error:
        _record(ctx, words, cli, *ending_of(error))
        raise
    _record(ctx, words, cli, code, "")
    return code


def _record(ctx: click.Context, words: tuple[str, ...], cli: Any, code: Any, reason: str) -> None:
    client = vars(cli).get("client")
    # `fsck --discard` deletes keys without a script.
    has_changed = client is not None and (
        client.runner.has_sent_change or ctx.params.get("discard")
    )
    if not has_changed:
        return
    from qless_py.client import audited  # noqa: PLC0415 - loaded by then
    from qless_py.protocol.audit import AuditEntry  # noqa: PLC0415

    count = audited.count_of(cli.out.answered)
    if not count and code in (MISUSED, NOT_FOUND):
        return  # A mistake: a wrong value, or the name of something that does not exist.
    targets = [
        ctx.params.get(str(one.name))
        for one in ctx.command.params
        if isinstance(one, click.Argument) and one.name in _TARGETS
    ]
    is_refused = bool(reason or (code and not count))
    names = audited.names_of(targets)
    if count is None and not is_refused and len(names) == 1:
        count = 1
    entry = AuditEntry(
        who=actor(),
        door="command line",
        action=audited.action_of_command(words),
        targets=names,
        details=audited.details_of(_given(ctx)),
        count=count,
        outcome="refused" if is_refused else "done",
        result=audited.text_of(reason),
    )
    audited.record(client, entry)


def _given(ctx: click.Context) -> dict[str, Any]:
    """Return the parameters that were given, apart from those that name what is changed."""
    return {
        name: value
        for name, value in ctx.params.items()
        if name not in _TARGETS | _HOW or _is_option(ctx, name)
        if ctx.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)
        if name not in _HOW
    }


def _is_option(ctx: click.Context, name: str) -> bool:
    return any(one.name == name and isinstance(one, click.Option) for one in ctx.command.params)
