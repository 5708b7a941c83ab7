"""Assertions on the jobs that were put."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.queue import Queue
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments

_ANY: Final = object()
_UNPOPPED: Final = ("waiting", "scheduled", "depends", "throttled")
_PAGE: Final = 100
_MAX_SHOWN: Final = 20


def assert_put(
    queue: Queue,
    klass: Any = None,
    data: Any = _ANY,
    *,
    count: int | None = None,
    where: Callable[[Job], object] | None = None,
    **attributes: Any,
) -> list[Job]:
    """Assert that the queue holds matching jobs that were not popped yet, and return them.

    A job matches by klass, exactly this data, attributes (`priority=5`, `tags=["a"]`,
    `state="scheduled"`) and the predicate `where`, as far as they are given. `count` is the
    expected number, by default one or more. On failure the message lists the jobs in the queue.
    """
    jobs = list(_jobs(check_queue(queue)))
    matching = [job for job in jobs if _matches(job, klass, data, where, attributes)]
    if len(matching) == count or (count is None and matching):
        return matching
    listed = "\n".join(f"  {_describe(job)}" for job in jobs[:_MAX_SHOWN]) or "  (no jobs)"
    expected = "at least 1" if count is None else count
    raise AssertionError(
        f"matching jobs in queue {queue.name}: {len(matching)}, expected {expected}; "
        f"jobs in the queue: {len(jobs)}\n{listed}"
    )


def assert_not_put(queue: Queue, klass: Any = None, data: Any = _ANY, **more: Any) -> None:
    """Assert that the queue holds no matching job that was not popped yet."""
    assert_put(queue, klass, data, count=0, **more)


def check_queue(queue: Any) -> Queue:
    """Return the queue; raise unless it is one of `qless_py.Client`, not of the asyncio client."""
    if not isinstance(queue, Queue):
        kind = f"{type(queue).__module__}.{type(queue).__qualname__}"
        raise BadArgumentError(
            f"queue is a {kind}; use a queue of a qless_py.Client of the same namespace"
        )
    return queue


def _jobs(queue: Queue) -> Iterator[Job]:
    for state in _UNPOPPED:
        offset = 0
        while True:
            jids = getattr(queue.jobs, state)(offset, _PAGE)
            yield from (job for job in Jobs(queue.session).get(jids) if isinstance(job, Job))
            if len(jids) < _PAGE:
                break
            offset += _PAGE


def _matches(
    job: Job,
    klass: Any,
    data: Any,
    where: Callable[[Job], object] | None,
    attributes: dict[str, Any],
) -> bool:
    return (
        (klass is None or job.klass_name == arguments.klass_name(klass))
        and (data is _ANY or job.data == data)
        and all(getattr(job, name) == value for name, value in attributes.items())
        and (where is None or bool(where(job)))
    )


def _describe(job: Job) -> str:
    return f"{job.klass_name} {job.raw!r} {job.state} priority={job.priority:g} tags={job.tags}"
