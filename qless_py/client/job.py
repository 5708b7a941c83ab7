# Generated from qless_py/aio/job.py by bin/generate-sync: edit that file.
"""A job, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, Unpack

from qless_py.client.base import JobBase
from qless_py.protocol import batches, jobs, puts
from qless_py.protocol.options import ParentPolicy, PutOptions, Seconds

if TYPE_CHECKING:
    from qless_py.client.batch import BatchOptions, JobBatch
    from qless_py.client.explain import Explanation


class Job(JobBase):
    """A job as it was when it was read; `refresh` reads it again.

    The holder's methods (heartbeat, complete, fail, retry, release, snooze, back_off, log and
    set_progress) present the lease of this hand-out. Without the lease they raise
    `LostLeaseError` and change nothing. Data that was changed, by `job["key"] = value` or in place,
    is stored by heartbeat, complete, fail and move.
    """

    @classmethod
    def build(cls, client: Any, klass: Any, data: Any = None, **fields: Any) -> Self:
        """Return a job for tests that is in no store, with attributes given by name.

        The names are those of the attributes (`jid`, `queue_name`, `priority`, `tags`, `state`,
        `original_retries`, `retries_left`, `worker_name`, `expires_at`, …).
        """
        return cls(client, puts.build(client.settings, klass, data, fields))

    def refresh(self) -> Self:
        """Read the job again; changes that were not stored are lost.

        Raises `JobNotFoundError` if it does not exist any more.
        """
        record = self._session.runner.run(jobs.read(self.jid))
        self._adopt(jobs.existing(record, self.jid))
        return self

    def explain(self) -> Explanation:
        """Return why the job is not running now, as data and, by `str()`, in words."""
        from qless_py.client import explain  # noqa: PLC0415 - imported when used, as parts are

        return self._session.runner.run(explain.read(self.jid))

    def heartbeat(self, data: Any = None) -> float:
        """Renew the lease, and store the data; returns when the lease ends now (Unix seconds)."""
        return self._session.runner.run(jobs.heartbeat(self, data))

    def complete(
        self,
        next_queue: str | None = None,
        *,
        delay: Seconds | None = None,
        depends: Iterable[str] | None = None,
        on_parent_failed: ParentPolicy | None = None,
        result: Any = None,
    ) -> str:
        """Complete the job, or advance it to the next queue; returns its state.

        The jobs that this job has `put` are put in the same atomic step, all or nothing.
        """
        call = jobs.complete(self, next_queue, delay, depends, on_parent_failed, result)
        return self._session.runner.run(call)

    def fail(self, group: str, message: str, data: Any = None) -> str:
        """Fail the job in a failure group (up to 255 bytes); returns its jid.

        Messages are cut at 65,536 bytes.
        """
        return self._session.runner.run(jobs.fail(self, group, message, data))

    def retry(
        self, delay: Seconds = 0, group: str | None = None, message: str | None = None
    ) -> int:
        """Return the job to its queue at the cost of a retry.

        Returns the retries left, -1 if none was left and the job has failed.
        """
        return self._session.runner.run(jobs.retry(self, delay, group, message))

    def release(self) -> str:
        """Return the job to its queue at no cost, as if it had not been popped.

        Returns its state.
        """
        return self._session.runner.run(jobs.release(self))

    def snooze(self, delay: Seconds) -> float:
        """Return the job to its queue for later at no cost; returns when it is due."""
        return self._session.runner.run(jobs.snooze(self, delay))

    def back_off(self, seconds: Seconds, throttle: str | None = None) -> list[str]:
        """Return the job to its queue at no cost, and block its throttles for `seconds`.

        For a service that asks for a pause: `job.back_off(retry_after(header))`. Blocks the
        throttle named (one of the job's own, or that of its queue or user), else all that the job
        was put with, else that of its queue; returns those. The job keeps its place.
        """
        return self._session.runner.run(jobs.back_off(self, seconds, throttle))

    def timeout(self) -> None:
        """Take the lease away from its holder; the job runs next, ahead of all others."""
        return self._session.runner.run(jobs.timeout(self))

    def force_finish(self, result: Any = None) -> str:
        """Complete the job in whatever state; its worker loses it."""
        return self._session.runner.run(jobs.force_finish(self, result))

    def move(self, queue: str, **options: Unpack[PutOptions]) -> str:
        """Put the job into another queue; options not given stay. Its worker loses it."""
        return self.requeue(queue, **options)

    def requeue(
        self,
        queue: str | None = None,
        *,
        klass: Any = None,
        data: Any = None,
        **options: Unpack[PutOptions],
    ) -> str:
        """Put the job again, by default into its own or its last queue, with all its retries."""
        target = queue or self.last_queue
        return self._session.runner.run(puts.requeue(self, target, klass, data, options))

    def cancel(self, *, by: str = "", reason: str = "") -> bool:
        """Delete the job; returns whether it existed.

        `client.canceled` keeps it for a while, with who canceled it and why.
        Raises `DependencyError` if other jobs depend on it.
        """
        deleted = self._session.runner.run(jobs.cancel([self.jid], by, reason))
        return bool(deleted)

    def edit(
        self, data: Any = None, *, priority: float | None = None, tags: Iterable[str] | None = None
    ) -> None:
        """Change data, priority and tags in one step; what is left out stays, `tags` replace all.

        Data can be changed before the job runs, or after it has failed, else `WrongStateError` is
        raised; and `DataChangedError` if it was changed since this job was read.
        """
        return self._session.runner.run(jobs.edit(self, data, priority, tags))

    def tag(self, *tags: str) -> list[str]:
        """Add tags; returns all tags of the job."""
        call = jobs.tag(self.jid, tags)
        return self._session.runner.run(self.updated_by(call, self._set_tags))

    def untag(self, *tags: str) -> list[str]:
        """Remove tags; returns those left."""
        call = jobs.untag(self.jid, tags)
        return self._session.runner.run(self.updated_by(call, self._set_tags))

    def _set_tags(self, tags: list[str]) -> None:
        self.fields["tags"] = tags

    def track(self) -> None:
        """Publish the job's events, and list it among the tracked jobs."""
        call = jobs.track(self.jid)
        return self._session.runner.run(
            self.updated_by(call, lambda _: self.fields.update(tracked=True))
        )

    def untrack(self) -> bool:
        """Stop tracking; returns whether the job was tracked."""
        call = jobs.untrack(self.jid)
        return self._session.runner.run(
            self.updated_by(call, lambda _: self.fields.update(tracked=False))
        )

    def depend(self, *jids: str, on_parent_failed: ParentPolicy | None = None) -> int:
        """Wait for up to 100 further jobs; returns how many of all are incomplete.

        Raises `WrongStateError` unless the job is in state `depends`.
        """
        return self._session.runner.run(jobs.depend(self.jid, jids, on_parent_failed))

    def undepend(self, *jids: str, all: bool = False) -> int:  # noqa: A002 - as in qless-py
        """Wait for these jobs no longer, or for none; returns how many are incomplete."""
        return self._session.runner.run(jobs.undepend(self.jid, jids, every=all))

    def log(self, what: str, data: Mapping[str, Any] | None = None) -> None:
        """Add an entry to the job's history."""
        return self._session.runner.run(jobs.log(self, what, data))

    def set_progress(self, value: Any) -> None:
        """Store the job's progress, any value the codec can write; readers of the job see it."""
        return self._session.runner.run(jobs.set_progress(self, value))

    def put(self, queue: str, klass: Any, data: Any = None, **options: Unpack[PutOptions]) -> str:
        """Put a follow-up job when this one completes; returns the jid that it will have.

        If this job fails, is retried or is lost instead, the follow-up is dropped. A second run of
        this job derives the same jid. At most 100; more go into an open batch. A follow-up whose
        jid exists is dropped, or refuses the completion with `on_conflict="raise"`, so this job
        fails; one with the jid of this job (`jid=job.jid`) puts this job again. Raises
        `WrongStateError` once this job is not running any more.
        """
        return puts.follow_up(self, queue, klass, data, options)

    def batch(self, name: str | None = None, **options: Unpack[BatchOptions]) -> JobBatch:
        """Open a batch for any number of jobs, which are put at once, not with completion.

        It is closed at the latest when this job completes. A second run of the job opens the same
        batch again, unless it is given another name.
        """
        name = batches.name_for(self, name)
        call = batches.open_batch(self.settings, name, options, self)
        from qless_py.client.batch import JobBatch  # noqa: PLC0415 - imported when used

        return JobBatch(self._session, self._session.runner.run(call), self)

    def own_batch(self) -> JobBatch:
        """Return the batch that this job is in, to put more jobs into it, even when it is closed.

        A second run of the job puts nothing twice. Raises `BatchNotFoundError` if it is in none.
        """
        from qless_py.client.batch import JobBatch  # noqa: PLC0415 - imported when used

        return JobBatch(self._session, batches.name_of(self), self)

    def parent_results(self) -> dict[str, Any]:
        """Return the results of the jobs that this one depends on, by jid; `None` for no result.

        They stay readable until this job has ended, even if the parents have been deleted.
        """
        pages = jobs.in_hundreds(self.parents)
        found = [self._session.runner.run(jobs.results(page)) for page in pages]
        return jobs.parent_results(self, found)

    def wait(self, timeout: Seconds | None = None) -> Any:
        """Wait until the job has ended and return its result.

        Raises `JobFailedError`, `JobCanceledError`, or `WaitTimeoutError` after `timeout` seconds.
        """
        from qless_py.client import wait  # noqa: PLC0415 - imported when used

        return wait.wait(self._session, self.jid, timeout)
