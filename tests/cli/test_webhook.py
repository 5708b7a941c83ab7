"""`qless-py webhook`."""

from __future__ import annotations

import pytest

from qless_py import Client
from tests.cli.conftest import Program

pytestmark = pytest.mark.any_server


def test_a_webhook_is_added_shown_changed_and_removed(program: Program, live: Client) -> None:
    made = program("webhook", "add", "https://example.org/in", "--type", "job.failed",
                   "--queue", "mail*", "--description", "pager")  # fmt: skip
    webhook, secret = made.stdout.split()

    assert secret.startswith("whsec_")
    assert "cannot be shown again" in made.stderr
    assert live.config["event-stream"] == 10000
    (shown,) = program.json("webhook", "list")["webhooks"]
    assert (shown["id"], shown["types"], shown["queues"]) == (webhook, ["job.failed"], ["mail*"])
    assert secret not in str(shown)
    changed = program.json("webhook", "change", webhook, "--type", "job.*", "--disable")
    assert (changed["types"], changed["state"]) == (["job.*"], "disabled")
    text = program("webhook", "list").stdout
    assert all(word in text for word in (webhook, "job.*", "disabled", "by an operator"))
    assert program.json("webhook", "change", webhook, "--enable")["state"] == "enabled"
    rotated = program.json("webhook", "rotate", webhook)
    assert rotated["secret"] != secret
    assert rotated["previous_key_until"] is not None
    assert "pager" in program("webhook", "show", webhook).stdout
    program("webhook", "remove", webhook)
    assert program.json("webhook", "list")["webhooks"] == []


def test_deliveries_are_listed_and_sent_again(program: Program, live: Client) -> None:
    webhook = program("webhook", "add", "https://example.org/").stdout.split()[0]
    jid = program("webhook", "test", webhook).stdout.strip()
    job = live.queues["webhooks"].pop()
    assert job is not None
    job.fail("group", "answered 500")

    (listed,) = program.json("webhook", "deliveries", webhook)["deliveries"]
    assert (listed["jid"], listed["state"]) == (jid, "failed")
    assert "answered 500" in program("webhook", "deliveries", webhook).stdout
    program("webhook", "redeliver", "--jid", jid)
    assert live.jobs[jid].state == "waiting"  # type: ignore[union-attr]
    answer = program.json("webhook", "redeliver", webhook, "--last", "1h")
    assert answer["put"] >= 1


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["add", "ftp://x/"], "url", 2),
        (["add", "https://x.example/", "--type", "job.faild"], "did you mean job.failed", 2),
        (["show", "nobody"], "Webhook nobody does not exist", 3),
        (["change", "nobody"], "nothing to change", 2),
        (["redeliver"], "give either --jid", 2),
        (["redeliver", "--jid", "nobody"], "Delivery nobody does not exist", 3),
    ],
)
def test_a_mistake_is_one_line(
    program: Program, live: Client, words: list[str], message: str, code: int
) -> None:
    del live
    ended = program("webhook", *words, code=None)

    assert (ended.exit_code, len(ended.stderr.strip().splitlines())) == (code, 1), ended.stderr
    assert message in ended.stderr
