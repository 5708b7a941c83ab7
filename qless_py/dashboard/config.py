"""What a dashboard is told when it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from qless_py.dashboard import redaction as shown
from qless_py.dashboard.auth.access import Decide
from qless_py.errors import ConfigError

REDACTED: Final = (
    r"pass(word|wd|phrase)?|secret|token|api[-_]?key|authorization|cookie|credential|private[-_]?key"
    r"|ssn|iban|card[-_]?number|cvc|cvv"
)


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """The settings of one dashboard.

    `auth` are asked one after the other whose a request is (`BasicAuth`, `BearerAuth`, `ProxyAuth`,
    any callable of a request that gives an `Access` or `None`); with none of them only this machine
    may enter, as an administrator. `secret` signs the form tokens: give the same to every process
    that serves the dashboard. `trusted_hosts` are the names under which it may be asked for,
    `trusted_origins` the foreign origins whose forms are accepted. `redact` is a pattern of the
    keys whose values are hidden in data. `refresh` is the least time between two looks at the
    store, in seconds; all viewers of a process share one. `streams` is how many live streams a
    process serves; further viewers poll. Each takes a thread of the server for as long as a page is
    open, so have fewer of them than threads. `attempts` is how many wrong passwords or tokens an
    address may send in a minute, 0 any number. `environment` is shown beside the name on every
    page.
    """

    auth: Sequence[Decide] = ()
    secret: str | None = None
    read_only: bool = False
    trusted_hosts: Sequence[str] = ()
    trusted_origins: Sequence[str] = ()
    redact: str = REDACTED
    refresh: float = 1.0
    streams: int = 8
    attempts: int = 10
    environment: str | None = None
    page_size: int = 25
    _redact: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _hide: Callable[[str], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.refresh <= 0:
            raise ConfigError(f"refresh is a number of seconds over 0, not {self.refresh}")
        if self.streams < 0:
            raise ConfigError(f"streams is a number, or 0 for none, not {self.streams}")
        if self.attempts < 0:
            raise ConfigError(f"attempts is a number, or 0 for any, not {self.attempts}")
        if self.secret is not None and len(self.secret) < 16:  # noqa: PLR2004 - 128 bits of text
            raise ConfigError("the secret of the dashboard has at least 16 characters")
        try:
            pattern = re.compile(self.redact or r"(?!)", re.IGNORECASE)
            hide = shown.text_hider(self.redact)
        except re.error as error:
            raise ConfigError(f"redact is no regular expression: {error}") from error
        object.__setattr__(self, "_redact", pattern)
        object.__setattr__(self, "_hide", hide)

    def is_redacted(self, key: str) -> bool:
        """Tell whether values under this key are hidden."""
        return self._redact.search(key) is not None

    def hide_in(self, text: str) -> str:
        """Hide what looks like values of such keys in running text."""
        return self._hide(text)
