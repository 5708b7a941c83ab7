# Generated from qless_py/aio/webhooks.py by bin/generate-sync: edit that file.
"""Webhooks: URLs that get the events of the namespace, signed by Standard Webhooks.

    new = client.webhooks.add("https://example.org/hooks", types=["job.failed"], queues=["mail*"])
    print(new.secret)  # shown only now

Deliveries are jobs in the queue `webhooks`, which a worker runs with `qless-py work --http`.
"""

from collections.abc import Iterable
from typing import Any

from qless_py.client.session import Session
from qless_py.errors import JobNotFoundError, WebhookNotFoundError
from qless_py.protocol import events, jobs, puts, signing_keys, webhooks
from qless_py.protocol.events import Gap
from qless_py.protocol.jobs import JidPage
from qless_py.protocol.options import Seconds
from qless_py.protocol.records import Record
from qless_py.protocol.webhooks import (
    DISABLE_AFTER,
    KEEP_KEY,
    Delivery,
    NewWebhook,
    Webhook,
    WebhookStatus,
)

_PAGE = 100


class Webhooks:
    """`client.webhooks`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(  # noqa: PLR0913 - everything that a webhook has
        self,
        url: str,
        *,
        types: Iterable[str] = (),
        queues: Iterable[str] = (),
        description: str = "",
        disable_after: Seconds = DISABLE_AFTER,
        secret: str | None = None,
        id: str | None = None,  # noqa: A002 - the name everywhere
    ) -> NewWebhook:
        """Add a webhook for events from now on; its secret is shown only in the answer.

        `types` are up to 20 patterns of event types (`job.failed`, `job.*`), `queues` of queues;
        none means all. After failures for `disable_after` seconds it is disabled. The first webhook
        turns the event stream on, with 10,000 events. A namespace has at most 100 webhooks.
        """
        webhook = webhooks.check_id(webhooks.new_id() if id is None else id)
        key = signing_keys.new_key() if secret is None else secret
        call = webhooks.add(
            self._session.settings,
            webhook,
            key,
            url=url,
            types=types,
            queues=queues,
            description=description,
            disable_after=disable_after,
        )
        self._session.runner.run(call)
        return NewWebhook(self.get(webhook), key)

    @property
    def all(self) -> list[Webhook]:
        """Return all webhooks, oldest first."""
        return [*(self.status()).webhooks]

    def status(self) -> WebhookStatus:
        """Return all webhooks, and how far their events were dispatched."""
        return self._session.runner.run(webhooks.read())

    def get(self, webhook: str) -> Webhook:
        """Return a webhook; raises `WebhookNotFoundError` if there is none."""
        for one in (self.status()).webhooks:
            if one.id == webhook:
                return one
        raise WebhookNotFoundError(f"Webhook {webhook} does not exist")

    def change(  # noqa: PLR0913 - everything that can be changed
        self,
        webhook: str,
        *,
        url: str | None = None,
        types: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        description: str | None = None,
        disable_after: Seconds | None = None,
    ) -> Webhook:
        """Change what is given; deliveries that wait go to the new URL."""
        call = webhooks.change(
            webhook,
            url=url,
            types=types,
            queues=queues,
            description=description,
            disable_after=disable_after,
        )
        self._session.runner.run(call)
        return self.get(webhook)

    def enable(self, webhook: str) -> Webhook:
        """Enable a webhook: it gets events from now on, and starts without failures.

        `replay` delivers what happened meanwhile.
        """
        self._session.runner.run(webhooks.enable(webhook))
        return self.get(webhook)

    def disable(self, webhook: str, reason: str = "by an operator") -> Webhook:
        """Disable a webhook: it gets no events; deliveries that wait fail when they are due."""
        self._session.runner.run(webhooks.disable(webhook, reason))
        return self.get(webhook)

    def rotate(
        self,
        webhook: str,
        *,
        keep: Seconds = KEEP_KEY,
        secret: str | None = None,
    ) -> NewWebhook:
        """Replace the key; for `keep` seconds deliveries carry the signatures of both keys."""
        key = signing_keys.new_key() if secret is None else secret
        self._session.runner.run(webhooks.rotate(self._session.settings, webhook, key, keep))
        return NewWebhook(self.get(webhook), key)

    def remove(self, webhook: str) -> None:
        """Remove a webhook; deliveries that wait are discarded when they are due."""
        return self._session.runner.run(webhooks.remove(webhook))

    def test(self, webhook: str) -> str:
        """Put a delivery of the type `webhook.test`, and return its jid."""
        self.get(webhook)
        delivery = webhooks.trial(webhook, self._session.settings.clock())
        self._put(delivery)
        return delivery.jid

    def deliveries(self, webhook: str, offset: int = 0, count: int = 25) -> JidPage:
        """Return the jids of the deliveries of a webhook that are still kept, oldest first."""
        tag = (self.get(webhook)).tag
        return self._session.runner.run(jobs.tagged(tag, offset, count))

    def redeliver(self, jid: str) -> None:
        """Put one delivery again, with all its attempts; the receiver gets the same message id."""
        record = self._session.runner.run(jobs.read(jid))
        if record is None or record.fields.get("klass") != webhooks.KLASS:
            raise JobNotFoundError(f"Delivery {jid} does not exist")
        options: dict[str, Any] = {"retries": len(webhooks.SCHEDULE)}
        call = puts.requeue_encoded(webhooks.QUEUE, jid, "", b"", options)
        self._session.runner.run(call)

    def replay(self, webhook: str, since: float) -> tuple[int, Gap | None]:
        """Deliver what a webhook has missed since a time (Unix seconds).

        That is every failed delivery, and each event of the stream that is for it and has none.
        Returns how many were put, and the gap if the stream does not reach back that far. What
        arrived once, and is still kept as a job, is not sent again.
        """
        found = self.get(webhook)
        put = self._retry_failed(found, since)
        after, gap = events.at(since), None
        # Bounded by what the stream holds now, as deliveries add events themselves.
        until = (self.status()).newest
        page = self._session.runner.run(events.read("0", 1))
        if page.events and events.time_of(page.events[0].id) > since > found.created_at:
            gap = Gap(page.events[0].id, after)
        while True:
            page = self._session.runner.run(events.read(after, _PAGE))
            for event in page.events:
                if isinstance(event, Gap):
                    gap = event
                elif found.wants(event) and not events.is_behind(event.id, until):
                    put += self._put(webhooks.delivery(webhook, event))
            if not page.events or not events.is_behind(until, page.last):
                return put, gap
            after = page.last

    def _retry_failed(self, webhook: Webhook, since: float) -> int:
        failed, offset = [], 0
        while True:
            page = self._session.runner.run(jobs.tagged(webhook.tag, offset, _PAGE))
            found = self._session.runner.run(jobs.read_many(page.jids, 0))
            failed += [one.jid for one in found if one is not None and _failed_since(one, since)]
            offset += _PAGE
            if offset >= page.total:
                break
        for jid in failed:
            self.redeliver(jid)
        return len(failed)

    def _put(self, delivery: Delivery) -> int:
        """Put a delivery; returns how many jobs that made, none if it exists."""
        call = puts.put_many_encoded(webhooks.QUEUE, [delivery.as_map()], [delivery.data])
        (reply,) = self._session.runner.run(call)
        return int(reply.created)


def _failed_since(record: Record, since: float) -> bool:
    return record.fields.get("state") == "failed" and record.fields.get("put_at", 0) >= 1000 * since
