"""Canceled jobs that are kept for a while: list, read, restore, delete; undo bulk actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from qless_py.errors import BadArgumentError, QlessError, error_from_reply
from qless_py.protocol import arguments, cursors, records
from qless_py.protocol.call import Call, integer, pack, texts, unpack, unpack_raw
from qless_py.protocol.cursors import Mark
from qless_py.protocol.job_state import Field, JobState
from qless_py.protocol.jobs import MAX_REASON
from qless_py.protocol.settings import Settings
from qless_py.protocol.throttles import behind

FILTERS: Final = ("jid", "queue", "klass", "tag", "user", "by", "reason")
SLICE: Final = 100


def _details(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class CanceledJob(JobState):
    """A canceled job as it was: `state` and `queue_name` are those it had when it was canceled.

    `canceled_by` and `cancel_reason` are empty if nobody gave them; `canceled_at` is in Unix
    seconds.
    """

    _canceled = Field("canceled", _details, None, "How the job was canceled.")
    awaits = Field[list[str]]("waits", list, (), "The parents that it still waited for.")

    @property
    def priority(self) -> float:
        """The priority."""
        return float(self.fields.get("priority", 0))

    @property
    def data(self) -> Any:
        """The data, decoded; raises `UndecodableDataError`."""
        return self._value()

    @property
    def canceled_at(self) -> float:
        """When the job was canceled, in Unix seconds."""
        return float(self._canceled.get("at", 0)) / 1000

    @property
    def canceled_by(self) -> str:
        """Who canceled the job."""
        return str(self._canceled.get("by") or "")

    @property
    def cancel_reason(self) -> str:
        """Why the job was canceled."""
        return str(self._canceled.get("reason") or "")

    @property
    def canceled_with(self) -> str | None:
        """The parent because of which the job was canceled, if any."""
        parent = self._canceled.get("parent")
        return None if parent is None else str(parent)


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of canceled jobs: those that were restored, and why others were not."""

    jids: list[str]
    refused: dict[str, QlessError] = field(default_factory=dict)


class Slice(NamedTuple):
    """The canceled jobs that match among some that were looked at, newest first."""

    jobs: list[CanceledJob]
    total: int
    looked_at: int
    after: Mark | None


@dataclass(frozen=True, slots=True)
class CanceledPage:
    """Canceled jobs that match, newest first.

    `total` is how many are kept, `looked_at` how many of them this page examined. `cursor`
    continues the list; `None` at its end.
    """

    jobs: list[CanceledJob]
    total: int
    looked_at: int
    cursor: str | None


class Undone(NamedTuple):
    """What became of some changes that were undone, and how many are left."""

    done: list[str]
    refused: dict[str, QlessError]
    left: int


def filters(given: Mapping[str, str | None]) -> dict[str, str]:
    """Check filters, patterns in which `*` matches any characters; those of `None` are dropped."""
    checked = {name: value for name, value in given.items() if value is not None}
    for name, value in checked.items():
        arguments.choice("filter", name, FILTERS)
        if not isinstance(value, str):
            raise BadArgumentError(f"{name} {value!r} is not text")
        arguments.text(name, value, MAX_REASON)
    return checked


def read_slice(
    settings: Settings, after: Mark | None, count: int, chosen: Mapping[str, str]
) -> Call[Slice]:
    """Look at the next `count` canceled jobs, up to 250."""

    def decode(reply: bytes | None) -> Slice:
        value = unpack_raw(reply)
        rest = value.get(b"after")
        found = [CanceledJob(settings, records.job(one)) for one in value[b"jobs"]]
        mark = (rest[0], rest[1]) if rest else None
        return Slice(found, int(value[b"total"]), int(value[b"looked_at"]), mark)

    return Call("read/canceled", (behind(after), count, pack(chosen)), decode)


def mark_of(job: CanceledJob) -> Mark:
    """Return where a list continues behind a job."""
    at = int(job.fields["canceled"]["at"])
    return str(at).encode(), job.jid.encode()


def read(settings: Settings, jid: str) -> Call[CanceledJob | None]:
    """Read everything that is kept of a canceled job."""

    def decode(reply: bytes | None) -> CanceledJob | None:
        value = unpack_raw(reply)
        return CanceledJob(settings, records.job(value)) if value else None

    return Call("read/canceled_job", (arguments.name("jid", jid),), decode)


def restore(jids: Sequence[str]) -> Call[list[QlessError | None]]:
    """Restore up to 100 canceled jobs; each has its refusal, or `None`."""
    names = arguments.names("jids", jids)
    return Call("canceled_restore", (pack(names),), texts).map(_errors)


def delete(jids: Sequence[str]) -> Call[int]:
    """Delete the copies of up to 100 canceled jobs; returns how many there were."""
    return Call("canceled_delete", (pack(arguments.names("jids", jids)),), integer)


def undo(name: str, count: int = SLICE) -> Call[Undone]:
    """Undo up to 100 changes of a bulk action, the latest first."""

    def decode(reply: bytes | None) -> Undone:
        value = unpack(reply)
        found = {str(jid): _error(answer) for jid, answer in value["jobs"]}
        done = [jid for jid, error in found.items() if error is None]
        refused = {jid: error for jid, error in found.items() if error is not None}
        return Undone(done, refused, int(value["left"]))

    return Call("undo", (arguments.name("id", name), count), decode)


def undoable(name: str) -> Call[int]:
    """Return how many changes of a bulk action can be undone."""
    return Call("read/undo", (arguments.name("id", name),), integer)


def next_cursor(mark: Mark | None) -> str | None:
    """Write where the next page begins."""
    return cursors.page_cursor(mark)


def _error(answer: str) -> QlessError | None:
    if answer == "done":
        return None
    return error_from_reply(answer)


def _errors(answers: list[str]) -> list[QlessError | None]:
    return [_error(answer) for answer in answers]
