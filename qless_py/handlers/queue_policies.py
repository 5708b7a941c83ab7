"""The policies of retries that queues have: options of the namespace, read when one is needed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import RedisError

from qless_py import protocol
from qless_py.errors import QlessError
from qless_py.handlers.retry import RetryPolicy
from qless_py.protocol.job_calls import JobVerbs

logger = logging.getLogger(__name__)

_KEPT: Final = 10.0
_AWAY: Final = (RedisError, QlessError, OSError)


class QueuePolicies:
    """The option `<queue>-retry-policy` of each queue, as it was at most ten seconds ago.

    Asked only when a handler has raised. While the store is away, what was known last holds.
    """

    def __init__(self) -> None:
        self._read_at = -_KEPT
        self._config: Mapping[str, Any] = {}

    def of(self, job: JobVerbs) -> RetryPolicy | None:
        """Give the policy of the job's queue."""
        if self._is_old():
            try:
                self._take(job.reach.run(protocol.config.read()))
            except _AWAY as error:
                _warn(error)
        return self._policy(job.queue_name)

    async def find(self, job: JobVerbs) -> RetryPolicy | None:
        """Give the policy of the job's queue; for jobs of either client."""
        if self._is_old():
            try:
                answer = job.reach.run(protocol.config.read())
                self._take(await answer if hasattr(answer, "__await__") else answer)
            except _AWAY as error:
                _warn(error)
        return self._policy(job.queue_name)

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_at >= _KEPT

    def _take(self, config: Mapping[str, Any]) -> None:
        self._config, self._read_at = config, time.monotonic()

    def _policy(self, queue: str) -> RetryPolicy | None:
        stored = self._config.get(f"{queue}-retry-policy")
        try:
            return None if stored is None else RetryPolicy.of(stored)
        except QlessError as error:
            logger.error("%s-retry-policy cannot be used: %s", queue, error)  # noqa: TRY400 - expected
            return None


def _warn(error: Exception) -> None:
    logger.warning("the policies of queues cannot be read: %s", error)
