"""The secret that signs form tokens, the same in every process that serves one store."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
import threading
import time
from typing import Final, cast

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from qless_py.client.client import Client

logger = logging.getLogger("qless_py.dashboard")

_PURPOSE: Final = b"qless_py dashboard forms"
_PERIOD: Final = 60.0  # Seconds.
HINT: Final = (
    "If several processes serve this dashboard, give all of them the same secret: "
    "QLESS_PY_WEB_SECRET, --secret or DashboardConfig(secret=...)"
)


class FormSecret:
    """The configured secret; without one, a secret derived from the store.

    Every server has a random identity of 160 bits, and usually a password: whoever knows both has
    the store itself. So all processes derive the same secret, and nothing is written. It is derived
    again every minute, since a server that restarts has another identity. If there is none to be
    read, as in a cluster, the secret is random, and a warning says what to configure.
    """

    def __init__(self, client: Client, configured: str | None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._secret = None if configured is None else configured.encode()
        self._expires_at = math.inf if configured is not None else 0.0
        self._is_random = False

    def hint(self, *, is_one_of_several: bool) -> str:
        """Return what to configure if processes may have different secrets, else "".

        That is so if the secret is random; if it is derived, processes may still know the store by
        different passwords.
        """
        if self._is_random:
            return HINT
        return HINT if is_one_of_several and self._expires_at != math.inf else ""

    def get(self) -> bytes:
        """Return the secret; raises the error of a store that does not respond."""
        with self._lock:
            if self._secret is None or time.monotonic() >= self._expires_at:
                self._secret = self._derive()
            return self._secret

    def _derive(self) -> bytes:
        self._expires_at = time.monotonic() + _PERIOD
        identity = self._identity()
        if identity:
            key = f"{identity}\n{self._client.namespace}\n{self._password()}".encode()
            return hmac.new(key, _PURPOSE, hashlib.sha256).digest()
        self._expires_at, self._is_random = math.inf, True
        logger.warning(
            "no identity of the store to derive a secret from, so it is random. %s", HINT
        )
        return secrets.token_bytes(32)

    def _identity(self) -> str:
        if isinstance(cast("object", self._client.redis), RedisCluster):
            return ""  # Each of its servers has its own.
        try:
            return str(self._client.redis.info("server").get("run_id", ""))
        except ResponseError:
            return ""  # Not permitted, or not known to this server.

    def _password(self) -> str:
        pool = getattr(self._client.redis, "connection_pool", None)
        return str(getattr(pool, "connection_kwargs", {}).get("password") or "")
