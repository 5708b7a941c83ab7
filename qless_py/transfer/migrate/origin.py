"""What the three origins of a migration share: the jobs found there, and why one is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from qless_py.errors import BadArgumentError
from qless_py.protocol import arguments
from qless_py.transfer.shapes import Restorable

T = TypeVar("T")

PAGE: Final = 100
MAX_DATA: Final = 16 * 1024 * 1024


class RefusedError(Exception):
    """A job cannot be migrated, and stays where it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A list or sorted set of jobs, in the order in which they would run."""

    queue: str
    key: bytes
    priority: float = 0


@dataclass(frozen=True, slots=True)
class Found:
    """An entry of a place: the jid or message there, and the job as it will be here.

    `job` is None if it is refused, for the `reason`.
    """

    place: Place
    entry: bytes
    id: str
    job: Restorable | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as the other system stores it, when it is due, and whether other jobs wait for it."""

    fields: Mapping[bytes, bytes]
    due: float | None = None
    is_parent: bool = False

    def check(self) -> None:
        """Refuse a job that is gone, or that others wait for."""
        if self.is_parent:
            raise RefusedError("other jobs depend on it")
        if not self.fields:
            raise RefusedError("the job does not exist any more")


@dataclass(frozen=True, slots=True)
class Names:
    """How klasses and queues are renamed."""

    klasses: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, str] = field(default_factory=dict)

    def klass(self, name: str) -> str:
        """Return the klass of a job; refuses a name that cannot be one."""
        return checked(lambda: arguments.klass_name(self.klasses.get(name, name)))

    def queue(self, name: str) -> str:
        """Return the queue of a job; refuses a name that cannot be one."""
        return checked(lambda: arguments.name("queue", self.queues.get(name, name)))


class Origin(Protocol):
    """Another queue system in a Redis."""

    def queues(self) -> list[str]:
        """List the queues."""

    def places(self, queue: str) -> list[Place]:
        """List where the jobs of a queue wait."""

    def length(self, place: Place) -> int:
        """Count the entries of a place."""

    def page(self, place: Place, offset: int) -> list[Found]:
        """Read up to a hundred entries behind an offset, in the order in which they would run."""

    def remove(self, found: Sequence[Found]) -> list[bool]:
        """Remove jobs, each as a whole or not at all; return which were still there."""

    def others(self, queue: str) -> dict[str, int]:
        """Count what is not migrated, by what it is."""


def checked(read: Callable[[], T]) -> T:
    """Return what `read` returns; an error of an argument refuses the job."""
    try:
        return read()
    except BadArgumentError as error:
        raise RefusedError(str(error)) from error


def jid_of(kind: str, name: str) -> str:
    """Return the jid here of a job there: always the same one."""
    jid = f"{kind}-{name}"
    if arguments.is_name(jid):
        return jid
    return (
        f"{kind}-{hashlib.sha1(name.encode(errors='replace'), usedforsecurity=False).hexdigest()}"
    )


def decoded(raw: Any) -> str:
    """Return text that came from the other system."""
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else str(raw)


def from_json(what: str, raw: bytes | str) -> Any:
    """Read JSON; refuses anything else."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{what} is not JSON") from error


def call_data(args: Any, kwargs: Any, more: Mapping[str, Any] | None = None) -> bytes:
    """Return the data of a job that calls a function, see `with_arguments`."""
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise RefusedError("its arguments are not a list and an object")
    data = {"args": args, "kwargs": kwargs, **(more or {})}
    try:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"its arguments cannot be stored: {error}") from error


def instant(what: str, text: Any) -> int:
    """Return an ISO 8601 time in ms; one without a time zone is UTC."""
    try:
        at = dt.datetime.fromisoformat(decoded(text))
        aware = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
        return checked(lambda: arguments.instant(what, aware))
    except (ValueError, OverflowError) as error:
        raise RefusedError(f"{what} {text!r} is not a time") from error


def whole(what: str, text: Any) -> int:
    """Return a whole number that came as text."""
    try:
        return int(decoded(text))
    except ValueError as error:
        raise RefusedError(f"{what} {text!r} is not a whole number") from error
