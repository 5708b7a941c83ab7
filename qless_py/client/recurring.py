"""Recurring jobs, and what may be done with them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Unpack

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.errors import JobNotFoundError
from qless_py.protocol import RecurringRecord, reads
from qless_py.protocol import arguments as checks
from qless_py.protocol import recurring_calls as recur_calls
from qless_py.protocol.arguments import RecurUpdate, Seconds
from qless_py.protocol.recurring_calls import RecurSpec, Synced
from qless_py.protocol.recurring_fields import RecurringAttributes


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
    def interval(self) -> float | None:
        """Seconds between two children; setting it shifts the next slot by the difference."""
        return super().interval

    @interval.setter
    def interval(self, value: Seconds) -> None:
        self.update(interval=value)

    @property
    def cron(self) -> str | None:
        """The cron expression, if there is one; setting it begins anew with its next tick."""
        return super().cron

    @cron.setter
    def cron(self, value: str) -> None:
        self.update(cron=value)

    @property
    def zone(self) -> str | None:
        """The time zone of the cron expression."""
        return super().zone

    @zone.setter
    def zone(self, value: str) -> None:
        self.update(zone=value)

    @property
    def misfire(self) -> str:
        """What becomes of slots noticed too late: `all`, `one` or `skip`."""
        return super().misfire

    @misfire.setter
    def misfire(self, value: str) -> None:
        self.update(misfire=value)

    @property
    def start(self) -> float | None:
        """The instant before which there is no child."""
        return super().start

    @start.setter
    def start(self, value: float | datetime | None) -> None:
        self.update(start=value)

    @property
    def end(self) -> float | None:
        """The instant after which there is no child."""
        return super().end

    @end.setter
    def end(self, value: float | datetime | None) -> None:
        self.update(end=value)

    @property
    def limit(self) -> int | None:
        """How many children there may be by the schedule."""
        return super().limit

    @limit.setter
    def limit(self, value: int | None) -> None:
        self.update(limit=value)

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
        self._session.run(recur_calls.update_call(self, self._settings, dict(changes)))
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
        """Make children again, from the first slot that is still to come."""
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


class RecurringJobs:
    """`client.recurring`: recurring jobs by their jids, and all those of a deployment at once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, jid: str) -> RecurringJob | None:
        """Read a recurring job; `None` if there is none."""
        record = self._session.run(reads.job(checks.name("jid", jid)))
        return RecurringJob(self._session, record) if isinstance(record, RecurringRecord) else None

    # Without this, __getitem__ would make this look like a sequence to iterate.
    __iter__ = None

    def sync(self, declared: Mapping[str, RecurSpec], *, group: str) -> Synced:
        """Bring the recurring jobs of a group in line with what a deployment declares.

        `declared` maps the jid of each to its `queue`, `klass`, `data` and what else `Queue.recur`
        takes. One whose schedule is the same goes on with its slots and stays paused; one of the
        group that is not declared any more is ended. Others are never touched: a jid that belongs
        to another group is refused with `AlreadyExistsError`. All is checked before anything is
        sent; after a refusal by the server nothing is ended, and the call can be made again.
        """
        calls, prune = recur_calls.sync_calls(self._session.settings, declared, group)
        jids = [recur_calls.taken(one) for one in self._session.run_many(calls)] if calls else []
        removed: list[str] = []
        more = True
        while more:
            reply = self._session.run(prune)
            removed, more = removed + reply.removed, reply.more
        return Synced(jids, removed)
