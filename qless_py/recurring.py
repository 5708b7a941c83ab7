"""A recurring job, and what may be done with it."""

from typing import Any, Unpack

from qless_py import options as checks
from qless_py import protocol, puts
from qless_py.attributes import Stored
from qless_py.errors import BadArgumentError, JobNotFoundError
from qless_py.options import RecurUpdate, Seconds
from qless_py.protocol import Call, RecurringRecord, reads
from qless_py.session import Session, Settings


class RecurringAttributes(Stored):
    """A recurring job as it was when it was read."""

    _record: RecurringRecord

    @property
    def next_at(self) -> float:
        """The slot of the next child, in seconds since 1970."""
        return self._record.next_at / 1000

    @property
    def count(self) -> int:
        """How many children there have been."""
        return int(self._record.fields.get("count", 0))

    @property
    def is_paused(self) -> bool:
        """Whether no children are made for now."""
        return bool(self._record.fields.get("paused", False))

    @property
    def data(self) -> Any:
        """The data of each child."""
        return self._value()

    @property
    def interval(self) -> float:
        """Seconds between two children."""
        return float(self._record.fields["interval"]) / 1000

    @property
    def priority(self) -> float:
        """The priority of each child."""
        return float(self._record.fields.get("priority", 0))

    @property
    def retries(self) -> int:
        """How often each child may be dropped."""
        return int(self._record.fields.get("retries", 0))

    @property
    def backlog(self) -> int:
        """How many missed intervals are made up for; 0 is all of them."""
        return int(self._record.fields.get("backlog", 0))


class RecurringJob(RecurringAttributes):
    """A recurring job as it was when it was read. Setting an attribute writes it to the store.

    What is changed holds for future children only; those that exist stay as they are.
    """

    def __init__(self, session: Session, record: RecurringRecord) -> None:
        super().__init__(session.settings, record)
        self._session = session

    @property
    def data(self) -> Any:
        """The data of each child."""
        return super().data

    @data.setter
    def data(self, value: Any) -> None:
        self.update(data=value)

    @property
    def klass_name(self) -> str:
        """The dotted name of what performs the children."""
        return super().klass_name

    @property
    def klass(self) -> Any:
        """What performs the children, imported; set it to a class, a function or a name."""
        return super().klass

    @klass.setter
    def klass(self, value: Any) -> None:
        self.update(klass=value)

    @property
    def queue_name(self) -> str:
        """The queue that children are put into."""
        return super().queue_name

    @queue_name.setter
    def queue_name(self, value: str) -> None:
        self.update(queue=value)

    @property
    def interval(self) -> float:
        """Seconds between two children; setting it shifts the next slot by the difference."""
        return super().interval

    @interval.setter
    def interval(self, value: Seconds) -> None:
        self.update(interval=value)

    @property
    def priority(self) -> float:
        """The priority of each child."""
        return super().priority

    @priority.setter
    def priority(self, value: float) -> None:
        self.update(priority=value)

    @property
    def retries(self) -> int:
        """How often each child may be dropped."""
        return super().retries

    @retries.setter
    def retries(self, value: int) -> None:
        self.update(retries=value)

    @property
    def backlog(self) -> int:
        """How many missed intervals are made up for; 0 is all of them."""
        return super().backlog

    @backlog.setter
    def backlog(self, value: int) -> None:
        self.update(backlog=value)

    def update(self, **changes: Unpack[RecurUpdate]) -> None:
        """Change several attributes at once, all or none of them."""
        self._session.run(update_call(self, self._settings, dict(changes)))
        self.refresh()

    def tag(self, *tags: str) -> list[str]:
        """Add tags for future children; give all of them."""
        return self._change({"add_tags": checks.names("tags", tags)}).tags

    def untag(self, *tags: str) -> list[str]:
        """Remove tags from future children; give those left."""
        return self._change({"remove_tags": checks.names("tags", tags)}).tags

    def pause(self) -> None:
        """Make no children until resumed."""
        self._change({"paused": True})

    def resume(self) -> None:
        """Make children again."""
        self._change({"paused": False})

    def run(self) -> str:
        """Put a child now, beside the schedule; give its jid."""
        return self._session.run(protocol.recurring.run(self.jid))

    def cancel(self) -> bool:
        """Make no more children; tells whether it was there."""
        return self._session.run(protocol.recurring.cancel(self.jid))

    def refresh(self) -> "RecurringJob":
        """Read the recurring job again."""
        self._adopt(found(self._session.run(reads.job(self.jid)), self.jid))
        return self

    def _change(self, options: dict[str, Any]) -> "RecurringJob":
        self._session.run(protocol.recurring.update(self.jid, options))
        return self.refresh()


def found(record: Any, jid: str) -> RecurringRecord:
    """Give the record, or refuse that there is none."""
    if not isinstance(record, RecurringRecord):
        raise JobNotFoundError(f"Recurring job {jid} does not exist")
    return record


def update_call(
    job: RecurringAttributes, settings: Settings, changes: dict[str, Any]
) -> Call[None]:
    """Make the call that changes a recurring job."""
    data = b""
    if "data" in changes:
        codec = settings.codec_named(job.codec_name)
        data = codec.encode(changes.pop("data"), job.jid)
    wire = checks.recur_options(changes)
    if not wire and not data:
        raise BadArgumentError("there is nothing to change")
    if data and job.codec_name != "json":
        wire["codec"] = job.codec_name
    return protocol.recurring.update(job.jid, wire, data)


def recur_call(  # noqa: PLR0913, PLR0917 - what makes a recurring job
    settings: Settings,
    queue: str,
    klass: Any,
    data: Any,
    interval: Seconds,
    offset: Seconds,
    options: dict[str, Any],
) -> Call[str]:
    """Make the call that makes or replaces a recurring job."""
    defaults = {
        name: value
        for name, value in checks.defaults(klass, data).items()
        if name in checks.RECUR_DEFAULTS
    }
    given = {name: value for name, value in options.items() if value is not None}
    merged = {**defaults, **given}
    jid = checks.name("jid", merged.pop("jid", None) or puts.new_jid())
    codec = puts.codec_of(settings, merged.pop("codec", None))
    wire = checks.recur_options(merged)
    if codec.name != "json":
        wire["codec"] = codec.name
    return protocol.recurring.recur(
        queue,
        jid,
        checks.klass_name(klass),
        codec.encode(data, jid),
        interval=checks.span("interval", interval, 0.001),
        offset=checks.span("offset", offset),
        options=wire,
    )
