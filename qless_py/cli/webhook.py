"""`qless-py webhook`: URLs that get the events of the namespace."""

from __future__ import annotations

import time
from typing import Any

import click

from qless_py.cli.base import group, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.params import JID, MOMENT, SPAN
from qless_py.client import serialize
from qless_py.client.humanize import local_time
from qless_py.client.job import Job
from qless_py.protocol.webhooks import DISABLE_AFTER, KEEP_KEY, NewWebhook, Webhook

_TYPE = click.option(
    "--type",
    "types",
    multiple=True,
    metavar="PATTERN",
    help="Only events of these types: job.failed, job.*. May be repeated.",
)
_QUEUE = click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="PATTERN",
    help="Only events of these queues; * matches any characters. May be repeated.",
)


@group("webhook")
def webhook() -> None:
    """Send events to URLs, signed by Standard Webhooks; `work -q webhooks --http` delivers them."""


@webhook.command(
    "add",
    examples=(
        "qless-py webhook add https://example.org/hooks --type job.failed --queue 'mail*'",
        "qless-py webhook add https://example.org/hooks --description 'pager of ops'",
    ),
)
@click.argument("target", metavar="URL")
@_TYPE
@_QUEUE
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--disable-after",
    type=SPAN,
    default=DISABLE_AFTER,
    help="Disable it after failures for this time; by default 3 days.",
)
@pass_cli
def add(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    *,
    target: str,
    types: tuple[str, ...],
    queues: tuple[str, ...],
    description: str,
    disable_after: float,
) -> None:
    """Add a webhook and print its secret: it cannot be shown again.

    The first webhook turns the event stream on.
    """
    made = cli.client.webhooks.add(
        target, types=types, queues=queues, description=description, disable_after=disable_after
    )
    _show_secret(cli, made)


@webhook.command("list", examples=("qless-py webhook list",))
@pass_cli
def list_webhooks(cli: CliContext) -> None:
    """List webhooks with their state and last error, and how many events none of them got."""
    status = cli.client.webhooks.status()
    gap = status.gap
    answer = {
        "webhooks": [one.as_dict() for one in status.webhooks],
        "behind": status.behind,
        "gap": None if gap is None else {"at": gap.at, "after": gap.after, "lost": gap.lost},
    }

    def show() -> None:
        columns = ("id", "url", "types", "queues", "state", "delivered", "failing since", "error")
        cli.out.table(columns, [_row(one) for one in status.webhooks])
        if gap is not None:
            number = "an unknown number of" if gap.lost is None else f"at least {gap.lost}"
            cli.out.note(f"{local_time(gap.at)}: {number} events had left the stream unsent")

    cli.out.answer(answer, show)


def _row(one: Webhook) -> tuple[Any, ...]:
    error = one.reason or one.last_error
    since = local_time(one.failing_since) if one.failing_since else ""
    types, queues = ", ".join(one.types) or "all", ", ".join(one.queues) or "all"
    return (one.id, one.url, types, queues, one.state, one.delivered, since, error or "")


@webhook.command("show", examples=("qless-py webhook show wh_3f9c2a71d04b",))
@click.argument("webhook_id", metavar="ID")
@pass_cli
def show(cli: CliContext, webhook_id: str) -> None:
    """Show a webhook."""
    _show(cli, cli.client.webhooks.get(webhook_id))


@webhook.command(
    "change",
    examples=(
        "qless-py webhook change wh_3f9c2a71d04b --to https://example.org/other",
        "qless-py webhook change wh_3f9c2a71d04b --enable",
    ),
)
@click.argument("webhook_id", metavar="ID")
@click.option("--to", "target", metavar="URL", help="Its URL, also for deliveries that wait.")
@_TYPE
@_QUEUE
@click.option("--description", help="What it is for.")
@click.option("--disable-after", type=SPAN, help="Disable it after failures for this time.")
@click.option("--enable/--disable", "enabled", default=None, help="Send events to it, or none.")
@pass_cli
def change(cli: CliContext, *, webhook_id: str, enabled: bool | None, **given: Any) -> None:
    """Change the given settings of a webhook."""
    given["url"] = given.pop("target")
    options = {name: one for name, one in given.items() if one not in (None, ())}
    if not options and enabled is None:
        raise click.UsageError("nothing to change: add an option, such as --to")
    webhooks = cli.client.webhooks
    if options:
        webhooks.change(webhook_id, **options)
    if enabled is not None:
        (webhooks.enable if enabled else webhooks.disable)(webhook_id)
    _show(cli, webhooks.get(webhook_id))


@webhook.command("remove", examples=("qless-py webhook remove wh_3f9c2a71d04b",))
@click.argument("webhook_id", metavar="ID")
@pass_cli
def remove(cli: CliContext, webhook_id: str) -> None:
    """Remove a webhook; its pending deliveries are discarded when they are due."""
    cli.client.webhooks.remove(webhook_id)
    cli.out.answer({"removed": webhook_id})


@webhook.command(
    "rotate",
    examples=("qless-py webhook rotate wh_3f9c2a71d04b",),
)
@click.argument("webhook_id", metavar="ID")
@click.option(
    "--keep", type=SPAN, default=KEEP_KEY, help="How long the old key signs too; by default 24h."
)
@pass_cli
def rotate(cli: CliContext, *, webhook_id: str, keep: float) -> None:
    """Replace the secret and print the new one; both sign for a day."""
    _show_secret(cli, cli.client.webhooks.rotate(webhook_id, keep=keep))


@webhook.command("test", examples=("qless-py webhook test wh_3f9c2a71d04b",))
@click.argument("webhook_id", metavar="ID")
@pass_cli
def test(cli: CliContext, webhook_id: str) -> None:
    """Send the event webhook.test to a webhook and print the jid of the delivery."""
    jid = cli.client.webhooks.test(webhook_id)
    cli.out.answer({"jid": jid}, lambda: cli.out.line(jid))


@webhook.command("deliveries", examples=("qless-py webhook deliveries wh_3f9c2a71d04b --count 10",))
@click.argument("webhook_id", metavar="ID")
@click.option("--count", type=click.IntRange(1, 1000), default=25, help="The newest so many.")
@pass_cli
def deliveries(cli: CliContext, *, webhook_id: str, count: int) -> None:
    """List the newest deliveries of a webhook."""
    total = cli.client.webhooks.deliveries(webhook_id, 0, 1).total
    page = cli.client.webhooks.deliveries(webhook_id, max(0, total - count), count)
    known = cli.client.jobs.get(page.jids[::-1]) if page.jids else []
    jobs = [one for one in known if isinstance(one, Job)]
    answer = {"total": total, "deliveries": [serialize.job(one) for one in jobs]}

    def lines() -> None:
        rows = [(one.jid, one.state, local_time(one.put_at), _why(one)) for one in jobs]
        cli.out.table(("jid", "state", "put", "result"), rows)

    cli.out.answer(answer, lines)


def _why(job: Job) -> str:
    if job.state == "complete" and isinstance(job.result, dict):
        return str(job.result.get("status", ""))
    return str(job.failure.get("message", "")) if job.failure else ""


@webhook.command(
    "redeliver",
    examples=(
        "qless-py webhook redeliver --jid wh_3f9c2a71d04b-1764547200123-57",
        "qless-py webhook redeliver wh_3f9c2a71d04b --last 2d",
        "qless-py webhook redeliver wh_3f9c2a71d04b --since 2026-12-01T09:00",
    ),
)
@click.argument("webhook_id", metavar="[ID]", required=False)
@click.option("--jid", type=JID, help="Send this delivery again.")
@click.option("--since", type=MOMENT, help="Send what the webhook has missed since then.")
@click.option("--last", type=SPAN, help="Send what the webhook has missed for this long.")
@pass_cli
def redeliver(
    cli: CliContext,
    *,
    webhook_id: str | None,
    jid: str | None,
    since: float | None,
    last: float | None,
) -> None:
    """Send one delivery again, or all that a webhook has missed since a time."""
    given = [one for one in (jid, since, last) if one is not None]
    if len(given) != 1 or (jid is None) != (webhook_id is not None):
        raise click.UsageError("give either --jid, or the ID of a webhook and --since or --last")
    if jid is not None:
        cli.client.webhooks.redeliver(jid)
        cli.out.answer({"put": 1, "gap": None})
    elif webhook_id is not None:
        begin = since if since is not None else time.time() - (last or 0.0)
        _replay(cli, webhook_id, begin)


def _replay(cli: CliContext, webhook_id: str, since: float) -> None:
    put, gap = cli.client.webhooks.replay(webhook_id, since)
    if gap is not None:
        cli.out.note("the event stream does not reach back that far: some events are gone")
    cli.out.answer({"put": put, "gap": None if gap is None else gap.as_dict()})


def _show(cli: CliContext, found: Webhook) -> None:
    answer = found.as_dict()
    rows = [
        (name, local_time(value) if name.endswith(("_at", "_since", "_until")) else value)
        for name, value in answer.items()
        if value not in (None, "", [])
    ]
    cli.out.answer(answer, lambda: cli.out.table(("field", "value"), rows))


def _show_secret(cli: CliContext, made: NewWebhook) -> None:
    if not cli.out.is_json:
        cli.out.note("Keep this secret: it cannot be shown again.")
    answer = {**made.webhook.as_dict(), "secret": made.secret}
    cli.out.answer(answer, lambda: cli.out.line(f"{made.webhook.id}  {made.secret}"))
