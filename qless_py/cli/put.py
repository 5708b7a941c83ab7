"""`qless-py put`: one job, or many from lines of JSON."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO

import click

from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.http_options import http_arguments, with_http_options
from qless_py.cli.params import (
    JSON,
    MOMENT,
    NAME,
    QUEUE,
    SPAN,
    TAG,
    Number,
    given_options,
    run_options,
)
from qless_py.client.humanize import plural
from qless_py.errors import QlessError
from qless_py.protocol.arguments import MAX_PER_CALL, PARENT_POLICIES

_CONFLICTS: Final = click.Choice(["replace", "ignore", "raise"])
_OPTIONS: Final = (
    click.option("--jid", type=NAME, help="The jid of the job, by default a random one."),
    click.option("--priority", type=Number(), help="Jobs with a higher priority go first."),
    click.option("--tag", "tags", type=TAG, multiple=True, help="A tag. May be repeated."),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        help="How often the job may lose its lease before it fails; by default 5.",
    ),
    click.option("--delay", type=SPAN, help="Run it after this time: 90, 15m, 2h."),
    click.option("--at", type=MOMENT, help="Run it at this time."),
    click.option(
        "--depends",
        type=NAME,
        multiple=True,
        help="A jid that must complete first. May be repeated.",
    ),
    click.option(
        "--on-parent-failed",
        type=click.Choice(PARENT_POLICIES),
        help="What happens to the job if one of --depends fails; by default it waits.",
    ),
    click.option("--on-conflict", type=_CONFLICTS, help="What to do if the jid exists."),
    click.option("--unique-key", type=NAME, help="Allow only one job with this key."),
    click.option(
        "--unique-scope",
        type=click.Choice(["queued", "running", "window"]),
        help="How long the key is taken: until the job starts, it ends, or for --unique-window.",
    ),
    click.option("--unique-window", type=SPAN, help="How long the key is taken."),
    click.option("--unique-conflict", type=_CONFLICTS, help="What to do if the key is taken."),
    click.option("--keep", type=SPAN, help="How long the job is kept after it ends."),
    click.option(
        "--expires", type=MOMENT, help="Fail the job if it has not started by then: +1h, a time."
    ),
    click.option("--batch", type=NAME, help="An open batch to join."),
)


def _with_options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@command(
    "put",
    examples=(
        """qless-py put mail app.SendMail '{"to": "ann@example.org"}'""",
        "qless-py put mail app.SendMail @letter.json --jid letter-1 --on-conflict ignore",
        "qless-py put reports app.Report --at 2030-01-01T06:00 --tag yearly --priority 10",
        "qless-py put hooks --http https://example.org/hook --json-body '{\"id\": 7}' --attempts 5",
        """echo '{"klass": "app.SendMail", "data": {"to": "bob"}}' | qless-py put mail --lines -""",
    ),
)
@click.argument("queue", type=QUEUE)
@click.argument("klass", required=False)
@click.argument("data", type=JSON, required=False)
@_with_options
@run_options
@with_http_options
@click.option(
    "--lines",
    type=click.File(encoding="utf-8"),
    help="Put many jobs: each line is a JSON object with klass, data and options.",
)
@pass_cli
def put(
    cli: CliContext, queue: str, klass: str | None, data: Any, lines: TextIO | None, **options: Any
) -> None:
    """Put a job of KLASS into QUEUE and print its jid.

    DATA is JSON; - reads it from standard input and @PATH from a file. With --http the job is a
    request, which a worker with --http sends.
    """
    request = http_arguments(options)
    given = given_options(options)
    if request is not None and (klass is not None or lines is not None):
        raise click.UsageError("--http takes neither KLASS and DATA nor --lines")
    if lines is not None:
        if klass is not None or given:
            raise click.UsageError(
                "--lines takes klass, data and options from each line, not from the command line"
            )
        _put_many(cli, queue, _specs(lines))
        return
    if klass is None and request is None:
        raise click.UsageError("missing KLASS; to put many jobs, use --lines")
    if "at" in given and "delay" in given:
        raise click.UsageError("--at and --delay exclude each other")
    if "expires" in given:
        given["expires"] = dt.datetime.fromtimestamp(given["expires"], dt.UTC)
    target = cli.client.queues[queue]
    jid = (
        target.put(klass, data, **given) if request is None else target.put_http(**request, **given)
    )
    cli.out.answer({"jid": jid}, lambda: cli.out.line(jid))


def _put_many(cli: CliContext, queue: str, specs: Iterator[tuple[int, dict[str, Any]]]) -> None:
    target, number = cli.client.queues[queue], 0
    some: list[tuple[int, dict[str, Any]]] = []
    try:
        while some := list(itertools.islice(specs, MAX_PER_CALL)):
            # put_many checks them.
            jids = target.put_many(spec for _, spec in some)  # type: ignore[misc]
            number += len(jids)
            if not cli.is_json:
                for jid in jids:
                    cli.out.line(jid)
    except (QlessError, click.ClickException) as error:
        if isinstance(error, QlessError):
            cli.out.note(f"None of lines {some[0][0]} to {some[-1][0]} was put")
        if number:
            cli.out.note(f"{plural(number, 'job')} put before this error")
        raise
    cli.out.answer({"number": number}, lambda: cli.out.note(f"Put {plural(number, 'job')}"))


def _specs(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's job with the number of the line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            spec = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise click.BadParameter(f"line {number} is not JSON: {error}") from error
        if not isinstance(spec, dict) or not isinstance(spec.get("klass"), str):
            raise click.BadParameter(f"line {number} is not a JSON object with a klass")
        yield number, spec
