"""Perform `http` jobs: send the request, and turn the answer into the end of the job.

| the answer | the job |
|---|---|
| a status code of `success` (2xx) | completes, with the answer as its result |
| 202, handed off | stays with the target, which completes it before its lease ends |
| a code of `permanent`, or `Qless-Retry: no` | fails at once |
| 429 or 503 with `Retry-After` | runs again after that time; its target gets no jobs until then |
| anything else, or none | runs again as its retry policy says |
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import functools
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from redis.exceptions import RedisError

from qless_py import tracing
from qless_py.client.retry_after import retry_after
from qless_py.errors import BadArgumentError, QlessError
from qless_py.handlers.logs import attempt
from qless_py.handlers.outcomes import HandOff
from qless_py.handlers.resolve import Handler
from qless_py.handlers.retry import Backoff, RetryPolicy
from qless_py.protocol import http_requests, http_urls, throttles
from qless_py.protocol.http_requests import HttpRequest
from qless_py.push import errors, signatures
from qless_py.push.targets import Resolver, Targets, listed, resolve

if TYPE_CHECKING:
    from qless_py.push.sender import Sender, SendResult

logger = logging.getLogger(__name__)

# For jobs without a policy of their own or of their queue: 16 attempts within about half a day.
RETRY: Final = RetryPolicy(Backoff.exponential(first=2.0, factor=2.0, most=3600.0), retries=15)
CONCURRENCY: Final = 200

_UTF8: Final = codecs.getincrementaldecoder("utf-8")
_ACCEPTED: Final = 202
_BUSY: Final = (429, 503)
_HAND_OFF: Final = 600.0  # Seconds a target may keep a job by default.
_LONGEST_WAIT: Final = 86_400.0
_SHOWN: Final = 500  # Characters of a body in an error message.
_KEPT_HEADERS: Final = frozenset(
    {
        "content-type",
        "date",
        "etag",
        "last-modified",
        "link",
        "location",
        "request-id",
        "retry-after",
        "x-request-id",
    }
)
_FAILURES: Final = {
    "refused": errors.TargetDeniedError,
    "unreachable": errors.TargetUnreachableError,
    "timeout": errors.TargetTimeoutError,
    "protocol": errors.TargetProtocolError,
}


class HttpRequests:
    """Sends the requests of `http` jobs, and performs no other job: a performer for a worker.

    `allow_targets`, `deny_targets` and `https_only` say which targets it may reach, as `Targets`
    does. With one signing key, or with two while one is replaced, each request is signed by
    Standard Webhooks.
    """

    default_retry: Final = RETRY

    def __init__(
        self,
        *,
        allow_targets: Iterable[str] = (),
        deny_targets: Iterable[str] = (),
        https_only: bool = False,
        signing_keys: str | Iterable[str] | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        allow, deny = listed("allow_targets", allow_targets), listed("deny_targets", deny_targets)
        self._make_targets: Callable[[], Targets] = functools.partial(
            Targets, allow, deny, https_only=https_only, resolver=resolver
        )
        self._make_targets()  # Checks the lists.
        self._keys = signatures.key_list(signing_keys)
        # By event loop, since connections belong to the loop that made them.
        self._senders: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[Sender, AsyncGenerator[Sender, None]]
        ] = WeakKeyDictionary()

    def check(self, _queues: object = ()) -> None:
        """Raise if requests cannot be sent because aiohttp is missing."""
        import qless_py.push.sender  # noqa: F401, PLC0415 - needs the extra

    def find(self, job: Any) -> Handler:
        """Return the handler of an `http` job; any other is refused."""
        if job.klass_name != http_requests.KLASS:
            raise errors.NotARequestError(
                f"{job.klass_name} is not a request: a worker with --http runs only jobs of the "
                f"klass {http_requests.KLASS}"
            )
        return Handler(self, self.perform, is_async=True)

    async def perform(self, job: Any) -> Any:
        """Send the request of a job and return the answer as its result."""
        try:
            request = HttpRequest.of(job.data)
        except BadArgumentError as error:
            raise errors.InvalidRequestError(str(error)) from error
        sender = await self.sender()
        result = await sender.send(
            request.method,
            request.url,
            headers_for(request, job, self._keys),
            request.body,
            timeout=request.timeout,
        )
        return await _judge(job, request, result)

    async def sender(self) -> Sender:
        """Return the sender of this event loop, which is closed with the loop."""
        loop = asyncio.get_running_loop()
        found = self._senders.get(loop)
        if found is None:
            # A loop that ends closes its asynchronous generators.
            opened = _opened(self._make_targets())
            found = self._senders[loop] = (await anext(opened), opened)
        return found[0]

    async def close(self) -> None:
        """Close the connections of this event loop; it does that itself at its end."""
        found = self._senders.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[1].aclose()


async def _opened(targets: Targets) -> AsyncGenerator[Sender, None]:
    from qless_py.push.sender import Sender  # noqa: PLC0415 - needs the extra

    async with Sender(targets) as sender:
        yield sender


def headers_for(request: HttpRequest, job: Any, keys: Iterable[bytes] = ()) -> dict[str, str]:
    """Return all headers of a request for this attempt of its job."""
    jid, now = job.jid, time.time()
    own = {
        "Qless-Jid": jid,
        "X-Task-Id": jid,
        "Qless-Queue": job.queue_name,
        "Qless-Attempt": str(attempt(job)),
        "Qless-Deadline": f"{now + request.timeout:.3f}",
        "Qless-Lease": job.lease,
        **signatures.sign(keys, signatures.message_id(jid), request.body, now),
    }
    # A user may set these two for the target.
    return {"Idempotency-Key": jid, **_trace(job), **_titled(request.headers), **own}


def _titled(given: Mapping[str, str]) -> dict[str, str]:
    """Return headers with our spelling of the two that replace ours."""
    ours = {"idempotency-key": "Idempotency-Key", "traceparent": "traceparent"}
    return {ours.get(name.lower(), name): value for name, value in given.items()}


def _trace(job: Any) -> dict[str, str]:
    # Not the baggage: it is for our own services, and the target may be anyone's.
    found = tracing.headers_for(job)
    return {
        name: found[name]
        for name in ("traceparent", "tracestate")
        if name in found and http_urls.is_value(found[name])
    }


async def _judge(job: Any, request: HttpRequest, result: SendResult) -> Any:
    """Return the result of the job, or raise the error with which it fails or is retried."""
    if result.outcome != "response":
        raise _FAILURES[result.outcome](result.detail)
    if result.status == _ACCEPTED and (seconds := _hand_off(request, result)):
        raise HandOff(http_requests.throttle_of(request.url), seconds)
    if result.status in request.success:
        return as_result(result)
    message = _described(request, result)
    if result.headers.get("qless-retry", "").strip().lower() == "no":
        raise errors.RequestRejectedError(f"{message} (Qless-Retry: no)")
    if result.status in request.permanent:
        raise errors.RequestRejectedError(message)
    asked = result.headers.get("retry-after")
    if result.status in _BUSY and asked is not None:
        wait = retry_after(asked, 0.0, _LONGEST_WAIT)
        await _block_target(job, request, wait)
        raise errors.TargetStatusError(message, wait)
    raise errors.TargetStatusError(message)


def _hand_off(request: HttpRequest, result: SendResult) -> float:
    """Return the seconds for which a target that answered 202 keeps the job; 0 if it does not."""
    if result.headers.get("qless-async", "").strip() != "1":
        return request.hand_off or 0.0
    asked = result.headers.get("qless-async-seconds", "").strip()
    if asked.isascii() and asked.isdecimal() and int(asked[:9]) > 0:
        return min(float(asked[:9]), http_requests.MAX_HAND_OFF)
    return request.hand_off or _HAND_OFF


async def _block_target(job: Any, request: HttpRequest, seconds: float) -> None:
    """Start no further jobs of this target while it asks for a pause."""
    throttle = http_requests.throttle_of(request.url)
    if throttle not in job.throttles or seconds <= 0:
        return
    try:
        await asyncio.to_thread(job.session.run, throttles.block(throttle, seconds))
    except (QlessError, RedisError, OSError) as error:
        logger.warning("cannot block the throttle of a target throttle=%s: %s", throttle, error)


def as_result(result: SendResult) -> dict[str, Any]:
    """Return an answer as the result of a job: status, headers of use, and the first 64 KiB."""
    kept = {name: value for name, value in result.headers.items() if name in _KEPT_HEADERS}
    found: dict[str, Any] = {"status": result.status, "headers": kept}
    try:
        # A cut body may end within a letter.
        found["body"] = _UTF8().decode(result.body, final=not result.is_cut)
    except UnicodeDecodeError:
        found["body_base64"] = base64.b64encode(result.body).decode()
    if result.is_cut:
        found["is_cut"] = True
    return found


def _described(request: HttpRequest, result: SendResult) -> str:
    text = result.body[: 4 * _SHOWN].decode("utf-8", "replace")
    body = "".join(one if one.isprintable() else " " for one in text)[:_SHOWN].strip()
    said = f"{request.url.target} answered {result.status} {result.detail[:100]}".strip()
    return f"{said}: {body}" if body else said
