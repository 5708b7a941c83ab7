"""What a namespace holds, in plain Python, and the small things that every transition does.

The model defines what users can rely on. What it leaves to the scripts: the form of keys, sequence
numbers (leases are taken from replies and must grow) and the memory of requests.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

DEFAULTS = {
    "application": "qless",
    "heartbeat": "60",
    "grace-period": "10",
    "jobs-history": "2592000",
    "jobs-history-count": "50000",
    "canceled-history": "604800",
    "canceled-history-count": "10000",
    "canceled-history-size": "67108864",
    "max-job-history": "100",
    "stats-history": "30",
    "histogram-history": "7",
    "max-worker-age": "86400",
    "max-crashes": "3",
    "max-data-size": "1048576",
    "event-stream": "0",
    "klass-stats": "100",
    "audit-log": "10000",
}
DAY = 86_400_000


class Refused(Exception):  # noqa: N818 - a refusal is what the call answers, not a fault
    """The call is refused with this code and changes nothing."""


@dataclass(slots=True, eq=False)
class Edge:
    """Job waits for a parent, or waited: `open` until the parent has ended."""

    policy: str
    open: bool = True

    @property
    def score(self) -> int:
        return 0 if self.policy == "wait" else 1


@dataclass(slots=True, eq=False)
class Job:
    """A job; `front` is 1 after a lost lease, 2 after `timeout`: ahead of every priority."""

    jid: str
    klass: str
    queue: str = ""
    state: str = ""
    data: bytes = b""
    priority: float = 0
    retries: int = 5
    left: int = 5
    put_at: int = 0
    age: tuple[int, int] = (0, 0)
    front: int = 0
    tags: list[str] = field(default_factory=list)
    user: str | None = None
    throttles: list[str] = field(default_factory=list)
    history: list[list[Any]] = field(default_factory=list)
    worker: str | None = None
    lease: str | None = None
    popped_at: int | None = None
    expires_at: int | None = None
    grace: bool = False
    handed_off: int | None = None
    tracked: bool = False
    codec: str | None = None
    crashes: int = 0
    stalls: int = 0
    group: str | None = None
    failed_at: int | None = None
    completed_at: int | None = None
    failure: dict[str, Any] | None = None
    due: int | None = None
    depends_since: int = 0
    spawned_from: str | None = None
    batch: str | None = None
    unique: dict[str, Any] | None = None
    keep: int | None = None
    soft_limit: int | None = None
    context: dict[str, str] | None = None
    expires: int | None = None
    tries: str | None = None
    result: str | None = None
    progress: str | None = None
    owns: list[str] = field(default_factory=list)
    followups: set[str] = field(default_factory=set)
    parents: dict[str, Edge] = field(default_factory=dict)

    @property
    def is_waiting(self) -> bool:
        return self.state in ("waiting", "stalled")

    @property
    def place(self) -> tuple[float, int, int]:
        """Order of the waiting jobs of a queue."""
        return (-self.priority, -1e308, float("-inf"))[self.front], *self.age


@dataclass(slots=True, eq=False)
class Recurring:
    """A recurring job; `slot` is when the next child is due."""

    jid: str
    klass: str
    queue: str
    data: bytes
    interval: int
    slot: int
    retries: int = 0
    priority: float = 0
    tags: list[str] = field(default_factory=list)
    backlog: int = 0
    codec: str | None = None
    count: int = 0
    paused: bool = False
    runs: list[list[int]] = field(default_factory=list)

    @property
    def place(self) -> float:
        return float("inf") if self.paused else self.slot


@dataclass(slots=True, eq=False)
class Batch:
    """A batch; `touched` is when it was last of interest to retention."""

    opened_at: int
    touched: int
    owner: str | None = None
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed_at: int | None = None
    finished_at: int | None = None
    members: set[str] = field(default_factory=set)
    canceled: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fired: set[str] = field(default_factory=set)
    conflicts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Release:
    """What the end of a job or batch has set free and nobody has carried out yet."""

    reason: str
    parent: str = ""
    freed: list[tuple[str, Edge]] = field(default_factory=list)
    late: str | None = None
    batch: str = ""
    callback: str = ""


@dataclass(slots=True)
class Day:
    """The statistics of one queue and day."""

    retries: int = 0
    failures: int = 0
    undone: int = 0
    wait: list[int] = field(default_factory=list)
    run: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Call:
    """What belongs to one call only."""

    released: bool = False
    planned: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    planned_edges: list[tuple[str, str]] = field(default_factory=list)
    planned_batches: dict[str, str] = field(default_factory=dict)
    claims: dict[str, str | None] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)
    ending: str | None = None
    completing: str | None = None
    yields: bool = False
    events: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Namespace:
    """Everything there is; some of it only the scripts can know.

    That is `child_count`, `leases`, and which users came first with the jobs `taken` by a pop and
    those that it found `late`. `fair` are the queues in which jobs are chosen one by one.
    """

    child_count: Callable[[str], int]
    leases: dict[str, str] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    fair: set[str] = field(default_factory=set)
    told_next: int | None = None
    now: int = 0
    last: int = 0
    arrivals: int = 0
    began: bool = False
    call: Call = field(default_factory=Call)
    jobs: dict[str, Job] = field(default_factory=dict)
    recurring: dict[str, Recurring] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    tags: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    groups: dict[str, int] = field(default_factory=dict)
    tracked: dict[str, int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    commands: dict[str, tuple[int, str]] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)
    paused: dict[str, dict[str, Any]] = field(default_factory=dict)
    unique: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    tombstones: dict[str, int] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    results: dict[str, tuple[str, str]] = field(default_factory=dict)
    holders: dict[str, set[object]] = field(default_factory=lambda: defaultdict(set))
    releases: list[Release] = field(default_factory=list)
    due: dict[str, int] = field(default_factory=dict)
    days: dict[tuple[int, str], Day] = field(default_factory=lambda: defaultdict(Day))

    def begin(self, now: int) -> None:
        """Begin a call at this time, which never runs backwards."""
        self.now = max(now, self.last)
        self.call = Call()

    def end(self) -> None:
        """End a call that was not refused."""
        self.last = self.now
        if not self.began:
            self.began = True
            self.due.setdefault("sweep", self.now + 60_000)

    def option(self, name: str) -> float:
        return float(self.config.get(name, DEFAULTS[name]))

    def milliseconds(self, name: str) -> int:
        return int(self.option(name) * 1000)

    def lease_length(self, queue: str) -> int:
        own = self.config.get(f"{queue}-heartbeat")
        return int(float(own) * 1000) if own else self.milliseconds("heartbeat")

    def load(self, jid: str) -> Job:
        """Return the job or refuse the call."""
        if jid not in self.jobs:
            raise Refused("NOJOB")
        return self.jobs[jid]

    def held(self, jid: str, lease: str) -> Job:
        """Return the running job that this lease holds, or refuse the call."""
        job = self.load(jid)
        if job.state == "complete":
            raise Refused("FINISHED")
        if job.state != "running" or job.lease != lease:
            raise Refused("LOSTLEASE")
        return job

    def check_data(self, *given: str | bytes) -> None:
        if any(len(data) > self.option("max-data-size") for data in given):
            raise Refused("TOOLARGE")

    def arrive(self) -> int:
        """Number arrivals: what came first goes first among equals."""
        self.arrivals += 1
        return self.arrivals

    def look_at(self, duty: str, at: int) -> None:
        """Schedule a duty no later than this."""
        self.due[duty] = min(self.due.get(duty, at), at)

    def note(self, job: Job, what: str, more: dict[str, Any] | None = None) -> None:
        """Add to the history: the first entry stays, of the others the newest do."""
        self.note_at(self.now, job, what, more)

    def note_at(self, at: int, job: Job, what: str, more: dict[str, Any] | None) -> None:
        job.history.append([what, at, more] if more else [what, at])
        limit = int(self.option("max-job-history"))
        if limit > 0:
            job.history[1:] = job.history[1:][max(len(job.history) - limit, 0) :]

    def today(self, queue: str) -> Day:
        """Return the account of today, which makes the queue known."""
        self.queues.setdefault(queue, self.now)
        return self.days[self.now // DAY, queue]

    def publish(self, channel: str, message: Any) -> None:
        self.call.events.append((channel, message))

    def log(self, event: str, jid: str, queue: str, **more: Any) -> None:
        self.publish("log", {"event": event, "jid": jid, "queue": queue, **more})

    def publish_if_tracked(self, channel: str, job: Job) -> None:
        if job.tracked:
            self.publish(channel, job.jid)

    def publish_lost(self, job: Job, event: str = "lock_lost") -> None:
        """Notify a worker that it no longer holds a job, and log a lost lease."""
        text = {"event": event, "jid": job.jid, "queue": job.queue, "worker": job.worker}
        text["lease"] = job.lease
        self.publish(f"worker:{job.worker}", text)
        if event == "lock_lost":
            self.publish("log", text)
