"""Fill a namespace: a common job, a test clock, and puts and pops of many jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from qless_py.protocol import Call, puts, queues
from qless_py.store.runner import Runner

NAMESPACE: Final = "ql"
KLASS: Final = "app.jobs.SendMail"
DATA: Final = (
    b'{"to":"ada@example.com","template":"welcome","n":1234567,"tags":["a","b"],"text":"......"}'
    + (b" " * 13)
)
TRACEBACK: Final = "Traceback (most recent call last):\n" + "  one line of many\n" * 20
PAGE: Final = 100  # Jobs in a call that handles many.
_PIPELINE: Final = 10  # Calls in a pipeline.

Lease = tuple[str, str]
"""A jid and its fencing token."""

T = TypeVar("T")


@dataclass(slots=True)
class Clock:
    """A test clock that advances by `step` seconds whenever it is read."""

    now: float = 1_700_000_000.0
    step: float = 0.001

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def batched(items: Iterable[T], size: int = PAGE) -> Iterator[list[T]]:
    """Yield the items in lists of `size`; the last one may be shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def send(runner: Runner, calls: Sequence[Call[Any]]) -> list[Any]:
    """Send calls in one pipeline and return their results; raise the first error."""
    results = runner.run_many(calls)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def put_jobs(
    runner: Runner, queue: str, specs: Iterable[Mapping[str, Any]], data: bytes = DATA
) -> None:
    """Put jobs that share their data; a spec without a klass gets `KLASS`."""
    calls = (
        puts.put_many_encoded(
            queue, [{"klass": KLASS, **spec} for spec in page], [data] * len(page)
        )
        for page in batched(specs)
    )
    for some in batched(calls, _PIPELINE):
        send(runner, some)


def pop_page(
    runner: Runner,
    names: Sequence[str],
    worker: str = "holder",
    count: int = PAGE,
    nonce: str | None = None,
) -> list[Lease]:
    """Pop up to `count` jobs in one call."""
    popped = runner.run(queues.pop_records(list(names), worker, count, nonce)).jobs
    return [(job.jid, job.fields["lease"]) for job in popped]


def pop_jobs(
    runner: Runner,
    queue: str,
    count: int,
    worker: str = "holder",
    nonce: str | None = None,
) -> list[Lease]:
    """Pop exactly `count` jobs, which must be available."""
    found: list[Lease] = []
    while len(found) < count:
        found += pop_page(runner, [queue], worker, min(PAGE, count - len(found)), nonce)
    return found
