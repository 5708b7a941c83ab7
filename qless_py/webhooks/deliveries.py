"""Send the deliveries of webhooks, and record how each of them ended.

| the answer | the delivery | the webhook |
|---|---|---|
| 2xx | completes | is no longer failing |
| 410 | fails at once | is disabled |
| anything else, or none | runs again by the schedule of Standard Webhooks | is failing |

`Retry-After` postpones the next attempt. A webhook is disabled after it has failed for three days.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from qless_py.client.client import Client
from qless_py.client.retry_after import retry_after
from qless_py.errors import BadArgumentError, QlessError
from qless_py.handlers.outcomes import Discard, Retry
from qless_py.handlers.resolve import Handler
from qless_py.protocol import http_urls, webhooks
from qless_py.protocol.reservers import fits
from qless_py.protocol.webhooks import Webhook
from qless_py.push import signatures
from qless_py.push.performer import HttpRequests
from qless_py.webhooks.dispatcher import Dispatcher

if TYPE_CHECKING:
    from qless_py.push.sender import SendResult

logger = logging.getLogger(__name__)

_TIMEOUT: Final = 20.0  # Seconds for an answer; Standard Webhooks asks for 15 to 30.
_JITTER: Final = 0.1  # The share by which a wait may be longer.
_LONGEST_WAIT: Final = 86400.0
_GONE: Final = 410
_SUCCESS: Final = range(200, 300)
_KNOWN_FOR: Final = 2.0  # Seconds for which the webhooks that were read are used again.


class DeliveryError(QlessError):
    """A receiver did not accept a delivery."""

    omit_traceback = True  # It would show frames of the worker only.


class LastAttemptError(DeliveryError):
    """A receiver did not accept the last attempt of a delivery."""

    never_retry = True


class WebhookDisabledError(DeliveryError):
    """The webhook of a delivery is disabled; `webhook redeliver --since` sends it after that."""

    never_retry = True


class WebhookGoneError(DeliveryError):
    """The receiver wants no more deliveries."""

    never_retry = True


class Deliveries:
    """Sends the requests of `http` jobs and the deliveries of webhooks: a performer for a worker.

    In a worker that serves the queue `webhooks`, the first child dispatches the events as well.
    """

    def __init__(self, requests: HttpRequests, queues: Iterable[str] = ()) -> None:
        self._requests = requests
        self.default_retry = requests.default_retry
        self._serves_webhooks = any(
            fits(one, webhooks.QUEUE) for one in queues if not one.startswith("!")
        )
        self._known: tuple[float, dict[str, Webhook]] = (0.0, {})

    def check(self, queues: object = ()) -> None:
        """Raise if requests cannot be sent because aiohttp is missing."""
        self._requests.check(queues)

    def begin(self, client: Client, number: int) -> Dispatcher | None:
        """Start what a child does besides its jobs; `number` is that of the child, from 0."""
        if number or not self._serves_webhooks:
            return None
        dispatcher = Dispatcher(client)
        dispatcher.start()
        return dispatcher

    def find(self, job: Any) -> Handler:
        """Return the handler of a delivery or of an `http` job; any other is refused."""
        if job.klass_name != webhooks.KLASS:
            return self._requests.find(job)
        return Handler(self, self.perform, is_async=True)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        await self._requests.close()

    async def perform(self, job: Any) -> Any:
        """Send a delivery and return status and duration as its result."""
        webhook = await self._webhook(job)
        if webhook is None:
            raise Discard("the webhook was removed")
        if not webhook.is_enabled:
            raise WebhookDisabledError(f"webhook {webhook.id} is disabled: {webhook.reason}")
        body = str(job.data["body"]).encode()
        result = await self._send(webhook, job, body)
        if result.outcome == "response" and result.status in _SUCCESS:
            await _report(job, webhook, ok=True, status=result.status)
            return {"status": result.status, "seconds": round(result.seconds, 3)}
        raise await self._failure(job, webhook, result)

    async def _send(self, webhook: Webhook, job: Any, body: bytes) -> SendResult:
        settings = job.session.settings
        keys = webhooks.secrets_of(settings, webhook, settings.clock())
        message = signatures.message_id(job.jid)
        signed = signatures.sign(signatures.key_list(keys), message, body)
        headers = {"Content-Type": "application/json", **signed}
        sender = await self._requests.sender()
        url = http_urls.parse(webhook.url, "url")
        return await sender.send("POST", url, headers, body, timeout=_TIMEOUT)

    async def _failure(self, job: Any, webhook: Webhook, result: SendResult) -> Exception:
        """Record the failure, and return the error that retries or fails the delivery."""
        is_answer = result.outcome == "response"
        error = f"answered {result.status}" if is_answer else f"{result.outcome}: {result.detail}"
        is_gone = is_answer and result.status == _GONE
        status = result.status if is_answer else 0
        state = await _report(job, webhook, ok=False, status=status, error=error, gone=is_gone)
        if is_gone:
            return WebhookGoneError(f"{webhook.url} answered {_GONE}: the webhook is disabled")
        if state == "disabled":
            return WebhookDisabledError(f"webhook {webhook.id} is disabled: {error}")
        if job.retries_left <= 0:
            return LastAttemptError(f"{webhook.url} {error}")
        asked = retry_after(result.headers.get("retry-after") or "0", 0.0, _LONGEST_WAIT)
        retry = Retry(max(wait_before(job), asked))
        retry.__cause__ = DeliveryError(f"{webhook.url} {error}")
        return retry

    async def _webhook(self, job: Any) -> Webhook | None:
        data = job.data
        if not isinstance(data, dict) or not {"webhook", "body"} <= data.keys():
            raise BadArgumentError("data is not that of a delivery")
        read_at, known = self._known
        if time.monotonic() - read_at > _KNOWN_FOR or data["webhook"] not in known:
            status = await asyncio.to_thread(job.session.run, webhooks.read())
            known = {one.id: one for one in status.webhooks}
            self._known = time.monotonic(), known
        return known.get(data["webhook"])


def wait_before(job: Any) -> float:
    """Return the seconds before the next attempt of a delivery, with up to a tenth of jitter."""
    number = min(max(0, len(webhooks.SCHEDULE) - job.retries_left), len(webhooks.SCHEDULE) - 1)
    wait = webhooks.SCHEDULE[number]
    return wait + random.uniform(0, _JITTER) * wait  # noqa: S311 - no secret


async def _report(job: Any, webhook: Webhook, **outcome: Any) -> str:
    """Record how a delivery ended. A failure to record it must not repeat the delivery."""
    try:
        call = webhooks.report(webhook.id, **outcome)
        return str(await asyncio.to_thread(job.session.run, call))
    except (QlessError, RedisError, OSError) as error:
        logger.warning("cannot note a delivery jid=%s webhook=%s: %s", job.jid, webhook.id, error)
        return webhook.state
