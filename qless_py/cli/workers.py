"""`qless-py workers`: who takes jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED, NotFoundError
from qless_py.cli.output import brief
from qless_py.cli.params import SPAN, WORKER
from qless_py.client.humanize import duration, local_time, size

_OK: Final = 200
_INFO: Final = ("host", "pid", "version", "queues", "slots", "busy", "state", "rss")


@group("workers")
def workers() -> None:
    """List workers, see what they hold, and steer them."""


def _of_some(function: Any) -> Any:
    for option in (
        click.option("--all", "everyone", is_flag=True, help="All that are known."),
        click.argument("names", nargs=-1, type=WORKER, metavar="[NAME]..."),
    ):
        function = option(function)
    return function


@workers.command("list", examples=("qless-py workers list", "qless-py workers list --json"))
@pass_cli
def list_workers(cli: CliContext) -> None:
    """List the workers with how many jobs each holds, the last one seen first."""
    answer: list[dict[str, Any]] = [dict(row) for row in cli.client.workers.counts]

    def show() -> None:
        now = time.time()
        rows = [
            (
                one["name"],
                one["jobs"],
                one["stalled"],
                duration(max(0.0, now - one["seen_at"])) if one["seen_at"] else "",
                *(_told(one["info"], name) for name in _INFO),
            )
            for one in answer
        ]
        cli.out.table(("worker", "jobs", "stalled", "last seen", *_INFO), rows)

    cli.out.answer({"workers": answer}, show)


def _told(info: Mapping[str, Any], name: str) -> Any:
    value = info.get(name)
    if name == "rss" and isinstance(value, int):
        return size(value)
    return value if isinstance(value, str | int | float | list | None) else brief(value)


@workers.command("show", examples=("qless-py workers show host-1234-0",))
@click.argument("name", type=WORKER)
@pass_cli
def show_worker(cli: CliContext, name: str) -> None:
    """Show which jobs a worker holds, and what it says of itself."""
    found = cli.client.workers[name]
    if "seen_at" not in found and not found["jobs"] and not found["stalled"]:
        raise NotFoundError(f"there is no worker {name}")
    answer: dict[str, Any] = {"name": name, "seen_at": None, "info": {}, **found}

    def show() -> None:
        cli.out.facts({"worker": name, "last seen": local_time(answer["seen_at"])})
        cli.out.facts(dict(answer["info"]))
        cli.out.facts({"jobs": answer["jobs"], "stalled": answer["stalled"]})

    cli.out.answer(answer, show)


@workers.command(
    "quiet",
    examples=(
        "qless-py workers quiet host-1234-0",
        "qless-py workers quiet host-1234",
        "qless-py workers quiet --all",
    ),
)
@_of_some
@pass_cli
def quiet(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Have workers take no more jobs until resumed; running ones go on.

    The name of a parent, host and process id, stands for all of its children.
    """
    _command(cli, names, "quiet", everyone=everyone)


@workers.command("resume", examples=("qless-py workers resume --all",))
@_of_some
@pass_cli
def resume(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Have workers take jobs again."""
    _command(cli, names, "resume", everyone=everyone)


@workers.command("stop", examples=("qless-py workers stop host-1234-0",))
@_of_some
@pass_cli
def stop(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Have workers end when their running jobs have ended."""
    _command(cli, names, "stop", everyone=everyone)


@workers.command("restart", examples=("qless-py workers restart --all",))
@_of_some
@pass_cli
def restart(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Have workers go on with new code, while running jobs end."""
    _command(cli, names, "restart", everyone=everyone)


def _command(cli: CliContext, names: tuple[str, ...], what: str, *, everyone: bool) -> None:
    if bool(names) == everyone:
        raise click.UsageError("name workers, or say --all")
    reached = getattr(cli.client.workers, what)(*names)
    answer = {"command": what, "told": len(reached)}
    cli.out.answer(answer, lambda: cli.out.line(f"answer {len(reached)} workers to {what}"))
    _refuse_unknown(
        name for name in names if not any(f"{one}-".startswith(f"{name}-") for one in reached)
    )


def _refuse_unknown(names: Iterable[str]) -> None:
    missing = list(dict.fromkeys(names))
    if missing:
        raise NotFoundError(f"there is no worker {', '.join(missing)}")


@workers.command(
    "check",
    examples=("qless-py workers check 8080", "qless-py workers check /run/worker.sock --live"),
)
@click.argument("address")
@click.option("--live", is_flag=True, help="Only ask whether it lives, not whether it is ready.")
@click.option("--timeout", type=SPAN, default=5.0, help="How long to wait for an answer.")
@pass_cli
def check(cli: CliContext, address: str, timeout: float, *, live: bool) -> int:
    """Ask the probe of a worker on this machine; exit code 1 unless it is ready.

    ADDRESS is what the worker was given as --probe.
    """
    from qless_py.worker import ask_probe  # noqa: PLC0415 - wanted by this command alone

    try:
        status, body = ask_probe(address, "/live" if live else "/ready", timeout)
    except ValueError as error:  # Which a BadArgumentError is, too.
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"no worker answers at {address}: {error}") from error
    is_well = status == _OK
    cli.out.answer(
        {"ready": is_well, "status": status, "answer": _read(body)}, lambda: cli.out.line(body)
    )
    return 0 if is_well else FAILED


def _read(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@workers.command("forget", examples=("qless-py workers forget host-1234-0",))
@click.argument("names", nargs=-1, required=True, type=WORKER, metavar="NAME...")
@pass_cli
def forget(cli: CliContext, names: tuple[str, ...]) -> None:
    """Take workers off the list, for example those of a machine that is gone."""
    known = set(cli.client.workers)
    number = cli.client.workers.deregister(*names)
    cli.out.answer({"forgotten": number}, lambda: cli.out.line(f"{number} forgotten"))
    _refuse_unknown(name for name in names if name not in known)
