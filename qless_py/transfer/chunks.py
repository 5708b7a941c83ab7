"""Jobs in chunks that one call may restore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from qless_py import protocol
from qless_py.client.session import Session
from qless_py.errors import (
    AlreadyExistsError,
    BadArgumentError,
    BatchClosedError,
    BatchNotFoundError,
    DependencyError,
    QlessError,
)
from qless_py.protocol import arguments
from qless_py.protocol.puts import PutReply
from qless_py.transfer.shapes import MAX_EDGES, Restorable

_MAX_PACKED: Final = 900_000  # Bytes of the fields of all jobs; the script takes a little more.
_MAX_DATA: Final = 4_000_000
_MAX_ARGUMENTS: Final = 150
# What is wrong with a job; other errors are not about the jobs of the call.
_REFUSALS: Final = (
    AlreadyExistsError, BadArgumentError, BatchClosedError, BatchNotFoundError, DependencyError,
)  # fmt: skip


@dataclass(slots=True)
class Chunk:
    """Up to 100 jobs with the numbers of their lines."""

    numbers: list[int] = field(default_factory=list)
    jobs: list[Restorable] = field(default_factory=list)

    def halves(self) -> Iterator[Chunk]:
        """Yield the first and the second half."""
        middle = len(self.jobs) // 2
        yield Chunk(self.numbers[:middle], self.jobs[:middle])
        yield Chunk(self.numbers[middle:], self.jobs[middle:])


class Chunks:
    """Collects jobs until a call is full."""

    def __init__(self) -> None:
        self._chunk = Chunk()
        self._clear()

    def _clear(self) -> None:
        self._jids: set[str] = set()
        self._packed = self._data = self._arguments = self._edges = 0

    def add(self, number: int, job: Restorable) -> Chunk:
        """Add a job; return the chunk before it if that is full, else an empty one."""
        packed = len(msgpack.packb(job.spec, use_bin_type=False))
        data = len(job.data) + len(job.result or b"")
        wanted = 1 + (job.result is not None)
        is_full = (
            len(self._chunk.jobs) == arguments.MAX_PER_CALL
            or job.jid in self._jids
            or self._packed + packed > _MAX_PACKED
            or self._data + data > _MAX_DATA
            or self._arguments + wanted > _MAX_ARGUMENTS
            or self._edges + job.edges > MAX_EDGES
        )
        full = self.rest() if is_full else Chunk()
        self._chunk.numbers.append(number)
        self._chunk.jobs.append(job)
        self._jids.add(job.jid)
        self._packed += packed
        self._data += data
        self._arguments += wanted
        self._edges += job.edges
        return full

    def rest(self) -> Chunk:
        """Return the jobs that were added since the last full chunk."""
        full, self._chunk = self._chunk, Chunk()
        self._clear()
        return full


def restore(
    session: Session, chunk: Chunk, remember: int
) -> Iterator[tuple[Chunk, list[PutReply] | QlessError]]:
    """Restore a chunk; if the store refuses it, split it until only the jobs at fault are left.

    Yields the parts with the replies, or with the error of a single job.
    """
    specs: list[dict[str, Any]] = []
    results: list[bytes] = []
    for job in chunk.jobs:
        spec = dict(job.spec)
        if job.result is not None:
            results.append(job.result)
            spec["result"] = len(chunk.jobs) + len(results)
        specs.append(spec)
    data = [*(job.data for job in chunk.jobs), *results]
    try:
        replies = session.runner.run(protocol.transfers.restore(remember, specs, data))
    except _REFUSALS as error:
        if len(chunk.jobs) == 1:
            yield chunk, error
            return
        for half in chunk.halves():
            yield from restore(session, half, remember)
    else:
        yield chunk, replies
