"""Access tokens of the HTTP API, for programs that use no Redis client.

    new = client.tokens.create("billing", scopes=["put"], queues=["mail*"], klasses=["app.mail.*"])
    print(new.text)  # qlt_<id>_<secret>, known only now
    client.tokens.revoke(new.token.id)

The store keeps the SHA-256 of the secret. `verify` finds the token of a request.
"""

import logging
from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from redis.exceptions import RedisError

from qless_py.client.session import AsyncSession
from qless_py.errors import QlessError
from qless_py.protocol import tokens
from qless_py.protocol.tokens import MAX_TOKENS, NewToken, Scope, StoredToken, Token

_log = logging.getLogger(__name__)

# For how many seconds a token that was read is not read again, so a revoked one is valid no longer.
REMEMBERED: Final = 5.0
# For how many seconds no use is stored after the store refused to.
PAUSE: Final = 60.0


class AsyncTokens:
    """`client.tokens`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        # Tokens that were read, with the time of `time.monotonic` until which they count.
        self._known: dict[str, tuple[StoredToken, float]] = {}
        self._notes_from = 0.0  # Until then no use is stored, because the store refused that.

    def create(  # noqa: PLR0913 - everything that limits a token
        self,
        name: str,
        *,
        scopes: Iterable[Scope],
        queues: Iterable[str] | None = None,
        klasses: Iterable[str] | None = None,
        expires: float | timedelta | datetime | None = None,
        created_by: str | None = None,
    ) -> Awaitable[NewToken]:
        """Create a token; its secret is in the answer's `text` and cannot be read again.

        `queues` and `klasses` are up to 20 patterns in which `*` matches any characters; `None`
        allows all, except the klasses `http` and `webhook`, which must be named. `expires` is a
        duration or a datetime. A namespace has at most 1,000 tokens.
        """
        options = {
            "queues": queues,
            "klasses": klasses,
            "expires": expires,
            "created_by": created_by,
        }
        return self._session.runner.run(tokens.create(name, scopes, options))

    # sync> @property
    def all(self) -> Awaitable[list[Token]]:
        """Return all tokens, the oldest first, also those that have expired."""
        return self._session.runner.run(tokens.read_all())

    def revoke(self, token_id: str) -> Awaitable[bool]:
        """Delete a token; returns whether there was one.

        This client refuses it at once, others within 5 seconds.
        """
        call = tokens.revoke(token_id)
        self._known.pop(token_id, None)
        return self._session.runner.run(call)

    async def verify(self, text: str | None) -> Token | None:
        """Return the token whose text a request carries, `None` if it is unknown or expired.

        What was read from the store counts for 5 seconds. The time of use is stored at most once a
        minute; a store that refuses to write it changes nothing about the answer.
        """
        parts = tokens.split(text)
        if parts is None:
            return None
        token_id, secret = parts
        found = await self._find(token_id)
        if found is None or not found.matches(secret):
            return None
        if found.is_use_due:
            await self._note_use(token_id)
        return found.token

    async def _find(self, token_id: str) -> StoredToken | None:
        now = monotonic()
        known, until = self._known.get(token_id, (None, 0.0))
        if known is not None and now < until:
            return known
        found = await self._session.runner.run(tokens.read(token_id))
        if found is None:
            self._known.pop(token_id, None)
            return None
        if len(self._known) >= MAX_TOKENS:
            self._known.clear()
        left = REMEMBERED if found.left is None else min(REMEMBERED, found.left)
        self._known[token_id] = found, now + left
        return found

    async def _note_use(self, token_id: str) -> None:
        known, until = self._known.get(token_id, (None, 0.0))
        if known is not None:
            self._known[token_id] = known.noted(), until
        if monotonic() < self._notes_from:
            return
        try:
            await self._session.runner.run(tokens.note_use(token_id))
        except (QlessError, RedisError) as error:
            self._notes_from = monotonic() + PAUSE
            _log.debug("use of a token not stored: token=%s error=%s", token_id, error)
