"""Claims about what was put."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from qless_py.client.job import Job
from qless_py.client.jobs import Jobs
from qless_py.client.queue import Queue
from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments as options

_ANY: Final = object()
_STATES: Final = ("waiting", "scheduled", "depends", "throttled")
_PAGE: Final = 100
_MOST_SHOWN: Final = 20


def assert_put(
    queue: Queue,
    klass: Any = None,
    data: Any = _ANY,
    *,
    count: int | None = None,
    where: Callable[[Job], object] | None = None,
    **attributes: Any,
) -> list[Job]:
    """Claim that a job was put and has not been taken yet; give all that fit.

    It has this klass, exactly this data, these attributes (`priority=5`, `tags=["a"]`,
    `state="scheduled"`) and fits `where`; what is not said does not matter. `count` is how many
    there are to be, else it is one or more.
    """
    there = list(_put(of_client(queue)))
    fitting = [job for job in there if _fits(job, klass, data, where, attributes)]
    if len(fitting) == count or (count is None and fitting):
        return fitting
    shown = "\n".join(f"  {_described(job)}" for job in there[:_MOST_SHOWN]) or "  nothing"
    wanted = "one or more" if count is None else count
    raise AssertionError(
        f"{len(fitting)} fitting jobs in queue {queue.name}, not {wanted}; "
        f"of {len(there)} there are:\n{shown}"
    )


def assert_not_put(queue: Queue, klass: Any = None, data: Any = _ANY, **more: Any) -> None:
    """Claim that no such job was put, or that it has been taken."""
    assert_put(queue, klass, data, count=0, **more)


def of_client(queue: Any) -> Queue:
    """Check that a queue is one of `qless_py.Client`, not of its twin for asyncio."""
    if not isinstance(queue, Queue):
        kind = f"{type(queue).__module__}.{type(queue).__qualname__}"
        raise BadArgumentError(f"queue is one of a qless_py.Client of the namespace, not a {kind}")
    return queue


def _put(queue: Queue) -> Iterator[Job]:
    for state in _STATES:
        offset = 0
        while True:
            jids = getattr(queue.jobs, state)(offset, _PAGE)
            yield from (job for job in Jobs(queue.reach).get(jids) if isinstance(job, Job))
            if len(jids) < _PAGE:
                break
            offset += _PAGE


def _fits(
    job: Job,
    klass: Any,
    data: Any,
    where: Callable[[Job], object] | None,
    attributes: dict[str, Any],
) -> bool:
    return (
        (klass is None or job.klass_name == options.klass_name(klass))
        and (data is _ANY or job.data == data)
        and all(getattr(job, name) == value for name, value in attributes.items())
        and (where is None or bool(where(job)))
    )


def _described(job: Job) -> str:
    return f"{job.klass_name} {job.raw!r} {job.state} priority={job.priority:g} tags={job.tags}"
