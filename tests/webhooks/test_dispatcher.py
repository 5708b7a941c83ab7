"""The dispatcher: every event becomes one delivery for each webhook that wants it."""

from __future__ import annotations

import threading

import pytest

from qless_py import Client, WebhookNotFoundError
from qless_py.errors import BadArgumentError
from qless_py.protocol.codec import EncryptedCodec
from qless_py.webhooks.dispatcher import Dispatcher
from tests import servers

pytestmark = pytest.mark.any_server

URL = "http://h.example/"


def deliveries(client: Client, webhook: str) -> list[str]:
    found = client.webhooks.deliveries(webhook, 0, 1000).jids
    return [str(client.jobs[jid].data["body"]) for jid in found]  # type: ignore[union-attr]


def drain(client: Client) -> None:
    dispatcher = Dispatcher(client)
    while dispatcher.step():
        pass


def test_each_webhook_gets_what_it_wants_and_never_what_deliveries_do(client: Client) -> None:
    every = client.webhooks.add(URL, id="every")
    failed = client.webhooks.add(URL, id="failed", types=["job.failed"], queues=["a*"])
    client.queues["ab"].put("K", {}, jid="j")
    job = client.queues["ab"].pop()
    assert job is not None
    job.fail("group", "message")

    for _ in range(3):
        drain(client)
        for one in client.queues["webhooks"].pop(100):
            one.complete()

    seen = deliveries(client, every.webhook.id)
    assert [text.split('"')[3] for text in seen] == [
        "config.set", "webhook.added", "job.put", "job.popped", "job.failed",
    ]  # fmt: skip
    (only,) = deliveries(client, failed.webhook.id)
    assert '"group":"group"' in only
    assert client.webhooks.status().behind == 0


def test_a_webhook_gets_no_events_from_before_it_or_while_it_is_disabled(client: Client) -> None:
    client.webhooks.add(URL, id="first", types=["job.put"])
    client.queues["q"].put("K", {})
    second = client.webhooks.add(URL, id="second", types=["job.put"])
    client.webhooks.disable("first")
    client.queues["q"].put("K", {})
    drain(client)

    assert (len(deliveries(client, "first")), len(deliveries(client, "second"))) == (0, 1)
    client.webhooks.enable("first")
    client.queues["q"].put("K", {})
    drain(client)
    assert (len(deliveries(client, "first")), len(deliveries(client, "second"))) == (1, 2)
    put, gap = client.webhooks.replay("first", client.settings.clock() - 10)
    assert (put, gap) == (2, None)
    assert client.webhooks.replay("first", 0)[0] == 0, "nothing is missed any more"
    assert second.webhook.is_enabled


def test_many_dispatchers_put_each_delivery_once(client: Client) -> None:
    for name in "abc":
        client.webhooks.add(URL, id=name, types=["job.put"])
    jids = [client.queues["q"].put("K", {}) for _ in range(120)]
    threads = [threading.Thread(target=drain, args=(client,)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    for name in "abc":
        found = deliveries(client, name)
        assert len(found) == len(jids)
        assert all(any(jid in text for text in found) for jid in jids)


def test_a_small_limit_of_data_stops_no_webhook(client: Client) -> None:
    client.webhooks.add(URL, id="w", types=["job.failed"])
    client.config.set("max-data-size", 300)
    client.queues["q"].put("K", {}, jid="j")
    job = client.queues["q"].pop()
    assert job is not None
    job.fail("group", "\x01" * 1000)

    drain(client)

    (body,) = deliveries(client, "w")
    assert len(body) > 300
    assert client.webhooks.status().behind == 0


def test_events_that_were_trimmed_before_they_were_dispatched_are_a_visible_gap(
    client: Client,
) -> None:
    client.webhooks.add(URL, id="w", types=["job.put"])
    drain(client)
    for _ in range(5):
        client.queues["q"].put("K", {})
    client.redis.xtrim("{ql}:stream", maxlen=2, approximate=False)

    drain(client)

    gap = client.webhooks.status().gap
    assert gap is not None
    assert gap.lost == 3
    assert len(deliveries(client, "w")) == 2
    assert "webhook.gap" in [one.type for one in client.events.read("0").events]


def test_secrets_are_stored_by_the_codec_of_the_client(
    client: Client, server: servers.Server
) -> None:
    new = client.webhooks.add(URL, id="plain")
    assert new.secret.encode() in (client.redis.hget("{ql}:webhooks", "plain") or b"")
    assert "whsec" not in repr(new)
    assert "keys" not in new.webhook.as_dict()
    codec = EncryptedCodec({"1": b"k" * 32})
    with Client(server.url, codec=codec, clock=client.settings.clock) as sealed:
        hidden = sealed.webhooks.add(URL, id="sealed")
        stored = sealed.redis.hget("{ql}:webhooks", "sealed") or b""
        assert hidden.secret.encode() not in stored


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": "ftp://h/"}, "url"),
        ({"url": "http://user:pw@h/"}, "url"),
        ({"types": ["job.faild"]}, "did you mean job.failed"),
        ({"types": "job.failed"}, "list"),
        ({"queues": ["a b"]}, "queues"),
        ({"queues": ["a"] * 21}, "at most 20"),
        ({"secret": "secret"}, "whsec_"),
        ({"secret": "whsec_c2hvcnQ="}, "24 to 64"),
        ({"id": "a.b"}, "id"),
        ({"disable_after": -1}, "disable_after"),
        ({"description": 5}, "description"),
    ],
)
def test_a_wrong_webhook_is_refused_with_the_field(
    client: Client, options: dict[str, object], text: str
) -> None:
    with pytest.raises(BadArgumentError, match=text):
        client.webhooks.add(**{"url": URL, **options})  # type: ignore[arg-type]

    assert client.redis.exists("{ql}:webhooks") == 0


def test_a_webhook_that_is_not_there_is_named(client: Client) -> None:
    for call in (
        client.webhooks.get, client.webhooks.remove, client.webhooks.enable,
        client.webhooks.rotate, client.webhooks.test,
    ):  # fmt: skip
        with pytest.raises(WebhookNotFoundError, match="nobody"):
            call("nobody")
