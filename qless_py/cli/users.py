"""`qless-py users`: users and their share of queues."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.paging import by_cursor, note_rest, read_page
from qless_py.cli.params import QUEUE, USER, Number
from qless_py.protocol.users import UserPage


@group("users")
def users() -> None:
    """List users and set their share of queues."""


@users.command("list", examples=("qless-py users list", "qless-py users list --queue mail"))
@click.option("--queue", type=QUEUE, help="Users with ready jobs in this queue, with their shares.")
@by_cursor
@pass_cli
def list_users(cli: CliContext, queue: str | None, count: int, cursor: str | None) -> None:
    """List users with settings, or those with ready jobs in a queue.

    Shares are shown if all users of the queue fit on a page.
    """
    client = cli.client
    page: UserPage[Any]
    if queue is None:
        page = read_page(client.users.page, cursor, count)
        columns = ["name", "weight", "max_running", "running"]
    else:
        page = read_page(client.queues[queue].user_page, cursor, count)
        columns = ["name", "share", "waiting", "weight", "max_running", "running"]
    answer = [asdict(one) for one in page.users]

    def show() -> None:
        cli.out.table(columns, [[one[name] for name in columns] for one in answer])
        note_rest(cli.out, page)

    cli.out.answer({"users": answer, "total": page.total, "cursor": page.cursor}, show)


@users.command("show", examples=("qless-py users show alice",))
@click.argument("name", type=USER)
@pass_cli
def show_user(cli: CliContext, name: str) -> None:
    """Show the settings of a user and how many of its jobs are running."""
    answer = asdict(cli.client.users[name].get())
    cli.out.answer(answer, lambda: cli.out.facts(answer))


@users.command(
    "set",
    examples=("qless-py users set alice --weight 3", "qless-py users set alice --max-running 10"),
)
@click.argument("name", type=USER)
@click.option("--weight", type=Number(), help="The weight of its share of a queue, by default 1.")
@click.option(
    "--max-running", type=click.IntRange(min=0), help="How many jobs of the user may run at once."
)
@pass_cli
def set_user(cli: CliContext, name: str, weight: float | None, max_running: int | None) -> None:
    """Set the weight of a user, or how many of its jobs may run at once."""
    if weight is None and max_running is None:
        raise click.UsageError("give --weight or --max-running")
    answer = asdict(cli.client.users[name].set(weight=weight, max_running=max_running))
    cli.out.answer(answer, lambda: cli.out.facts(answer))


@users.command("unset", examples=("qless-py users unset alice",))
@click.argument("name", type=USER)
@pass_cli
def unset(cli: CliContext, name: str) -> None:
    """Reset a user to weight 1 without a limit."""
    if not cli.client.users[name].unset():
        raise NotFoundError(f"user {name} has no settings")
    cli.out.answer({"unset": name})
