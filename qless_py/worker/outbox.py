"""The supervisor's calls to the store; those that must not be lost wait until it is back."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from qless_py import protocol, store
from qless_py.errors import StoreError
from qless_py.handlers.retry import RECONNECT
from qless_py.protocol import Call
from qless_py.store import library, server_errors
from qless_py.store.outage import UNAVAILABLE, OutageLog
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from qless_py.store.server_errors import Meaning
from qless_py.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

# A server that does not answer must not hold up the supervisor: it has children to look after.
_RESEND: Final = ResendPolicy(limit=0.5, retry_forbidden=True)
_TIMEOUT: Final = 2.0


class Outbox:
    """Calls of the supervisor. Only `connect` raises when the store is unavailable."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._runner: Runner | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._pending: deque[Call[Any]] = deque()
        self._outage = OutageLog(logger)

    def connect(self, *, is_required: bool = True) -> dict[str, Any] | None:
        """Connect for the first time and return the options that are kept in the store.

        With `is_required` a store that is unavailable raises, and so does a user that may not
        write. A store that temporarily refuses writes is waited for. Without `is_required`,
        None means that the store is unavailable.
        """
        self.close()  # Of an earlier attempt.
        namespace = self._options.namespace
        redis = store.connect(
            self._options.url,
            namespace=namespace,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )
        self._runner = Runner(redis, namespace, policy=_RESEND)
        try:
            config = self._runner.run(protocol.config.read())
            self._outage.succeeded()
            self._failures, self._retry_at = 0, 0.0
            if is_required:
                self._check_writes(self._runner)
                library.remove_unused(redis)
        except ResponseError as error:
            if is_required:
                raise _rejected(error) from error
        except UNAVAILABLE:
            if is_required:
                raise
        else:
            return config
        return None

    def close_inherited(self) -> None:
        """Forget, in a new child, the connection of the supervisor."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.redis.connection_pool.reset()

    def close(self) -> None:
        """Close the connections."""
        if self._runner is not None:
            self._runner.redis.close()

    def record_failure(self, error: Exception) -> None:
        """Record that the store could not be connected to, and when to try it again."""
        self._failures += 1
        self._retry_at = time.monotonic() + RECONNECT.seconds(self._failures)
        self._outage.failed(error)

    @property
    def redis(self) -> Any:
        """The client, for pub/sub."""
        return None if self._runner is None else self._runner.redis

    @property
    def is_store_away(self) -> bool:
        """Whether the last attempt failed."""
        return self._outage.is_on

    @property
    def pending(self) -> list[Call[Any]]:
        """The calls that the store has not taken yet."""
        return list(self._pending)

    def retry_in(self, now: float) -> float:
        """Return the seconds until the store is tried again; 0 when it is available."""
        return max(0.0, self._retry_at - now)

    def due_in(self, now: float) -> float:
        """Return the seconds until pending calls are to be sent."""
        return self.retry_in(now) if self._pending else float("inf")

    def add(self, *calls: Call[Any]) -> None:
        """Queue calls for `flush`, which sends them in this order once the store accepts them."""
        self._pending.extend(calls)

    def flush(self) -> None:
        """Make the pending calls until the store is unavailable."""
        while self._pending:
            replies = self.run([self._pending[0]])
            if replies is None:
                return
            call = self._pending.popleft()
            if isinstance(replies[0], Exception):
                logger.info("call rejected script=%s error=%s", call.script, replies[0])
            elif getattr(replies[0], "more", False):
                self._pending.appendleft(call)

    def run(self, calls: Sequence[Call[Any]]) -> list[Any] | None:
        """Make calls now and return their replies, or None when the store is unavailable.

        After a failure nothing is sent before the next retry is due.
        """
        if self._runner is None or time.monotonic() < self._retry_at:
            return None
        try:
            replies = self._runner.run_many(calls)
        except UNAVAILABLE as error:
            self.record_failure(error)
            return None
        self._outage.succeeded()
        self._failures = 0
        return replies

    def _check_writes(self, runner: Runner) -> None:
        """Make a call that writes, since each child would fail at its first one."""
        try:
            runner.run(protocol.queues.tick())
        except ResponseError as error:
            if server_errors.meaning(error) is not Meaning.UNAVAILABLE:
                raise
            self._outage.failed(error)


def is_temporary(error: Exception) -> bool:
    """Return whether a store that could not be connected to may be available later."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return False
    if isinstance(error, ResponseError):
        return server_errors.meaning(error) is Meaning.UNAVAILABLE
    return isinstance(error, (RedisConnectionError, RedisTimeoutError))


def _rejected(error: ResponseError) -> Exception:
    """Return the one-line reason why a worker cannot start on a server that answers so."""
    if server_errors.meaning(error) is not Meaning.FORBIDDEN:
        return error
    return StoreError(
        f"the server rejects the calls of a worker: {error}. Its user must be allowed to run "
        "scripts and to write the keys of the namespace"
    )
