"""Stored jobs and recurring jobs as values: typed fields over their records. No I/O.

Both clients, the handlers and the pipelines share `JobState`. They differ only in how they send
the calls of `qless_py.protocol`, whose replies update the state.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Generic, Literal, Self, TypeVar, overload

from qless_py import cron as schedule
from qless_py.cron import Cron
from qless_py.errors import UndecodableDataError
from qless_py.protocol import arguments
from qless_py.protocol.call import Call, original
from qless_py.protocol.codec import encode
from qless_py.protocol.records import EncodedJob, JobRecord, RecurringRecord
from qless_py.protocol.settings import Settings

T = TypeVar("T")

MAX_TIMES: Final = 10_000
OVERDUE_AFTER: Final = 60.0  # Seconds; pops put a child within moments of its tick.

EndedBy = Literal["limit", "end", "expression"]


class Field(Generic[T]):
    """A read-only attribute, read from a stored field; `default` stands for a missing one."""

    def __init__(self, key: str, read: Callable[[Any], T], default: Any, doc: str) -> None:
        self.key = key
        self.read = read
        self.default = default
        self.__doc__ = doc

    @overload
    def __get__(self, state: None, owner: type) -> Self: ...
    @overload
    def __get__(self, state: "StoredState", owner: type) -> T: ...

    def __get__(self, state: "StoredState | None", owner: type) -> Self | T:
        if state is None:
            return self
        # As `fields`, without a call for each attribute of each job.
        return self.read(state._record.fields.get(self.key, self.default))  # noqa: SLF001

    def __set__(self, state: "StoredState", value: Any) -> None:
        raise AttributeError(f"{self.key} is read-only")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _context(value: Any) -> dict[str, str]:
    """Read a map of text; an empty one is stored as a list, and foreign values are skipped."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: one for name, one in pairs if isinstance(name, str) and isinstance(one, str)}


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else []


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value) / 1000


def _failure(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {**stored, "when": stored["when"] / 1000} if "when" in stored else dict(stored)


class StoredState:
    """The part that jobs and recurring jobs share: klass, queue, tags, limits and data."""

    klass_name = Field("klass", str, "", "The dotted name of the job's handler.")
    queue_name = Field("queue", str, "", "The job's queue; empty when the job is complete.")
    state = Field("state", str, "", "The state when the job was read.")
    tags = Field[list[str]]("tags", list, (), "The tags, in the order in which they were added.")
    user = Field("user", _text, None, "The user whose job it is, if any.")
    throttles = Field[list[str]]("throttles", list, (), "The ids of the throttles of the put.")
    context = Field(
        "context",
        _context,
        None,
        "What travels with the job apart from its data: W3C trace context and the like.",
    )
    codec_name = Field("codec", str, "json", "The name of the codec that wrote the data.")

    _settings: Settings
    _record: JobRecord | RecurringRecord

    def __init__(self, settings: Settings, record: JobRecord | RecurringRecord) -> None:
        self._settings = settings
        self._adopt(record)

    def _adopt(self, record: JobRecord | RecurringRecord) -> None:
        self._record = record
        self._data: Any = None
        self._is_decoded = False

    @property
    def settings(self) -> Settings:
        """The settings of the client that read the job."""
        return self._settings

    @property
    def fields(self) -> dict[str, Any]:
        """The stored fields by name; those at their default may be missing."""
        return self._record.fields

    @property
    def jid(self) -> str:
        """The job's id."""
        return self._record.jid

    @property
    def costs(self) -> dict[str, float]:
        """How many tokens the job takes of each of its throttles when it starts."""
        given = dict(self.fields.get("costs") or {})
        return {throttle: float(given.get(throttle, 1)) for throttle in self.throttles}

    @property
    def raw(self) -> bytes:
        """The data as stored, as far as it was read."""
        return self._record.data

    @property
    def data_size(self) -> int:
        """The bytes of the data, read or not."""
        return self.size_of("data")

    def size_of(self, what: str) -> int:
        """Return the bytes of `data`, `result` or `progress`, read or not."""
        return self._record.cut.get(what, len(self.beginning(what)))

    def beginning(self, what: str) -> bytes:
        """Return `data`, `result` or `progress` as stored, as far as it was read."""
        return getattr(self._record, what) or b""

    def is_cut(self, what: str = "data") -> bool:
        """Return whether only the beginning of `data`, `result` or `progress` was read."""
        return what in self._record.cut

    def _refuse_cut(self, what: str) -> None:
        if self.is_cut(what):
            length = self._record.cut[what]
            raise UndecodableDataError(
                f"{what} of job {self.jid} has {length:,} bytes, of which only the beginning was "
                "read: read the job by its jid"
            )

    @property
    def data_digest(self) -> str:
        """The SHA-1 of the data as stored, in hex: which version of the data this is."""
        self._refuse_cut("data")
        return hashlib.sha1(self.raw, usedforsecurity=False).hexdigest()

    def _decode(self, data: bytes) -> Any:
        return self._settings.codec_named(self.codec_name).decode(data, self.jid)

    def _value(self) -> Any:
        """Return the data, decoded at first use: data that nobody reads cannot fail to decode."""
        if not self._is_decoded:
            self._refuse_cut("data")
            self._data, self._is_decoded = self._decode(self._record.data), True
        return self._data

    def _set_value(self, value: Any) -> None:
        self._data, self._is_decoded = value, True

    def _changed_data(self) -> bytes:
        """Return the encoded data, or b"" if the store has it already."""
        if not self._is_decoded:
            return b""
        encoded = self._settings.codec_named(self.codec_name).encode(self._data, self.jid)
        if encoded == self._record.data:
            return b""
        # Other spacing or a new nonce is no change. repr keeps True and 1 apart, which == does not.
        return b"" if repr(self._data) == repr(self._stored_value()) else encoded

    def _stored_value(self) -> Any:
        try:
            return self._decode(self._record.data)
        except UndecodableDataError:
            return None

    def __getitem__(self, key: Any) -> Any:
        return self._value()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._value()

    # Without this, __getitem__ would make a job look like a sequence to iterate.
    __iter__ = None

    def __setitem__(self, key: Any, value: Any) -> None:
        self._value()[key] = value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.jid} ({self.klass_name} / {self.queue_name})>"


class JobState(StoredState):
    """A job as it was when it was read. Times are Unix seconds, durations seconds.

    It also collects the follow-up jobs that its completion will put, and counts the jobs of each
    content (`derived`) and the batches that this run has derived jids for.
    """

    _record: JobRecord

    original_retries = Field("retries", int, 0, "How many retries the job was put with.")
    worker_name = Field("worker", str, "", "The worker that holds the job; empty if none does.")
    worker = Field("worker", str, "", "The same as `worker_name`.")
    lease = Field(
        "lease", str, "", "The fencing token of this hand-out; its holder's calls present it."
    )
    is_tracked = Field("tracked", bool, None, "Whether the job's events are published.")
    tracked = Field("tracked", bool, None, "Whether the job's events are published.")
    crashes = Field("crashes", int, 0, "How often a process died while it ran the job.")
    stalls = Field("stalls", int, 0, "How often the job's lease was lost.")
    spawned_from = Field("spawned_from", _text, None, "The jid of the recurring job that put it.")
    batch_name = Field("batch", _text, None, "The batch the job belongs to, if any.")
    origins = Field(
        "origins",
        _words,
        None,
        "The `traceparent` of puts of a batch's members, at most 16, in its callbacks.",
    )
    gate = Field("gate", _text, None, "The throttle that a job in state `throttled` is parked on.")
    generation = Field("generation", int, 0, "The number of the job's last put; each put adds one.")
    put_at = Field("put_at", _seconds, None, "When the job was last put.")
    popped_at = Field("popped_at", _seconds, None, "When the job was last popped.")
    due_at = Field("due", _seconds, None, "When a scheduled job may run.")
    failed_at = Field("failed_at", _seconds, None, "When a failed job failed.")
    completed_at = Field("completed_at", _seconds, None, "When a complete job completed.")
    soft_limit = Field(
        "soft_limit",
        _seconds,
        None,
        "Seconds after which the handler gets a `SoftLimitError`; `None` if the job sets none.",
    )
    hard_limit = Field(
        "hard_limit",
        _seconds,
        None,
        "Seconds after which the process that runs it is killed; `None` if the job sets none.",
    )
    not_after = Field("expires", _seconds, None, "When the job expires, if it does.")

    # The span of the run, while tracing is on: `qless_py.protocol.instrumentation`.
    run_span: Any = None

    def __init__(self, settings: Settings, record: JobRecord) -> None:
        super().__init__(settings, record)
        self.follow_ups: list[tuple[str, EncodedJob]] = []
        self.derived: defaultdict[bytes, int] = defaultdict(int)
        self.batches = 0

    @property
    def session(self) -> Any:
        """What sends the job's calls: the client it was read with."""
        raise NotImplementedError

    @property
    def last_queue(self) -> str:
        """The queue of the job or, once it has none, the last one it was in; empty if unknown."""
        if self.queue_name:
            return str(self.queue_name)
        details = (more[0] for *_, more in self._entries() if more and more[0])
        return next((str(one["queue"]) for one in details if "queue" in one), "")

    def _entries(self) -> list[tuple[str, int, list[Any]]]:
        """Return the stored history entries, newest first, without decoding data."""
        return [(what, when, more) for what, when, *more in reversed(self._record.history())]

    @property
    def retries_left(self) -> int:
        """How many retries are left; -1 when the job failed because it had none left."""
        return int(self.fields.get("left", self.original_retries))

    @property
    def expires_at(self) -> float:
        """When the lease ends; 0 when there is none."""
        return self._record.expires_at / 1000

    @property
    def ttl(self) -> float:
        """Seconds left of the lease; negative when it has lapsed."""
        return self.expires_at - self._settings.clock()

    @property
    def waited(self) -> float:
        """Seconds from when the job could run, as far as is known, to its pop."""
        order = self.fields.get("order")
        if order is None or self.popped_at is None:
            return 0.0
        # It begins with the instant at which the job became ready, in milliseconds.
        return max(0.0, self.popped_at - int.from_bytes(order[:6], "big") / 1000)

    @property
    def dependencies(self) -> list[str]:
        """The jids this job still waits for."""
        return list(self._record.dependencies)

    @property
    def parents(self) -> list[str]:
        """All jids this job was put to wait for, complete or not."""
        return list(self._record.parents)

    @property
    def dependents(self) -> list[str]:
        """The jids that wait for this job, at most 1,000 of them."""
        return list(self._record.dependents)

    @property
    def unique_key(self) -> str | None:
        """The key that no other live job may have."""
        unique = self.fields.get("unique")
        return str(unique["key"]) if unique else None

    @property
    def failure(self) -> dict[str, Any]:
        """The last failure: `group`, `message`, `when` and `worker`; empty if there was none."""
        return _failure(self._record.failure)

    @property
    def earlier_failures(self) -> list[dict[str, Any]]:
        """The failures before the last one, at most four, oldest first, until the job completes.

        Messages are cut to 2,000 bytes. Only a job that was read by its jid has them.
        """
        return [_failure(one) for one in self._record.earlier]

    @property
    def history(self) -> list[dict[str, Any]]:
        """What happened to the job, oldest first: `what`, `when` and the details of each entry.

        An attempt that was retried has the `worker`, the `group`, one line of the `error`, and
        `due_at`, if the job was to wait; a lost lease the `worker`, a crash its `cause`, too.
        """
        return [
            {**self._details(more), "what": what, "when": when / 1000}
            for what, when, *more in self._record.history()
        ]

    def _details(self, more: list[Any]) -> dict[str, Any]:
        """Return the details of a history entry, decoding the data of a job's own `log`."""
        details = dict(more[0]) if more and more[0] else {}
        if "data" not in details:
            if "due" in details:
                details["due_at"] = details.pop("due") / 1000
            return details
        try:
            data = self._decode(original(details["data"]))
        except UndecodableDataError:
            return details
        return dict(data) if isinstance(data, Mapping) else {"data": data}

    @property
    def result(self) -> Any:
        """The job's result, or `None`."""
        self._refuse_cut("result")
        return None if self._record.result is None else self._decode(self._record.result)

    @property
    def progress(self) -> Any:
        """The progress the job last reported, or `None`."""
        self._refuse_cut("progress")
        return None if self._record.progress is None else self._decode(self._record.progress)

    @property
    def result_size(self) -> int:
        """The bytes of the result, read or not; 0 without one."""
        return self.size_of("result")

    @property
    def last_run(self) -> tuple[float | None, float | None]:
        """How long the job waited before its last pop and has run since, in seconds.

        The run ends when the job completes or fails. None stands for what its history does not
        tell.
        """
        entries = [(what, when, more) for what, when, more in self._entries() if what != "log"]
        at = next((at for at, one in enumerate(entries) if one[0] == "popped"), None)
        if at is None:
            return None, None
        popped_at = entries[at][1] / 1000
        ended_at = self.completed_at or self.failed_at
        if ended_at is None and self.state == "running":
            ended_at = self._settings.clock()
        ran = None if ended_at is None else max(0.0, ended_at - popped_at)
        if at + 1 == len(entries):
            return None, ran
        _, ready_at, more = entries[at + 1]
        due = (more[0] or {}).get("due", ready_at) if more else ready_at
        return max(0.0, popped_at - due / 1000), ran

    @property
    def times_popped(self) -> int:
        """How often the job was popped, as far as its history goes back."""
        if self._record.popped is not None:
            return self._record.popped
        return sum(what == "popped" for what, *_ in self._record.history())

    def _decode(self, data: bytes) -> Any:
        try:
            return super()._decode(data)
        except UndecodableDataError:
            # Data bound to a jid came with the recurring job, and is the same in all children.
            if self.spawned_from is None:
                raise
            return self._settings.codec_named(self.codec_name).decode(data, self.spawned_from)

    def encode(self, value: Any, what: str) -> bytes:
        """Encode a value, `None` too, with the codec of this job's data.

        Error messages call it `what`.
        """
        return encode(self._settings.codec_named(self.codec_name), value, self.jid, what)

    def encode_given(self, value: Any, what: str = "result") -> bytes:
        """Encode a result or log data; b"" for `None`."""
        return b"" if value is None else self.encode(value, what)

    def data_to_send(self, data: Any = None) -> bytes:
        """Replace the data unless `None`; return its bytes, or b"" if the store has them."""
        if data is not None:
            self._set_value(data)
        return self._changed_data()

    def decode_result(self, codec: str, jid: str, result: bytes) -> Any:
        """Decode a result of another job, which was written with that codec."""
        return self._settings.codec_named(codec).decode(result, jid)

    def updated_by(
        self, call: Call[T], change: Callable[[T], object], sent: bytes = b""
    ) -> Call[T]:
        """Return the call, with a reply that also changes this state; `sent` is the new data."""

        def update(reply: T) -> T:
            if sent:
                self._record.data = sent
            change(reply)
            return reply

        return call.map(update)

    def set_state(self, state: str) -> None:
        """Set the state that a transition led to; a lease does not outlive the running state."""
        self.fields["state"] = state
        self._record.expires_at = 0

    def set_stored_data(self, data: bytes) -> None:
        """Set the data that the store has now."""
        self._record.data, self._is_decoded = data, False

    def set_result(self, result: bytes) -> None:
        """Set the result the job was completed with, if any."""
        if result:
            self._record.result = result

    def set_lease_end(self, expires_at: int) -> None:
        """Set the end of a renewed lease, in ms."""
        self._record.expires_at = expires_at


class RecurringState(StoredState):
    """A recurring job as it was when it was read. Times are Unix seconds, durations seconds."""

    _record: RecurringRecord

    count = Field("count", int, 0, "How many children it has put.")
    is_paused = Field("paused", bool, None, "Whether it is paused, so that no children are put.")
    is_over = Field("over", bool, None, "Whether its end or limit is reached.")
    interval = Field(
        "interval", _seconds, None, "Seconds between two children; `None` with a cron expression."
    )
    cron = Field("cron", _text, None, "The cron expression, if there is one.")
    zone = Field("zone", _text, None, "The time zone of the cron expression.")
    misfire = Field("misfire", str, "all", "What happens to late slots: `all`, `one` or `skip`.")
    overlap = Field(
        "overlap",
        str,
        "allow",
        "What happens while the child before has not ended: `allow`, `skip`.",
    )
    start = Field("start", _seconds, None, "The time before which no child is put.")
    end = Field("end", _seconds, None, "The time after which no child is put.")
    limit = Field("limit", _number, None, "The most children the schedule puts.")
    group = Field("group", _text, None, "The group that declared it, if any.")
    priority = Field("priority", float, 0, "The priority of each child.")
    retries = Field("retries", int, 0, "The retries of each child.")
    backlog = Field("backlog", int, 0, "How many missed slots are caught up; 0 for all.")

    @property
    def next_at(self) -> float | None:
        """The slot of the next child; `None` when it is over or its ticks are not known yet."""
        return _seconds(self._record.next_at)

    @property
    def is_dry(self) -> bool:
        """Whether no ticks are stored, so that a client that pops must compute the next ones."""
        is_active = not self.is_paused and not self.is_over
        return is_active and self.cron is not None and self.next_at is None

    @property
    def is_overdue(self) -> bool:
        """Whether its next tick passed over a minute ago: any pop would have put that child."""
        if self.is_paused or self.is_over or self.next_at is None:
            return False
        return self.settings.clock() - self.next_at > OVERDUE_AFTER

    @property
    def ended_by(self) -> EndedBy | None:
        """What ended it: its `limit`, its `end`, or a cron `expression` without further ticks."""
        if not self.is_over:
            return None
        if self.limit is not None and int(self.fields.get("made", 0)) >= self.limit:
            return "limit"
        return "end" if self.end is not None else "expression"

    @property
    def data(self) -> Any:
        """The data of each child."""
        return self._value()

    @property
    def stored_times(self) -> list[datetime]:
        """The next ticks of a cron expression that are stored, at most ten."""
        ticks = self.fields.get("ticks") or ()
        return [datetime.fromtimestamp(tick / 1000, UTC) for tick in ticks]

    @property
    def span(self) -> dict[str, int]:
        """Its start and end in ms, as far as it has them."""
        return {name: int(self.fields[name]) for name in ("start", "end") if name in self.fields}

    def next_times(self, count: int = 10) -> list[datetime]:
        """Return the times of the next children, as if it were not paused; fewer near its end."""
        number = arguments.whole("count", count, 0, MAX_TIMES)
        left = self.limit
        if left is not None:
            number = min(number, max(left - int(self.fields.get("made", 0)), 0))
        return [] if self.is_over else self._times(number)

    def _times(self, count: int) -> list[datetime]:
        span = self.span
        if self.cron is not None and self.zone is not None:
            cron = Cron(self.cron, self.zone)
            plan = schedule.following(cron, int(self.fields["covered"]), count, **span)
            return [datetime.fromtimestamp(tick / 1000, cron.tzinfo) for tick in plan.ticks]
        first, step = self._record.next_at or 0, int(self.fields["interval"])
        slots = range(first, span.get("end", 2**53) + 1, step)
        return [datetime.fromtimestamp(slot / 1000, UTC) for slot in islice(slots, count)]
