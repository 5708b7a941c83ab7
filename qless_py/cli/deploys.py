"""`qless-py deploy` and `qless-py deploys`: mark when a version was deployed."""

from __future__ import annotations

from dataclasses import asdict

import click

from qless_py import protocol
from qless_py.cli.actor import actor
from qless_py.cli.base import command, group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.client.humanize import local_time


@command("deploy", examples=("qless-py deploy v1.2", 'qless-py deploy "$(git describe)" --once'))
@click.argument("name")
@click.option("--by", help="Who deploys it, by default you: user@host.")
@click.option("--once", is_flag=True, help="Do nothing if a marker has this name already.")
@pass_cli
def deploy(cli: CliContext, name: str, by: str | None, once: bool) -> None:  # noqa: FBT001
    """Mark that a version is deployed now; charts and failures show what changed since.

    Run it at the end of a deployment. The 100 newest markers are kept.
    """
    call = protocol.deploys.mark(name, by or actor(), once=once)
    marker, is_new = cli.client.run(call)

    def show() -> None:
        done = "Marked" if is_new else "Already marked:"
        cli.out.line(f"{done} {marker.name} (marker {marker.id}, {local_time(marker.at)})")

    cli.out.answer({**asdict(marker), "is_new": is_new}, show)


@group("deploys")
def deploys() -> None:
    """List and remove the markers that `qless-py deploy` makes."""


@deploys.command("list", examples=("qless-py deploys list", "qless-py deploys list --json"))
@pass_cli
def list_deploys(cli: CliContext) -> None:
    """List deploy markers, the newest first."""
    answer = [asdict(one) for one in cli.client.deploys.list()]

    def show() -> None:
        rows = [(one["id"], one["name"], local_time(one["at"]), one["by"]) for one in answer]
        cli.out.table(("id", "name", "deployed", "by"), rows)

    cli.out.answer({"deploys": answer}, show)


@deploys.command("remove", examples=("qless-py deploys remove 1234",))
@click.argument("marker", metavar="ID")
@pass_cli
def remove(cli: CliContext, marker: str) -> None:
    """Remove a deploy marker by its id."""
    if not cli.client.deploys.remove(marker):
        raise NotFoundError(f"there is no marker with the id {marker}: see `qless-py deploys list`")
    cli.out.answer({"removed": marker})
