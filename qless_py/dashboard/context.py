"""The state that all viewers of a dashboard share, and what views need of the current request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from flask import g, url_for
from redis.exceptions import RedisError

from qless_py import package, protocol
from qless_py.auth.identity import Access
from qless_py.auth.login_limiter import LoginLimiter
from qless_py.client import humanize
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.client.redaction import Redactor
from qless_py.dashboard.charts import Mark
from qless_py.dashboard.config import DashboardConfig
from qless_py.dashboard.form_secret import FormSecret
from qless_py.dashboard.live import LiveStreams, SnapshotCache
from qless_py.errors import JobNotFoundError, QlessError
from qless_py.overview.comparison import Comparison
from qless_py.overview.series import SeriesCache
from qless_py.overview.snapshot import Snapshot
from qless_py.overview.statistics import READERS, Kind

_VERSION_LENGTH: Final = 12
LISTED_DATA: Final = 4096  # Bytes of the data of each job that a list reads.
STORE_TIMEOUT: Final = 3.0  # Seconds a page waits for a store that does not respond.
STATIC_FOLDER: Final = package.path("web") / "static"
# Templates are in a folder of their own name, so that they never hide those of a host application.
TEMPLATE_FOLDER: Final = package.path("web") / "templates"


@dataclass(slots=True)
class Dashboard:
    """A client, the settings, and what all viewers of this process share."""

    client: Client
    config: DashboardConfig
    snapshots: SnapshotCache = field(init=False)
    streams: LiveStreams = field(init=False)
    series: SeriesCache = field(init=False)
    series_of: dict[Kind, SeriesCache] = field(init=False)
    comparisons: dict[Kind, Comparison] = field(init=False)
    login_limiter: LoginLimiter = field(init=False)
    _secret: FormSecret = field(init=False)
    _version: str = ""

    def __post_init__(self) -> None:
        # Someone waits for the page, and each waiting page occupies a thread of the server.
        self.client = self.client.with_patience(STORE_TIMEOUT)
        self.snapshots = SnapshotCache(self.client, self.config.refresh, STORE_TIMEOUT)
        self.streams = LiveStreams(self.snapshots, self.config.streams, self.config.refresh)
        fresh = self.config.refresh / 2
        self.series_of = {
            kind: SeriesCache(self.client, fresh, read) for kind, read in READERS.items()
        }
        self.series = self.series_of["queue"]
        self.comparisons = {kind: Comparison(self.client, kind) for kind in READERS}
        self.login_limiter = LoginLimiter(self.config.attempts)
        self._secret = FormSecret(self.client, self.config.secret)

    @property
    def asset_version(self) -> str:
        """A hash of all static files, so that browsers may cache them forever.

        One for all, because modules import each other by their names.
        """
        if not self._version:
            found = hashlib.sha256()
            for path in sorted(STATIC_FOLDER.iterdir()):
                found.update(path.name.encode() + b"\0" + path.read_bytes())
            self._version = found.hexdigest()[:_VERSION_LENGTH]
        return self._version

    @property
    def secret(self) -> bytes:
        """What signs form tokens and messages; the same in all processes of this dashboard."""
        return self._secret.get()

    def secret_hint(self, *, is_one_of_several: bool) -> str:
        """Return which setting makes all processes accept each other's forms, if one is missing."""
        return self._secret.hint(is_one_of_several=is_one_of_several)


def dashboard() -> Dashboard:
    """Return the dashboard that serves this request."""
    return cast("Dashboard", g.qless_py_dashboard)


def snapshot() -> Snapshot:
    """Return the counts of the whole namespace; the page then shows as of when they are.

    A page reads them once, however long it takes, so all its parts show the same.
    """
    if "qless_py_snapshot" not in g:
        g.qless_py_snapshot = dashboard().snapshots.get()
        g.qless_py_as_of = g.qless_py_snapshot.at
    found: Snapshot = g.qless_py_snapshot
    return found


def failed_count() -> str:
    """Return the number of failed jobs for the menu, or nothing if the store does not respond.

    It is that of the last snapshot, unless it is too old. Of more groups than fit into one reply
    the largest number that is certain is shown.
    """
    if g.get("qless_py_store_away"):
        return ""
    recent = g.get("qless_py_snapshot") or dashboard().snapshots.recent()
    if recent is not None:
        return humanize.number(recent.failed)
    try:
        total, groups = client().run(protocol.jobs.groups(0, protocol.jobs.MAX_PAGE))
    except (RedisError, QlessError):
        return ""
    more = "+" if total > len(groups) else ""
    return f"{humanize.number(sum(one.number for one in groups))}{more}"


def queue_names() -> list[str]:
    """Return the names of all queues."""
    return [queue["name"] for queue in snapshot().queues]


def deploy_marks() -> list[Mark]:
    """Return the deploys that charts show."""
    return [Mark(one.at, one.name) for one in client().deploys.list()]


def access() -> Access:
    """Return the identity that sent this request."""
    return cast("Access", g.qless_py_access)


def redactor() -> Redactor | None:
    """Return what redacts data for the sender of this request, None if they may see all of it."""
    return None if access().shows_data else dashboard().config.redactor


def client() -> Client:
    """Return the client of this dashboard."""
    return dashboard().client


def link(view: str, /, **values: Any) -> str:
    """Return the URL of a view of this dashboard, wherever it is mounted."""
    return url_for(f"{g.qless_py_blueprint}.{view}", **values)


def find_job(jid: str) -> Job:
    """Return a job; raises `JobNotFoundError`."""
    found = client().jobs[jid]
    if not isinstance(found, Job):
        raise JobNotFoundError(f"Job {jid} does not exist")
    return found


def find_jobs(jids: Sequence[str]) -> list[Job]:
    """Return the jobs that still exist, in the order of their jids."""
    found = client().jobs.get(jids, data_limit=LISTED_DATA)
    return [job for job in found if isinstance(job, Job)]
