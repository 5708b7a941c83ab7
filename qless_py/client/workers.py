"""The workers that are known, and the jobs they hold."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from qless_py import protocol
from qless_py.client.queue_calls import SMALL_PAGE, page
from qless_py.client.session import Session
from qless_py.protocol import Call, reads
from qless_py.protocol import arguments as checks


class WorkerJobs(TypedDict, total=False):
    """The jids that a worker holds, and those whose lease has lapsed."""

    jobs: list[str]
    stalled: list[str]
    seen_at: float
    info: dict[str, Any]


class WorkerCounts(TypedDict, total=False):
    """How many jobs a worker holds, when it was last seen, and what it says of itself."""

    name: str
    jobs: int
    stalled: int
    seen_at: float
    info: dict[str, Any]


class Workers:
    """`client.workers`: a worker's jobs by its name, and all workers, the last seen first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> WorkerJobs:
        return self.get(name)

    def get(self, name: str, offset: int = 0, count: int = 100) -> WorkerJobs:
        """Give a page of a worker's jobs; an unknown worker has none."""
        return self._session.run(worker_call(name, offset, count))

    @property
    def counts(self) -> list[WorkerCounts]:
        """All workers."""
        found: list[WorkerCounts] = []
        while True:
            total, rows = self._session.run(counts_call(len(found)))
            found += rows
            if not rows or len(found) >= total:
                return found

    def __iter__(self) -> Iterator[str]:
        return iter([row["name"] for row in self.counts])

    def deregister(self, *names: str) -> int:
        """Take workers off the list, for example those of a machine that is gone."""
        return self._session.run(deregister_call(names))

    def quiet(self, *names: str) -> list[str]:
        """Have workers take no more jobs; those they run go on. Give the workers that were told.

        A name is that of a worker, or what its name begins with: the host and the process id of
        the parent tell all its children. None at all tells everybody.
        """
        return self._tell("quiet", names)

    def resume(self, *names: str) -> list[str]:
        """Have workers take jobs again."""
        return self._tell("resume", names)

    def stop(self, *names: str) -> list[str]:
        """Have workers leave when their jobs have ended; nobody takes their place."""
        return self._tell("stop", names)

    def restart(self, *names: str) -> list[str]:
        """Have workers replaced by fresh processes; jobs that run may finish."""
        return self._tell("restart", names)

    def _tell(self, what: str, names: Iterable[str]) -> list[str]:
        told = addressed(self.counts, names)
        for call in command_calls(told, what):
            self._session.run(call)
        return told


def addressed(counts: Iterable[WorkerCounts], names: Iterable[str]) -> list[str]:
    """Give the known workers that these names mean; without any, all of them."""
    known = [row["name"] for row in counts]
    wanted = checks.names("workers", names)
    fits = [name for name in known if any(_means(one, name) for one in wanted)]
    return fits if wanted else known


def _means(given: str, name: str) -> bool:
    return name == given or name.startswith(f"{given}-")


def command_calls(names: list[str], what: str) -> list[Call[int]]:
    """Make the calls that tell workers to do something."""
    step = checks.MOST_AT_ONCE
    return [
        protocol.workers.command(names[start : start + step], what)
        for start in range(0, len(names), step)
    ]


def worker_call(name: str, offset: int, count: int) -> Call[WorkerJobs]:
    """Make the call that reads one worker."""
    call = reads.worker(checks.name("worker", name), *page(offset, count))

    def told(value: Mapping[str, Any]) -> WorkerJobs:
        seen = WorkerJobs(jobs=list(value.get("jobs", ())), stalled=list(value.get("stalled", ())))
        if "seen_at" in value:
            seen["seen_at"] = float(value["seen_at"]) / 1000
            seen["info"] = _info(value.get("info"))
        return seen

    return call.map(told)


def counts_call(offset: int) -> Call[tuple[int, list[WorkerCounts]]]:
    """Make the call that reads a page of the workers; gives also how many there are."""
    call = reads.workers(offset, SMALL_PAGE)
    return call.map(lambda page: (page.total, [_counts(row) for row in page.rows]))


def deregister_call(names: Iterable[str]) -> Call[int]:
    """Make the call that takes workers off the list."""
    return protocol.workers.deregister(checks.names("workers", names))


def _counts(row: Mapping[str, Any]) -> WorkerCounts:
    return WorkerCounts(
        name=str(row["name"]),
        jobs=int(row.get("jobs", 0)),
        stalled=int(row.get("stalled", 0)),
        seen_at=float(row.get("seen_at", 0)) / 1000,
        info=_info(row.get("info")),
    )


def _info(text: Any) -> dict[str, Any]:
    """Read what a worker says of itself; the store does not know the form."""
    try:
        told = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
