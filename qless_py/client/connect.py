"""What the synchronous and the asyncio client share."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from qless_py import protocol
from qless_py.client import queue_calls
from qless_py.errors import BadArgumentError
from qless_py.protocol import Call, reads
from qless_py.protocol import arguments as checks
from qless_py.store.resend import ResendPolicy

R = TypeVar("R")

PATIENCE: Final = 60.0
# The server remembers answers for five minutes, and what it has forgotten must not be sent again.
_MOST_PATIENCE: Final = 120_000


@dataclass(frozen=True, slots=True)
class Part:
    """One of the calls that together do what is too much for one."""

    call: Call[int]
    number: int


def chosen(
    given: R | None, connect: Callable[[], R], url: str | None, connection: Mapping[str, Any]
) -> R:
    """Take the connection that was given, or make one."""
    if url is not None and not isinstance(url, str):
        raise BadArgumentError(f"url {url!r} is not text; a client of redis-py is given as redis=")
    if given is None:
        return connect()
    if url is not None or connection:
        raise BadArgumentError("a client of redis-py comes with its own address: give only that")
    return given


def policy(patience: checks.Seconds) -> ResendPolicy:
    """Read for how many seconds a call is sent again."""
    span = checks.span("patience", patience)
    if span > _MOST_PATIENCE:
        raise BadArgumentError(f"patience {patience!r} is more than {_MOST_PATIENCE // 1000} s")
    return ResendPolicy(limit=span / 1000)


def track(jid: str) -> Call[None]:
    """Make the call that tracks a job."""
    return protocol.jobs.track(checks.name("jid", jid))


def untrack(jid: str) -> Call[bool]:
    """Make the call that stops tracking a job."""
    return protocol.jobs.untrack(checks.name("jid", jid))


def cancel(jids: Iterable[str]) -> Call[list[str]]:
    """Make the call that deletes jobs."""
    return protocol.jobs.cancel(checks.names("jids", jids))


def tags(offset: int, count: int, minimum: int) -> Call[list[tuple[str, int]]]:
    """Make the call that lists tags."""
    least = checks.whole("minimum", minimum, 1, queue_calls.LATEST)
    return reads.tags(*queue_calls.page(offset, count), least)


def unfails(group: str, queue: str, count: int) -> Iterator[Part]:
    """Make the calls that move failures, each as many as one call may."""
    checks.line("group", group)
    checks.name("queue", queue)
    for number in queue_calls.unfail_counts(count):
        yield Part(protocol.jobs.unfail(queue, group, number), number)
