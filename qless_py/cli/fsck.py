"""`qless-py fsck`: check a namespace, and repair it."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import click
import redis as redis_py

from qless_py import protocol
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import FAILED
from qless_py.cli.output import safe
from qless_py.client.client import Client
from qless_py.client.humanize import plural
from qless_py.errors import QlessError

# A repair can reveal another fault, which the next round finds.
_ROUNDS: Final = 10
_TICKS: Final = 1000


def _do_maintenance(client: Client) -> None:
    """Do what is due in the namespace, as any pop would; after its clock was set back, adjust it.

    A namespace in a state that no call can read is left to the repairs.
    """
    with contextlib.suppress(QlessError, redis_py.ResponseError):
        if client.run(protocol.namespace.meta()).get("schema") is None:
            return
        for _ in range(_TICKS):
            if not client.run(protocol.queues.tick()).more:
                return


@command("fsck", examples=("qless-py fsck", "qless-py fsck --repair", "qless-py fsck --discard"))
@click.option(
    "--repair",
    is_flag=True,
    help="Repair what can be repaired without guessing, and set aside what nobody can read.",
)
@click.option(
    "--discard", is_flag=True, help="Delete the copies of keys that were set aside earlier."
)
@pass_cli
def fsck(cli: CliContext, *, repair: bool, discard: bool) -> int:
    """Check the consistency of a namespace; exit code 1 if something is wrong.

    It can check and repair while the namespace is in use. A key that nobody can read is renamed to
    `quarantine:<key>`, so that its bytes are kept, and is listed until you discard it.
    """
    from qless_py import fsck  # noqa: PLC0415 - wanted by this command alone

    redis, namespace = cli.client.redis, cli.namespace
    discarded = fsck.discard(redis, namespace) if discard else []
    if repair:
        _do_maintenance(cli.client)
    findings = fsck.check(redis, namespace)
    repaired: list[str] = []
    for _ in range(_ROUNDS if repair else 0):
        done = fsck.repair(redis, namespace, findings) if findings else []
        repaired += done
        if not done:
            break
        findings = fsck.check(redis, namespace)
    answer: dict[str, Any] = {
        "findings": [
            {
                "kind": one.kind,
                "key": one.key,
                "detail": one.detail,
                "jid": one.jid,
                **({"decision": fsck.why_left(one)} if repair else {}),
            }
            for one in findings
        ],
        "repaired": repaired,
        **({"discarded": discarded} if discard else {}),
    }

    def show() -> None:
        for text in discarded:
            cli.out.line(f"discarded: {safe(text)}")
        for text in repaired:
            cli.out.line(f"repaired: {safe(text)}")
        for one in findings:
            cli.out.line(f"{one}{f'; {fsck.why_left(one)}' if repair else ''}")
        found = plural(len(findings), "finding") if findings else "consistent"
        cli.out.line(f"{namespace}: {found}")

    cli.out.answer(answer, show)
    return FAILED if findings else 0
