"""What tracing does at each step of a job; `current` is None unless tracing is turned on.

The steps ask for `instrumentation.current` and go on if it is None, so tracing that is off costs
one comparison at each of them. `qless_py.tracing` sets it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from qless_py.protocol.call import Call, CallSpan
from qless_py.protocol.records import EncodedJob


class Instrumentation(Protocol):
    """Follows jobs through their puts and runs."""

    def send(self, queue: str, jobs: Sequence[EncodedJob], *, bulk: bool) -> CallSpan | None:
        """Begin the span of a put, and give its context to jobs that have none.

        `queue` is empty if the jobs go into several.
        """

    def create(self, queue: str, jobs: Sequence[EncodedJob]) -> None:
        """Record the creation of jobs that are put later, and give them the context of its span."""

    def sending(self, calls: Sequence[Call[Any]]) -> AbstractContextManager[list[Any]]:
        """Follow calls that are sent; the block adds their results to the list, errors as well."""

    def begin(self, job: Any) -> None:
        """Begin the span of a run."""

    def enter(self, job: Any) -> object:
        """Make the span of a run, if it has begun, the current one; return what `leave` takes."""

    def leave(self, token: object, job: Any, error: BaseException | None) -> None:
        """Undo `enter`; `error` is what the handler raised."""

    def end(self, job: Any, call: Call[Any] | None) -> None:
        """End the span of a run; `call` is as for `qless_py.handlers.ending.of`."""

    def context(self) -> dict[str, str]:
        """Return the context of the current span, for what is called from here."""

    def ids(self, job: Any = None) -> dict[str, str]:
        """Return `trace_id` and `span_id`, as far as known, of a run or of the current span."""


current: Instrumentation | None = None
