"""Batches: sets of jobs, opened and closed, with jobs to put when all of them have ended."""

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypedDict, Unpack

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.errors import BadArgumentError, BatchNotFoundError
from qless_py.protocol import Call, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import put_calls as puts
from qless_py.protocol.arguments import PutOptions, PutSpec
from qless_py.protocol.job_calls import JobVerbs
from qless_py.protocol.settings import Settings

CALLBACKS: Final = ("on_success", "on_complete", "on_failure")


class BatchStatus(TypedDict, total=False):
    """How a batch stands: `state` is open, closed or finished; times are in seconds."""

    name: str
    state: str
    owner: str
    total: int
    pending: int
    completed: int
    failed: int
    canceled: int
    within: str
    opened_at: float
    closed_at: float
    finished_at: float
    canceled_at: float
    on_success: str
    on_complete: str
    on_failure: str


class Callbacks(TypedDict, total=False):
    """Jobs to put, each with its queue: when every member has completed (`on_success`), when all
    have ended in whatever way (`on_complete`), when the first one has failed (`on_failure`).
    """  # noqa: D205 - one sentence, too long for a line

    on_success: PutSpec | None
    on_complete: PutSpec | None
    on_failure: PutSpec | None


class BatchOptions(Callbacks, total=False):
    """What may be said when opening a batch: its call-backs, and the batch that it is `within`.

    A batch within another one is a member of that: the outer one waits for it and for its
    call-backs, which become members of the outer one.
    """

    within: "str | Batch | None"


class Batch:
    """A batch by its name. As a context manager it is closed at the end of the block.

    If the block raises, the batch stays open, so its call-backs do not come for half of the jobs.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.name = checks.name("batch", name)

    def put(self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Put a job that belongs to the batch."""
        settings, joined = self._session.settings, {**options, "batch": self.name}
        call = puts.put(settings, checks.name("queue", queue), klass, data, joined)
        return self._session.run(call)

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> list[str]:
        """Put up to 100 jobs that belong to the batch, all or none."""
        joined = puts.in_batch(jobs, self.name)
        settings = self._session.settings
        return self._session.run(puts.put_many(settings, checks.name("queue", queue), joined))

    def add(self, *jids: str) -> int:
        """Add jobs that exist already; give how many are new in the batch."""
        return self._session.run(protocol.batches.add(self.name, checks.names("jids", jids)))

    def close(self) -> BatchStatus:
        """Take no more jobs, so that the batch can end."""
        return self._session.run(close_call(self.name))

    @property
    def status(self) -> BatchStatus | None:
        """How the batch stands, or `None` when there is none of that name (any more)."""
        return self._session.run(status_call(self.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class JobBatch(Batch):
    """A batch that a running job opened, or is in, to put jobs into on its behalf.

    One that it opened closes at the latest when it completes. What is put goes out at once and
    needs the job's lease. The jids are derived as those of follow-ups, so a second run of the job
    puts nothing twice.
    """

    def __init__(self, session: Session, name: str, job: JobVerbs) -> None:
        super().__init__(session, name)
        self._job = job

    def put(self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Put a job that belongs to the batch, on behalf of the running job."""
        return self._session.run(owned_put_call(self._job, self.name, queue, klass, data, options))

    def put_many(self, queue: str, jobs: Iterable[PutSpec]) -> list[str]:
        """Put up to 100 jobs that belong to the batch, all or none."""
        return self._session.run(owned_puts_call(self._job, self.name, queue, jobs))


class Batches:
    """`client.batches`: a batch by its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> Batch:
        return Batch(self._session, name)

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    def open(self, name: str | None = None, **options: Unpack[BatchOptions]) -> Batch:
        """Open a batch; without a name it gets one of its own."""
        call = open_call(self._session.settings, name, options)
        return Batch(self._session, self._session.run(call))


def open_call(
    settings: Settings,
    name: str | None,
    given: Mapping[str, Any],
    job: JobVerbs | None = None,
    remember: bytes | None = None,
) -> Call[str]:
    """Make the call that opens a batch, perhaps for a running job that owns it.

    What the batch is to remember can be read as long as there is a record of the batch.
    """
    batch = checks.name("batch", name or puts.new_jid())
    options: dict[str, Any] = {} if job is None else {"owner": job.jid, "lease": job.lease}
    data: list[bytes] = []
    callbacks = dict(given)
    within = callbacks.pop("within", None)
    if within is not None:
        options["within"] = checks.name("within", getattr(within, "name", within))
    if remember is not None:
        data.append(remember)
        options["data"] = len(data)
    for which, spec in callbacks.items():
        checks.choice("call-back", which, CALLBACKS)
        if spec is None:
            continue
        klass, value, queue, rest = puts.split(spec)
        if queue is None:
            raise BadArgumentError(f"{which} needs a queue")
        one = puts.prepare(settings, klass, value, rest)
        data.append(one.data)
        options[which] = {**one.as_map(queue), "data": len(data)}
    return protocol.batches.open_batch(batch, options, data)


def own_name(job: JobVerbs) -> str:
    """Give the name of the batch that a job is in."""
    if job.batch_name is None:
        raise BatchNotFoundError(f"Job {job.jid} is in no batch")
    return job.batch_name


def owned_name(job: JobVerbs, name: str | None) -> str:
    """Give the name of a job's batch: the same each time the same put of the job is run."""
    return checks.name("batch", name) if name else job.next_batch_name()


def owned_put_call(  # noqa: PLR0913, PLR0917 - a put, and for whom
    job: JobVerbs, batch: str, queue: str, klass: Any, data: Any, options: Mapping[str, Any]
) -> Call[str]:
    """Make the call that puts a job into a batch on behalf of a running job."""
    one = job.derive(checks.name("queue", queue), klass, data, {**options, "batch": batch})
    wire = {**one.options, "parent": job.jid, "lease": job.lease}
    call = protocol.jobs.put(queue, one.jid, one.klass, one.data, wire)
    return call.map(lambda reply: reply.jid)


def owned_puts_call(
    job: JobVerbs, batch: str, queue: str, jobs: Iterable[Mapping[str, Any]]
) -> Call[list[str]]:
    """Make the call that puts several jobs into a batch on behalf of a running job."""
    maps, data = [], []
    for spec in puts.listed(jobs):
        klass, value, own, rest = puts.split(spec)
        target = checks.name("queue", own or queue)
        one = job.derive(target, klass, value, {**rest, "batch": batch})
        maps.append({**one.as_map(target), "parent": job.jid, "lease": job.lease})
        data.append(one.data)
    puts.check_number(len(maps))
    call = protocol.jobs.put_many(checks.name("queue", queue), maps, data)
    return call.map(lambda replies: [reply.jid for reply in replies])


def close_call(name: str) -> Call[BatchStatus]:
    """Make the call that closes a batch."""
    return protocol.batches.close(name).map(_status)


def status_call(name: str) -> Call[BatchStatus | None]:
    """Make the call that reads a batch."""
    return reads.batch(name).map(lambda value: None if value is None else _status(value))


def _status(value: Mapping[str, Any]) -> BatchStatus:
    status: BatchStatus = dict(value)  # type: ignore[assignment]
    for name in ("opened_at", "closed_at", "finished_at", "canceled_at"):
        if name in value:
            status[name] = value[name] / 1000
    return status
