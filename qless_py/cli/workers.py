"""`qless-py workers`: who takes jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import click

from qless_py.cli.frame import NotFoundError, group, pass_state
from qless_py.cli.names import WORKER
from qless_py.cli.output import brief, moment, span
from qless_py.cli.state import State

_INFO: Final = ("host", "pid", "version", "queues", "slots", "busy", "state", "rss")


@group("workers")
def workers() -> None:
    """List workers, see what they hold, and steer them."""


@workers.command("list", examples=("qless-py workers list", "qless-py workers list --json"))
@pass_state
def list_workers(state: State) -> None:
    """List the workers with how many jobs each holds, the last one seen first."""
    told: list[dict[str, Any]] = [dict(row) for row in state.client.workers.counts]

    def show() -> None:
        now = time.time()
        rows = [
            (
                one["name"],
                one["jobs"],
                one["stalled"],
                span(max(0.0, now - one["seen_at"])) if one["seen_at"] else "",
                *(_told(one["info"], name) for name in _INFO),
            )
            for one in told
        ]
        state.out.table(("worker", "jobs", "stalled", "last seen", *_INFO), rows)

    state.out.answer({"workers": told}, show)


def _told(info: Mapping[str, Any], name: str) -> Any:
    value = info.get(name)
    if name == "rss" and isinstance(value, int):
        return f"{value / 2**20:.0f} MiB"
    return value if isinstance(value, str | int | float | list | None) else brief(value)


@workers.command("show", examples=("qless-py workers show host-1234-0",))
@click.argument("name", type=WORKER)
@pass_state
def show_worker(state: State, name: str) -> None:
    """Show which jobs a worker holds, and what it says of itself."""
    found = state.client.workers[name]
    if "seen_at" not in found and not found["jobs"] and not found["stalled"]:
        raise NotFoundError(f"there is no worker {name}")
    told: dict[str, Any] = {"name": name, "seen_at": None, "info": {}, **found}

    def show() -> None:
        state.out.facts({"worker": name, "last seen": moment(told["seen_at"])})
        state.out.facts(dict(told["info"]))
        state.out.facts({"jobs": told["jobs"], "stalled": told["stalled"]})

    state.out.answer(told, show)


@workers.command("forget", examples=("qless-py workers forget host-1234-0",))
@click.argument("names", nargs=-1, required=True, type=WORKER, metavar="NAME...")
@pass_state
def forget(state: State, names: tuple[str, ...]) -> None:
    """Take workers off the list, for example those of a machine that is gone."""
    number = state.client.workers.deregister(*names)
    state.out.answer({"forgotten": number}, lambda: state.out.line(f"{number} forgotten"))
    if number < len(set(names)):
        raise NotFoundError(f"{len(set(names)) - number} of them were not on the list")
