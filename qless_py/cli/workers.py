"""`qless-py workers`: workers, their jobs, and commands to them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED, NotFoundError
from qless_py.cli.output import brief
from qless_py.cli.params import SPAN, WORKER, confirm, yes
from qless_py.client.humanize import duration, local_time, plural, size

_OK: Final = 200
_LOOK: Final = 0.2  # Seconds between two looks for an answer.
_INFO: Final = ("host", "pid", "version", "queues", "slots", "busy", "state", "rss")


@group("workers")
def workers() -> None:
    """List workers, show their jobs, and pause, stop or restart them."""


def _of_some(function: Any) -> Any:
    for option in (
        click.option("--all", "everyone", is_flag=True, help="All workers."),
        click.argument("names", nargs=-1, type=WORKER, metavar="[NAME]..."),
    ):
        function = option(function)
    return function


@workers.command("list", examples=("qless-py workers list", "qless-py workers list --json"))
@pass_cli
def list_workers(cli: CliContext) -> None:
    """List workers and how many jobs each runs, the last seen first."""
    answer: list[dict[str, Any]] = [dict(row) for row in cli.client.workers.counts]

    def show() -> None:
        now = time.time()
        rows = [
            (
                one["name"],
                one["jobs"],
                one["stalled"],
                duration(max(0.0, now - one["seen_at"])) if one["seen_at"] else "",
                *(_info_text(one["info"], name) for name in _INFO),
            )
            for one in answer
        ]
        cli.out.table(("worker", "jobs", "stalled", "last seen", *_INFO), rows)

    cli.out.answer({"workers": answer}, show)


def _info_text(info: Mapping[str, Any], name: str) -> Any:
    value = info.get(name)
    if name == "rss" and isinstance(value, int):
        return size(value)
    return value if isinstance(value, str | int | float | list | None) else brief(value)


@workers.command("show", examples=("qless-py workers show host-1234-0",))
@click.argument("name", type=WORKER)
@pass_cli
def show_worker(cli: CliContext, name: str) -> None:
    """Show the jobs of a worker and what it reports about itself."""
    found = cli.client.workers[name]
    if "seen_at" not in found and not found["jobs"] and not found["stalled"]:
        raise NotFoundError(f"worker {name} does not exist")
    answer: dict[str, Any] = {"name": name, "seen_at": None, "info": {}, **found}

    def show() -> None:
        cli.out.facts({"worker": name, "last seen": local_time(answer["seen_at"])})
        cli.out.facts(dict(answer["info"]))
        report = answer.get("report") or {}
        times = {name: local_time(report.get(f"{name}_at")) for name in ("asked", "done")}
        words = {name: f"{report[name]} {times[name]}" for name in times if name in report}
        cli.out.facts({**words, "report": report.get("text")})
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
    """Pause workers: they pop no jobs until resumed, running jobs continue.

    HOST-PID, the name of a supervisor, stands for all of its children.
    """
    _command(cli, names, "quiet", everyone=everyone)


@workers.command("resume", examples=("qless-py workers resume --all",))
@_of_some
@pass_cli
def resume(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Resume paused workers."""
    _command(cli, names, "resume", everyone=everyone)


@workers.command("stop", examples=("qless-py workers stop host-1234-0",))
@_of_some
@pass_cli
def stop(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Stop workers once their running jobs have finished."""
    _command(cli, names, "stop", everyone=everyone)


@workers.command("restart", examples=("qless-py workers restart --all",))
@_of_some
@pass_cli
def restart(cli: CliContext, names: tuple[str, ...], *, everyone: bool) -> None:
    """Restart workers with new code while running jobs finish."""
    _command(cli, names, "restart", everyone=everyone)


@workers.command(
    "dump", examples=("qless-py workers dump host-1234-0", "qless-py workers dump --all --wait 0")
)
@click.option(
    "--wait", type=SPAN, default=10.0, help="How long to wait for the answers; by default 10s."
)
@_of_some
@pass_cli
def dump(cli: CliContext, names: tuple[str, ...], *, everyone: bool, wait: float) -> None:
    """Print the stacks of all threads of workers: what they run just now.

    `workers show` prints the last answer again.
    """
    if bool(names) == everyone:
        raise click.UsageError("name workers, or use --all")
    reached = cli.client.workers.dump(*names)
    deadline = time.monotonic() + wait
    reports: dict[str, Any] = {}
    pause = threading.Event()
    while len(reports) < len(reached) and time.monotonic() < deadline:
        for name in set(reached) - set(reports):
            found = cli.client.workers[name].get("report", {})
            if found.get("done") == "dump":
                reports[name] = found
        if len(reports) < len(reached):
            pause.wait(_LOOK)

    def show() -> None:
        for name, found in sorted(reports.items()):
            cli.out.line(f"{name}, {local_time(found['done_at'])}")
            for line in found.get("text", "").splitlines():
                cli.out.line(f"  {line}")
        missing = len(reached) - len(reports)
        if missing:
            cli.out.note(f"{plural(missing, 'worker')} did not answer yet: see `workers show`")

    cli.out.answer({"command": "dump", "told": len(reached), "reports": reports}, show)
    _refuse_unknown(
        name for name in names if not any(f"{one}-".startswith(f"{name}-") for one in reached)
    )


def _command(cli: CliContext, names: tuple[str, ...], what: str, *, everyone: bool) -> None:
    if bool(names) == everyone:
        raise click.UsageError("name workers, or use --all")
    reached = getattr(cli.client.workers, what)(*names)
    answer = {"command": what, "told": len(reached)}
    cli.out.answer(answer, lambda: cli.out.line(f"Sent {what} to {plural(len(reached), 'worker')}"))
    _refuse_unknown(
        name for name in names if not any(f"{one}-".startswith(f"{name}-") for one in reached)
    )


def _refuse_unknown(names: Iterable[str]) -> None:
    missing = list(dict.fromkeys(names))
    if missing:
        raise NotFoundError(f"worker {', '.join(missing)} does not exist")


@workers.command(
    "check",
    examples=("qless-py workers check 8080", "qless-py workers check /run/worker.sock --live"),
)
@click.argument("address")
@click.option("--live", is_flag=True, help="Ask /live, not /ready.")
@click.option("--timeout", type=SPAN, default=5.0, help="How long to wait for the answer.")
@pass_cli
def check(cli: CliContext, address: str, timeout: float, *, live: bool) -> int:
    """Query the probe of a worker on this machine; exit code 1 unless it is ready.

    ADDRESS is the --probe of the worker.
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


@workers.command("forget", examples=("qless-py workers forget host-1234-0 --yes",))
@click.argument("names", nargs=-1, required=True, type=WORKER, metavar="NAME...")
@yes
@pass_cli
def forget(cli: CliContext, names: tuple[str, ...], *, yes: bool) -> None:
    """Remove workers from the list, for example those of a lost machine.

    Jobs that one of them holds return when their leases end, or at once with `qless-py job timeout
    --search worker:NAME`.
    """
    known = {row["name"]: row["jobs"] + row["stalled"] for row in cli.client.workers.counts}
    held = [f"{name} with {plural(known[name], 'job')}" for name in names if known.get(name)]
    if held:
        later = "Held jobs return only when their leases end"
        confirm(f"Forget {', '.join(held)}? {later}.", agreed=yes, out=cli.out)
    number = cli.client.workers.deregister(*names)
    cli.out.answer(
        {"forgotten": number}, lambda: cli.out.line(f"Removed {plural(number, 'worker')}")
    )
    _refuse_unknown(name for name in names if name not in known)
