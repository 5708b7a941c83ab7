"""How a worker runs a task of Django."""

from __future__ import annotations

import inspect
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from qless_py.default_client import current_replacement
from qless_py.errors import BadArgumentError, LostLeaseError, ProcessStop
from qless_py.frameworks.django import results, state, task_options
from qless_py.frameworks.django.interface import (
    Status,
    Task,
    TaskContext,
    TaskError,
    normalize_json,
    signals,
)
from qless_py.handlers import exceptions, resolve
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Outcome, Retry, deciding
from qless_py.handlers.result import describe


class TaskHandler(resolve.Adapter):
    """Performs the jobs of one task: sends the signals, calls the function, checks its value."""

    def __init__(self, task: Any) -> None:
        chosen = task_options.of(task.func)
        self.task = task
        self.middleware = list(chosen.middleware)
        self.retry = chosen.run.get("retry")
        self.soft_limit = chosen.run.get("soft_limit")
        self.hard_limit = chosen.run.get("hard_limit")
        # A test runs an `async def` task with `async_to_sync`, because only then does its code see
        # the transaction of the test.
        is_test = current_replacement() is not None
        self.is_async = inspect.iscoroutinefunction(task.func) and not is_test
        self.__module__ = task.func.__module__
        self.__qualname__ = task.func.__qualname__
        self._running: dict[str, Any] = {}

    def perform(self, job: HandledJob) -> Any:
        """Run a job of the task."""
        if self.is_async:
            return self._aperform(job)
        result = self._started(job)
        call = self.task.func
        if inspect.iscoroutinefunction(call):
            call = async_to_sync(call)
        return self._returned(result, call(*_args(self.task, result), **result.kwargs))

    async def _aperform(self, job: HandledJob) -> Any:
        result = await sync_to_async(self._started)(job)
        value = await self.task.func(*_args(self.task, result), **result.kwargs)
        return self._returned(result, value)

    def ended(self, job: HandledJob, error: BaseException | None) -> None:
        """Send the signal `task_finished`, unless the job will run again."""
        result = self._finished(job, error)
        if result is not None:
            try:
                self._send_finished(result)
            finally:
                state.close()

    async def aended(self, job: HandledJob, error: BaseException | None) -> None:
        """Do the same in a thread, which leaves no connection."""
        result = self._finished(job, error)
        if result is not None:
            # Not in the thread that asgiref keeps: it may have been started before the fork.
            async with state.JobState(job):
                await sync_to_async(self._send_finished)(result)

    def _finished(self, job: HandledJob, error: BaseException | None) -> Any:
        """Return the result of a task that has finished, else None."""
        result = self._running.pop(job.lease, None)
        status = None if result is None else _status(job, error)
        if status is None:
            return None
        if error is not None and status == Status.FAILED:
            result.errors.append(_task_error(error))
        results.update(result, status=status, finished_at=timezone.now())
        return result

    def _send_finished(self, result: Any) -> None:
        signals.task_finished.send(sender=self._sender(), task_result=result)

    def _started(self, job: HandledJob) -> Any:
        # A worker gets a job without the middle of its history, which has the earlier runs.
        known = job.session.jobs.get(job.jid) if "spilled" in job.fields else None
        result = results.result_of(known or job, self.task, self.task.backend)
        self._running[job.lease] = result
        signals.task_started.send(sender=self._sender(), task_result=result)
        return result

    def _returned(self, result: Any, value: Any) -> Any:
        try:
            found = normalize_json(value)
        except (TypeError, ValueError) as error:
            raise BadArgumentError(
                f"the value that {self.task.module_path} returned is not JSON: {error}"
            ) from error
        results.update(result, _return_value=found)
        return found

    def _sender(self) -> type:
        return type(self.task.get_backend())


def _args(task: Any, result: Any) -> list[Any]:
    return [TaskContext(task_result=result), *result.args] if task.takes_context else result.args


def _status(job: HandledJob, error: BaseException | None) -> Any:
    """Return how a task has finished, None if it has not."""
    if job.state != "running":  # The task has ended its job itself.
        return {"complete": Status.SUCCESSFUL, "failed": Status.FAILED}.get(job.state)
    if error is None:
        return Status.SUCCESSFUL
    decided = deciding(error)
    if exceptions.is_a(decided, (ProcessStop, LostLeaseError)):
        return None
    if isinstance(decided, Retry) and not decided.has_own_budget and job.retries_left < 1:
        return Status.FAILED
    return None if isinstance(decided, Outcome) else Status.FAILED


def _task_error(error: BaseException) -> Any:
    cause = error.__cause__ if isinstance(error, Outcome) and error.__cause__ else error
    return TaskError(
        exception_class_path=results.class_path(type(cause)),
        traceback=describe(cause),
    )


resolve.adapt(Task, TaskHandler)
