"""What one dashboard is made of, and how a view reaches it."""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from flask import g

from qless_py import package
from qless_py.client.client import Client
from qless_py.dashboard.auth.access import Access
from qless_py.dashboard.auth.login_limiter import Attempts
from qless_py.dashboard.config import DashboardConfig
from qless_py.dashboard.snapshot import Snapshots
from qless_py.dashboard.streams import Seats
from qless_py.dashboard.timeseries import History

_VERSION_LETTERS: Final = 12
PATIENCE: Final = 3.0  # Seconds for which a page waits for a store that does not answer.


@dataclass(slots=True)
class Dashboard:
    """A client, the settings, and what all viewers of this process share."""

    client: Client
    config: DashboardConfig
    snapshots: Snapshots = field(init=False)
    secret: bytes = field(init=False)
    seats: Seats = field(init=False)
    history: History = field(init=False)
    attempts: Attempts = field(init=False)
    # What streams wait on between two looks; who sets it ends them.
    pause: threading.Event = field(default_factory=threading.Event)
    _versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Somebody waits for the page, and each page that waits takes a thread of the server.
        self.client = self.client.with_patience(PATIENCE)
        self.snapshots = Snapshots(self.client, self.config.refresh)
        self.history = History(self.client, self.config.refresh / 2)
        self.seats = Seats(self.config.streams)
        self.attempts = Attempts(self.config.attempts)
        # Without a secret of its own a restart makes old forms invalid, which is said to the user.
        self.secret = (self.config.secret or secrets.token_hex(32)).encode()

    def version_of(self, name: str) -> str:
        """Give what changes when a static file does, so that browsers may keep it for ever."""
        if name not in self._versions:
            content = (static_folder() / name).read_bytes()
            self._versions[name] = hashlib.sha256(content).hexdigest()[:_VERSION_LETTERS]
        return self._versions[name]


def static_folder() -> Path:
    """Where styles, scripts and icons lie."""
    return package.path("web") / "static"


def template_folder() -> Path:
    """Where the templates lie, in a folder of their own name so that no host's are hidden."""
    return package.path("web") / "templates"


def dashboard() -> Dashboard:
    """Give the dashboard that serves this request."""
    return cast("Dashboard", g.qless_py_dashboard)


def access() -> Access:
    """Give whose request this is."""
    return cast("Access", g.qless_py_access)


def client() -> Client:
    """Give the client of this dashboard."""
    return dashboard().client
