"""The parent's own line to the store: what it asks may fail, what it owes is kept till later."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from qless_py import protocol, store
from qless_py.errors import QlessError, StoreError
from qless_py.handlers.retry import RECONNECT
from qless_py.protocol import Call
from qless_py.store import server_errors
from qless_py.store.resend import ResendPolicy
from qless_py.store.runner import Runner
from qless_py.store.server_errors import Meaning
from qless_py.worker.options import WorkerOptions
from qless_py.worker.status_board import Held

logger = logging.getLogger(__name__)

AWAY: Final = (RedisError, StoreError, OSError)  # What being without a store looks like.
BEAT: Final = 10.0
_AT_ONCE: Final = 100
# The parent must not stand still for a server that does not answer: it has children to look after.
_IMPATIENT: Final = ResendPolicy(limit=0.5, retry_forbidden=True)
_TIMEOUT: Final = 2.0


class Line:
    """Calls of the parent. None of them raises because the store is away, but for `open`."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._runner: Runner | None = None
        self._failures = 0
        self._closed_until = 0.0
        self._owed: deque[Call[Any]] = deque()
        self._beat_at = 0.0
        self._is_away = False
        self.shortest_lease = 60.0

    def open(self, *, is_needed: bool = True) -> None:
        """Connect for the first time; a store that `is_needed` and not there now is an error.

        So is a user that may not write. A store that refuses writes for now is waited for.
        """
        namespace = self._options.namespace
        redis = store.connect(
            self._options.url,
            namespace=namespace,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )
        self._runner = Runner(redis, namespace, policy=_IMPATIENT)
        try:
            self._read_config(self._runner.run(protocol.config.read()))
            if is_needed:
                self._check_writes(self._runner)
        except ResponseError as error:
            if is_needed:
                raise _rejected(error) from error
        except AWAY:
            if is_needed:
                raise

    def _check_writes(self, runner: Runner) -> None:
        """Make a call that writes: each child would fail at its first one."""
        try:
            runner.run(protocol.queues.tick())
        except ResponseError as error:
            if server_errors.meaning(error) is not Meaning.UNAVAILABLE:
                raise
            self._note_away(error)

    def drop(self) -> None:
        """Forget, in a fresh fork, the connection that is the parent's."""
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.redis.connection_pool.reset()

    def close(self) -> None:
        """Leave the store."""
        if self._runner is not None:
            self._runner.redis.close()

    def closed_for(self, now: float) -> float:
        """Give the seconds to wait before the store is tried again; 0 when it is there."""
        return max(0.0, self._closed_until - now)

    def pause(self, now: float) -> float:
        """Give the seconds until there is something to say."""
        due = 0.0 if self._owed else self._beat_at - now
        return max(due, self.closed_for(now), 0.0)

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer the last time."""
        return self._is_away

    @property
    def redis(self) -> Any:
        """The connection, for pubsub."""
        return None if self._runner is None else self._runner.redis

    @property
    def owes(self) -> bool:
        """Whether the store has not yet been told everything."""
        return bool(self._owed)

    @property
    def owed(self) -> list[Call[Any]]:
        """What the store was not told yet."""
        return list(self._owed)

    def owe(self, *calls: Call[Any]) -> None:
        """Make these calls, in this order, as soon as the store takes them."""
        self._owed.extend(calls)

    def deliver(self) -> None:
        """Make the calls that are owed, as far as the store is there."""
        while self._owed:
            answers = self._try([self._owed[0]])
            if answers is None:
                return
            call = self._owed.popleft()
            if isinstance(answers[0], Exception):
                logger.info("%s was refused: %s", call.script, answers[0])
            elif getattr(answers[0], "more", False):
                self._owed.appendleft(call)

    def renew(self, held: Sequence[Held]) -> list[int | QlessError] | None:
        """Renew leases; None when the store is away."""
        answers: list[int | QlessError] = []
        for at in range(0, len(held), _AT_ONCE):
            pairs = [(one.jid, one.lease) for one in held[at : at + _AT_ONCE]]
            reply = self._try([protocol.jobs.heartbeat_many(pairs)])
            if reply is None or isinstance(reply[0], Exception):
                return None
            answers.extend(reply[0])
        return answers

    def beat(self, infos: Callable[[], Mapping[str, bytes]]) -> dict[str, str]:
        """Say now and then that workers live, with what they say of themselves.

        Gives the commands that wait for them. Also reads the configuration again.
        """
        now = time.monotonic()
        if now < self._beat_at:
            return {}
        told = infos()
        calls: list[Call[Any]] = [protocol.workers.beat(name, told[name]) for name in told]
        answers = self._try([*calls, protocol.config.read()])
        if answers is None:
            return {}
        self._beat_at = now + BEAT
        if not isinstance(answers[-1], Exception):
            self._read_config(answers[-1])
        commands = zip(told, answers[:-1], strict=True)
        return {name: one for name, one in commands if one and not isinstance(one, Exception)}

    def beat_now(self) -> None:
        """Have the next beat come at once."""
        self._beat_at = 0.0

    def _try(self, calls: Sequence[Call[Any]]) -> list[Any] | None:
        now = time.monotonic()
        if self._runner is None or now < self._closed_until:
            return None
        try:
            answers = self._runner.run_many(calls)
        except AWAY as error:
            self._failures += 1
            self._closed_until = time.monotonic() + RECONNECT.seconds(self._failures)
            self._note_away(error)
            return None
        if self._is_away:
            logger.warning("the store is back")
        self._is_away = False
        self._failures = 0
        return answers

    def _note_away(self, error: Exception) -> None:
        if not self._is_away:
            logger.warning("no store, trying until it is back: %s", error)
        self._is_away = True

    def _read_config(self, config: dict[str, Any]) -> None:
        general = config["heartbeat"]
        own = [value for name, value in config.items() if name.endswith("-heartbeat")]
        self.shortest_lease = min(float(one) for one in (general, *own))


def _rejected(error: ResponseError) -> Exception:
    """Return the one-line reason why a worker cannot start on a server that answers so."""
    if server_errors.meaning(error) is not Meaning.FORBIDDEN:
        return error
    return StoreError(
        f"the server rejects the calls of a worker: {error}. Its user must be allowed to run "
        "scripts and to write the keys of the namespace"
    )
