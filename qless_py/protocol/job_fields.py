"""What a job says of itself, read from its record without any I/O."""

from collections.abc import Mapping
from typing import Any

from qless_py.errors import UndecodableDataError
from qless_py.handlers.retry import RetryPolicy, Tries
from qless_py.protocol import JobRecord
from qless_py.protocol.call import original
from qless_py.protocol.fields import Stored


class JobAttributes(Stored):
    """A job as it was when it was read; times are seconds since 1970."""

    _record: JobRecord

    @property
    def original_retries(self) -> int:
        """How often the job may be dropped or retried."""
        return int(self._record.fields["retries"])

    @property
    def retries_left(self) -> int:
        """How many of those are left; -1 when they have run out."""
        return int(self._record.fields.get("left", self.original_retries))

    @property
    def worker_name(self) -> str:
        """The worker that holds the job, empty when none does."""
        return str(self._record.fields.get("worker", ""))

    @property
    def lease(self) -> str:
        """The token of this hand-out, which each transition of its holder presents."""
        return str(self._record.fields.get("lease", ""))

    @property
    def expires_at(self) -> float:
        """When the lease ends, 0 when there is none."""
        return self._record.expires_at / 1000

    @property
    def ttl(self) -> float:
        """How many seconds are left of the lease; below 0 when it has lapsed."""
        return self.expires_at - self._settings.clock()

    @property
    def is_tracked(self) -> bool:
        """Whether the job's steps are published."""
        return bool(self._record.fields.get("tracked", False))

    @property
    def tracked(self) -> bool:
        """Whether the job's steps are published."""
        return self.is_tracked

    @property
    def dependencies(self) -> list[str]:
        """The jids that this job still waits for."""
        return list(self._record.dependencies)

    @property
    def parents(self) -> list[str]:
        """All jids that this job was put to wait for, complete or not."""
        return list(self._record.parents)

    @property
    def dependents(self) -> list[str]:
        """The jids that wait for this job, at most 1,000 of them."""
        return list(self._record.dependents)

    @property
    def failure(self) -> dict[str, Any]:
        """The last failure: group, message, when, worker; empty when there is none."""
        failure = dict(self._record.failure)
        if "when" in failure:
            failure["when"] /= 1000
        return failure

    @property
    def history(self) -> list[dict[str, Any]]:
        """What happened to the job and when, the oldest first, with what there is to know."""
        return [
            {**self._details(more), "what": what, "when": when / 1000}
            for what, when, *more in self._record.history()
        ]

    def _details(self, more: list[Any]) -> dict[str, Any]:
        """Give what an entry tells beside; a note of a job's own was written with its codec."""
        details = dict(more[0]) if more and more[0] else {}
        if "data" not in details:
            return details
        try:
            data = self._decode(original(details["data"]))
        except UndecodableDataError:
            return details
        return dict(data) if isinstance(data, Mapping) else {"data": data}

    @property
    def result(self) -> Any:
        """What the job gave when it completed, or `None`."""
        return None if self._record.result is None else self._decode(self._record.result)

    @property
    def progress(self) -> Any:
        """What the job last said of how far it is, or `None`."""
        return None if self._record.progress is None else self._decode(self._record.progress)

    @property
    def crashes(self) -> int:
        """How often a process died while it ran the job."""
        return int(self._record.fields.get("crashes", 0))

    @property
    def stalls(self) -> int:
        """How often the job's lease was lost."""
        return int(self._record.fields.get("stalls", 0))

    @property
    def spawned_from(self) -> str | None:
        """The jid of the recurring job that made this one."""
        return self._text("spawned_from")

    @property
    def batch_name(self) -> str | None:
        """The batch that the job belongs to."""
        return self._text("batch")

    @property
    def unique_key(self) -> str | None:
        """The key that no other live job may have."""
        unique = self._record.fields.get("unique")
        return str(unique["key"]) if unique else None

    @property
    def gate(self) -> str | None:
        """The throttle that a job in state `throttled` is parked on."""
        return self._text("gate")

    @property
    def generation(self) -> int:
        """The number of the job's last put; a job put again has a higher one."""
        return int(self._record.fields.get("generation", 0))

    @property
    def put_at(self) -> float | None:
        """When the job was last put."""
        return self._instant("put_at")

    @property
    def popped_at(self) -> float | None:
        """When the job was last handed out."""
        return self._instant("popped_at")

    @property
    def due_at(self) -> float | None:
        """When a scheduled job may run."""
        return self._instant("due")

    @property
    def failed_at(self) -> float | None:
        """When a failed job failed."""
        return self._instant("failed_at")

    @property
    def completed_at(self) -> float | None:
        """When a complete job completed."""
        return self._instant("completed_at")

    @property
    def soft_limit(self) -> float | None:
        """After how many seconds the handler is told to stop; `None` if the job does not say."""
        return self._instant("soft_limit")

    @property
    def hard_limit(self) -> float | None:
        """After how many seconds the process that runs it is killed; `None` if it does not say."""
        return self._instant("hard_limit")

    @property
    def not_after(self) -> float | None:
        """The instant after which the job is not handed out any more, if it has one."""
        return self._instant("expires")

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """The policy that the job was put with, if any."""
        stored = self._text("retry")
        return None if stored is None else RetryPolicy.of(stored)

    @property
    def tries(self) -> Tries:
        """What policies remember of earlier runs of the job."""
        return Tries.of(self._text("tries"), self.popped_at or 0.0)

    def _instant(self, name: str) -> float | None:
        value = self._record.fields.get(name)
        return None if value is None else float(value) / 1000

    def _text(self, name: str) -> str | None:
        value = self._record.fields.get(name)
        return None if value is None else str(value)

    def _decode(self, data: bytes) -> Any:
        try:
            return super()._decode(data)
        except UndecodableDataError:
            # Data bound to a jid came with the recurring job, and is the same in all children.
            if self.spawned_from is None:
                raise
            return self._settings.codec_named(self.codec_name).decode(data, self.spawned_from)
