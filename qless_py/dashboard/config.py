"""The settings of a dashboard, as an object and from environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qless_py.auth.identity import Authenticator
from qless_py.auth.people import authenticators
from qless_py.client.redaction import DEFAULT_PATTERN, Redactor
from qless_py.errors import ConfigError
from qless_py.http.config import HttpConfig
from qless_py.metrics.snapshot import Limits


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """The settings of one dashboard. Raises `ConfigError` for invalid ones.

    - `auth`: authenticators, tried in order (`BasicAuth`, `BearerAuth`, `ProxyAuth`, or any
      callable that maps a request to an `Access` or `None`). Without any, only this machine has
      access, as an administrator.
    - `secret`: signs form tokens; at least 16 characters. Use the same for every process that
      serves the dashboard.
    - `trusted_hosts`: host names under which the dashboard may be requested.
    - `trusted_origins`: other origins whose forms are accepted.
    - `redact`: a regular expression of keys whose values are hidden in data.
    - `refresh`: minimum seconds between two reads of the store, shared by all viewers of a process.
    - `streams`: how many live streams a process serves; further viewers poll. A stream occupies a
      thread of the server as long as a page is open, so allow fewer than there are threads.
    - `attempts`: how many wrong passwords or tokens an address may send in a minute, 0 for any.
    - `environment`: a label shown beside the name on every page.
    - `page_size`: rows on a page of a list.
    - `metrics`: how many queues and throttles have labels of their own at `/metrics`.
    """

    auth: Sequence[Authenticator] = ()
    secret: str | None = None
    read_only: bool = False
    trusted_hosts: Sequence[str] = ()
    trusted_origins: Sequence[str] = ()
    redact: str = DEFAULT_PATTERN
    refresh: float = 1.0
    streams: int = 8
    attempts: int = 10
    environment: str | None = None
    page_size: int = 25
    metrics: Limits = field(default_factory=Limits)
    redactor: Redactor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.refresh <= 0:
            raise ConfigError(f"refresh must be more than 0 seconds, not {self.refresh}")
        if self.streams < 0:
            raise ConfigError(f"streams must be a number, 0 for none, not {self.streams}")
        if self.attempts < 0:
            raise ConfigError(f"attempts must be a number, 0 for no limit, not {self.attempts}")
        if self.secret is not None and len(self.secret) < 16:  # noqa: PLR2004 - 128 bits of text
            raise ConfigError("secret must have at least 16 characters")
        try:
            redactor = Redactor(self.redact)
        except re.error as error:
            raise ConfigError(f"redact is not a valid regular expression: {error}") from error
        object.__setattr__(self, "redactor", redactor)

    def of_api(self) -> HttpConfig:
        """Return the settings of the HTTP API that is served beside the dashboard."""
        return HttpConfig(
            auth=self.auth,
            read_only=self.read_only,
            trusted_hosts=self.trusted_hosts,
            trusted_origins=self.trusted_origins,
            metrics=self.metrics,
        )

    def with_redaction(self, patterns: Sequence[str]) -> DashboardConfig:
        """Return the same settings that also hide the values of keys that match these patterns."""
        return replace(self, redact="|".join(filter(None, (self.redact, *patterns))))


def from_environment(environ: Mapping[str, str] = os.environ) -> DashboardConfig:
    """Read the settings from variables that begin with QLESS_PY_WEB_; raises `ConfigError`.

    They match the options of `qless-py web`: PEOPLE, PROXY_HEADER, TRUSTED_PROXY, PROXY_ROLE,
    SECRET, READ_ONLY, TRUSTED_HOST, TRUSTED_ORIGIN, LABEL, METRICS_QUEUES, and STREAMS, which must
    be less than the number of threads of the server. Separate several values by spaces.
    """
    values = {
        name.removeprefix("QLESS_PY_WEB_").lower(): value
        for name, value in environ.items()
        if name.startswith("QLESS_PY_WEB_") and value
    }
    return DashboardConfig(
        auth=authenticators(
            Path(values["people"]) if "people" in values else None,
            values.get("proxy_header"),
            tuple(values.get("trusted_proxy", "").split()),
            values.get("proxy_role", "viewer"),
        ),
        secret=values.get("secret"),
        read_only=values.get("read_only", "").lower() in {"1", "true", "yes", "on"},
        trusted_hosts=values.get("trusted_host", "").split(),
        trusted_origins=values.get("trusted_origin", "").split(),
        streams=_number(values, "streams", 8),
        environment=values.get("label"),
        metrics=Limits(queues=_number(values, "metrics_queues", Limits().queues)),
    )


def _number(values: Mapping[str, str], name: str, default: int) -> int:
    given = values.get(name, str(default))
    if not given.isascii() or not given.isdecimal():
        variable = f"QLESS_PY_WEB_{name.upper()}"
        raise ConfigError(f"{variable} must be a number, 0 for none, not {given!r}")
    return int(given)
