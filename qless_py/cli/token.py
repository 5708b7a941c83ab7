"""`qless-py token`: access tokens of the HTTP API."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict

import click

from qless_py.cli.actor import actor
from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import NotFoundError
from qless_py.cli.params import MOMENT
from qless_py.client.humanize import local_time
from qless_py.errors import BadArgumentError
from qless_py.protocol.tokens import SCOPES


@group("token")
def token() -> None:
    """Create, list and revoke access tokens of the HTTP API."""


@token.command(
    "create",
    examples=(
        "qless-py token create billing --scope put --queue 'mail*' --klass 'app.mail.*'",
        "qless-py token create monitor --scope read --expires +90d",
    ),
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="What the token may do: put jobs, work on them, read, operate; data shows secrets in the "
    "data, results and errors of jobs. May be repeated.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="PATTERN",
    help="Only these queues; * matches any characters. May be repeated.",
)
@click.option(
    "--klass",
    "klasses",
    multiple=True,
    metavar="PATTERN",
    help="Put only jobs of these klasses; http must be named in full. May be repeated.",
)
@click.option("--expires", type=MOMENT, help="Until when the token is valid: +90d, a time.")
@pass_cli
def create(  # noqa: PLR0913 - one parameter for each option
    cli: CliContext,
    *,
    name: str,
    scopes: tuple[str, ...],
    queues: tuple[str, ...],
    klasses: tuple[str, ...],
    expires: float | None,
) -> None:
    """Create an access token and print it: it cannot be shown again."""
    made = cli.client.tokens.create(
        name,
        scopes=scopes,  # type: ignore[arg-type] # click has checked them
        queues=queues or None,
        klasses=klasses or None,
        expires=None if expires is None else dt.datetime.fromtimestamp(expires, dt.UTC),
        created_by=actor(),
    )
    if not cli.out.is_json:
        cli.out.note("Keep this token: only its hash is stored, so it cannot be shown again.")
    answer = {"token": made.text, **asdict(made.token)}
    cli.out.answer(answer, lambda: cli.out.line(made.text))


@token.command("list", examples=("qless-py token list", "qless-py token list --json"))
@pass_cli
def list_tokens(cli: CliContext) -> None:
    """List access tokens, the oldest first, also those that have expired."""
    answer = [asdict(one) for one in cli.client.tokens.all]

    def show() -> None:
        columns = ("id", "name", "scopes", "queues", "klasses", "expires", "last used")
        rows = [
            (
                one["id"],
                one["name"],
                one["scopes"],
                one["queues"],
                one["klasses"],
                local_time(one["expires_at"]),
                local_time(one["used_at"]),
            )
            for one in answer
        ]
        cli.out.table(columns, rows)

    cli.out.answer({"tokens": answer}, show)


@token.command("revoke", examples=("qless-py token revoke 3f9c2a71d04be586",))
@click.argument("token_id", metavar="ID")
@pass_cli
def revoke(cli: CliContext, token_id: str) -> None:
    """Delete an access token by its id; servers refuse it within 5 seconds."""
    if token_id.startswith("qlt_"):
        raise BadArgumentError("give the id of the token, not the token itself")
    if not cli.client.tokens.revoke(token_id):
        raise NotFoundError(f"there is no token with the id {token_id}: see `qless-py token list`")
    cli.out.answer({"revoked": token_id})
