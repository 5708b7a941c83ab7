"""A job as a `TaskResult`."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from qless_py.errors import BadArgumentError
from qless_py.frameworks.django.interface import (
    InvalidTask,
    Status,
    TaskError,
    TaskResult,
    normalize_json,
)

_STATUS: Final = {
    "running": Status.RUNNING,
    "complete": Status.SUCCESSFUL,
    "failed": Status.FAILED,
}
_LINE: Final = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
# What stands for a failure that no exception caused, such as a job that expired.
_NO_EXCEPTION: Final = "qless_py.errors.JobFailedError"
_MOST_URGENT: Final = 100


def data_of(args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the data of a job that calls a task with these arguments."""
    return {"args": normalize_json(args), "kwargs": normalize_json(kwargs)}


def arguments_of(job: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments in the data of a job."""
    data = job.data
    if not isinstance(data, Mapping):
        raise BadArgumentError(f"data of {job} is no map with args and kwargs")
    args, kwargs = data.get("args", []), data.get("kwargs", {})
    if not isinstance(args, list | tuple) or not isinstance(kwargs, Mapping):
        raise BadArgumentError(f"data of {job}: args must be a list, and kwargs a map")
    return list(args), dict(kwargs)


def result_of(job: Any, task: Any, alias: str) -> Any:
    """Return the `TaskResult` of a job of this task, as it was when the job was read."""
    args, kwargs = arguments_of(job)
    popped = [one for one in job.history if one["what"] == "popped"]
    first, last = (popped[at]["when"] if popped else None for at in (0, -1))
    status = _STATUS.get(job.state, Status.READY)
    made = TaskResult(
        task=_as_put(task, job, alias),
        id=job.jid,
        status=status,
        enqueued_at=instant(job.put_at),
        started_at=instant(first),
        last_attempted_at=instant(last),
        finished_at=instant(_finished_at(job)),
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=list(_errors(job)),
        worker_ids=[str(one.get("worker", "")) for one in popped],
    )
    if status == Status.SUCCESSFUL:
        object.__setattr__(made, "_return_value", job.result)
    return made


def new_result(task: Any, jid: str, args: Any, kwargs: Any, alias: str) -> Any:
    """Return the `TaskResult` of a job that is to be put."""
    return TaskResult(
        task=task,
        id=jid,
        status=Status.READY,
        enqueued_at=None,
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def update(result: Any, **values: Any) -> None:
    """Set attributes of a `TaskResult`, which is frozen."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


def instant(seconds: float | None) -> datetime | None:
    """Return an instant as Django represents it: aware, or in its time zone without USE_TZ."""
    if seconds is None:
        return None
    aware = datetime.fromtimestamp(seconds, UTC)
    return aware if settings.USE_TZ else timezone.make_naive(aware)


def class_path(kind: type) -> str:
    """Return the dotted name of a class of exceptions."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _finished_at(job: Any) -> float | None:
    if job.state == "complete":
        return float(job.completed_at)
    return float(job.failed_at) if job.state == "failed" else None


def _as_put(task: Any, job: Any, alias: str) -> Any:
    """Return the task with what the job was put with, as far as Django allows the values."""
    due = instant(job.due_at) if job.state == "scheduled" else None
    priority = max(-_MOST_URGENT, min(_MOST_URGENT, round(job.priority)))
    queue = job.last_queue or task.queue_name
    try:
        return task.using(priority=priority, queue_name=queue, run_after=due, backend=alias)
    except InvalidTask:  # It was moved to a queue that QUEUES does not name.
        return task.using(priority=priority, run_after=due, backend=alias)


def _errors(job: Any) -> Iterator[Any]:
    """Yield what failed, oldest first: the runs that were retried, and the last failure."""
    ends = [one for one in job.history if one["what"] in ("retried", "failed") and "group" in one]
    failure = job.failure
    for one in ends[:-1] if failure else ends:
        text = str(one.get("error", one["group"]))
        yield TaskError(exception_class_path=_path(one["group"], text), traceback=f"{text}\n")
    if failure:
        group, message = str(failure.get("group", "")), str(failure.get("message", ""))
        yield TaskError(exception_class_path=_path(group, message), traceback=message)


def _path(group: str, text: str) -> str:
    """Return the dotted name of the exception that a failure names, by its class alone or in full.

    Python prints the full name at the end of a traceback; the group ends with the class.
    """
    name = group.rpartition(":")[2]
    for found in reversed(_LINE.findall(text)):
        if found.rpartition(".")[2] == name and "." in found:
            return str(found)
    if isinstance(getattr(builtins, name, None), type):
        return f"builtins.{name}"
    return _NO_EXCEPTION
