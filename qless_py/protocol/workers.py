"""Transitions and queries of workers: registration, heartbeats, deaths and commands."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict, cast

from qless_py.protocol import arguments
from qless_py.protocol.call import (
    Call,
    boolean,
    done,
    integer,
    mapping,
    original,
    pack,
    text,
    unpack,
)
from qless_py.protocol.jobs import SMALL_PAGE, page
from qless_py.protocol.queues import Page, rows_page

_MAX_TEXT: Final = 65536


@dataclass(frozen=True, slots=True)
class DeathReply:
    """What happened to a dead worker's jobs; with `more` the death must be reported again."""

    charged: list[str]
    returned: list[str]
    failed: list[str]
    more: bool


class WorkerReport(TypedDict, total=False):
    """The last command that a worker was sent, and what it reported of it (Unix seconds).

    `asked` and `asked_at` are the command; `done`, `done_at` and `text` are missing until the
    worker has carried it out.
    """

    asked: str
    asked_at: float
    done: str
    done_at: float
    text: str


class WorkerJobs(TypedDict, total=False):
    """The jids a worker holds, those whose lease has lapsed, its registration and last command."""

    jobs: list[str]
    stalled: list[str]
    seen_at: float
    info: dict[str, Any]
    report: WorkerReport


class WorkerCounts(TypedDict, total=False):
    """How many jobs a worker holds, when it was last seen (Unix seconds), and its registration."""

    name: str
    jobs: int
    stalled: int
    seen_at: float
    info: dict[str, Any]


def register(worker: str, nonce: str, info: bytes) -> Call[None]:
    """Register a worker with a JSON description of itself."""
    return Call("worker_register", (worker, nonce, info), done)


def beat(worker: str, info: bytes = b"") -> Call[str]:
    """Report that a worker is alive; returns the command waiting for it, or ""."""
    return Call("worker_beat", (worker, info), text)


def deregister(workers: Iterable[str]) -> Call[int]:
    """Remove workers from the list; returns how many were on it."""
    return Call("worker_deregister", (pack(arguments.names("workers", workers)),), integer)


def died(worker: str, nonce: str, started: Sequence[str], cause: str) -> Call[DeathReply]:
    """Report a dead process: jobs it had started are charged a crash, its others are returned."""
    # The script wants at least one jid. A nonce is no jid, so naming it charges no job.
    first, *more = started or [nonce]
    return Call("worker_died", (worker, nonce, first, cause, *more), _death_reply)


def job_died(jid: str, lease: str, cause: str) -> Call[str]:
    """Report that the process of one job died: the job is charged a crash; returns its state."""
    return Call("job_died", (jid, lease, cause), text)


def command(workers: Sequence[str], what: str) -> Call[int]:
    """Send quiet, resume, stop, restart or dump to workers; returns how many are known."""
    return Call("worker_command", (pack(list(workers)), what), integer)


def report(worker: str, command: str, text: str = "") -> Call[bool]:
    """Report that a worker has carried out a command; returns whether it is known."""
    shown = arguments.text("text", text, _MAX_TEXT)
    return Call("worker_report", (worker, command, shown), boolean)


def commands(workers: Sequence[str], what: str) -> list[Call[int]]:
    """Return the calls that send a command to any number of workers."""
    step = arguments.MAX_PER_CALL
    return [command(workers[start : start + step], what) for start in range(0, len(workers), step)]


def addressed(counts: Iterable[WorkerCounts], names: Iterable[str]) -> list[str]:
    """Return the known workers that names or prefixes of names match; without names, all."""
    known = [row["name"] for row in counts]
    wanted = arguments.names("workers", names)
    matches = [
        name for name in known if any(name == one or name.startswith(f"{one}-") for one in wanted)
    ]
    return matches if wanted else known


def _death_reply(reply: bytes | None) -> DeathReply:
    value: dict[str, Any] = dict(unpack(reply) or {})

    def jids(name: str) -> list[str]:
        return [str(jid) for jid in value.get(name) or ()]

    return DeathReply(jids("charged"), jids("returned"), jids("failed"), bool(value.get("more")))


def read(name: str, offset: int = 0, count: int = 100, text: int = _MAX_TEXT) -> Call[WorkerJobs]:
    """Read a page of the jids that a worker holds, its registration and its last report.

    At most `text` bytes of the report's text are read.
    """
    wanted = (arguments.name("worker", name), *page(offset, count), text)
    call = Call("read/worker", wanted, mapping)

    def decode(value: Mapping[str, Any]) -> WorkerJobs:
        seen = WorkerJobs(jobs=list(value.get("jobs", ())), stalled=list(value.get("stalled", ())))
        if "seen_at" in value:
            seen["seen_at"] = float(value["seen_at"]) / 1000
            seen["info"] = _info(value.get("info"))
        if value.get("report"):
            seen["report"] = _report(value["report"])
        return seen

    return call.map(decode)


def counts(offset: int = 0, count: int = SMALL_PAGE) -> Call[tuple[int, list[WorkerCounts]]]:
    """Read a page of the workers, last seen first, with their numbers of jobs, and their total."""
    return read_all(offset, count).map(
        lambda page: (page.total, [_counts(row) for row in page.rows])
    )


def read_all(offset: int = 0, count: int = 100) -> Call[Page]:
    """Read a page of the workers as the store has them, times in ms."""
    return Call("read/workers", (offset, count), lambda reply: rows_page(reply, "workers"))


def _counts(row: Mapping[str, Any]) -> WorkerCounts:
    return WorkerCounts(
        name=str(row["name"]),
        jobs=int(row.get("jobs", 0)),
        stalled=int(row.get("stalled", 0)),
        seen_at=float(row.get("seen_at", 0)) / 1000,
        info=_info(row.get("info")),
    )


def _report(flat: Sequence[Any]) -> WorkerReport:
    fields = dict(zip(flat[::2], flat[1::2], strict=False))
    found: dict[str, Any] = {
        name: original(str(fields[name])).decode(errors="replace")
        for name in ("asked", "done", "text")
        if name in fields
    }
    found |= {
        name: int(fields[name]) / 1000
        for name in ("asked_at", "done_at")
        if str(fields.get(name, "")).isdecimal()
    }
    return cast("WorkerReport", found)


def _info(registration: Any) -> dict[str, Any]:
    """Decode a worker's description of itself; the store does not check its form."""
    try:
        info = json.loads(registration)
    except (TypeError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}
