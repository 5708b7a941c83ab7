"""The settings of the HTTP API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from qless_py.auth.identity import Authenticator
from qless_py.client.redaction import DEFAULT_PATTERN, Redactor
from qless_py.errors import ConfigError
from qless_py.metrics.snapshot import Limits

DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The settings of one HTTP API. Raises `ConfigError` for invalid ones.

    - `auth`: authenticators tried after the tokens of the store, in order, as for the dashboard. A
      viewer may read, an operator may also put and operate, an administrator may do everything.
    - `open_locally`: whether requests from this machine need no token if `auth` is empty.
    - `read_only`: refuse every change.
    - `trusted_hosts`: host names under which the API may be requested. `trusted_origins`: origins
      whose pages may send changes; a token needs no origin.
    - `redact`: a regular expression of keys whose values are hidden, in data, results and errors,
      from tokens without the scope `data` and from viewers.
    - `max_body`: bytes of a request.
    - `longest_wait`: seconds for which a pop or a result may be waited for. `long_polls`: how many
      requests of this process may wait at once; further ones are answered at once.
    - `event_streams`: how many event streams this process serves at once. Each takes a thread.
    - `idempotency_life`: seconds for which an `Idempotency-Key` is remembered.
    - `metrics`: how many queues and throttles have labels of their own at `/metrics`.
    """

    auth: Sequence[Authenticator] = ()
    open_locally: bool = True
    read_only: bool = False
    trusted_hosts: Sequence[str] = ()
    trusted_origins: Sequence[str] = ()
    redact: str = DEFAULT_PATTERN
    max_body: int = 4 * 2**20
    longest_wait: float = 20.0
    long_polls: int = 256
    event_streams: int = 64
    idempotency_life: float = DAY
    metrics: Limits = field(default_factory=Limits)
    redactor: Redactor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("max_body", "longest_wait", "idempotency_life"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be more than 0, not {getattr(self, name)}")
        for name in ("long_polls", "event_streams"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be a number, 0 for none, not {getattr(self, name)}")
        try:
            redactor = Redactor(self.redact)
        except re.error as error:
            raise ConfigError(f"redact is not a valid regular expression: {error}") from error
        object.__setattr__(self, "redactor", redactor)

    def with_redaction(self, patterns: Sequence[str]) -> HttpConfig:
        """Return the same settings that also hide the values of keys that match these patterns."""
        return replace(self, redact="|".join(filter(None, (self.redact, *patterns))))
