"""How a run of a job has ended, read from the call that reports it: for log lines and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from qless_py.handlers.job import HandledJob
from qless_py.protocol import Call
from qless_py.protocol.call import unpack

# Of jobs that their handlers have ended: the states that say how.
_STATES: Final[Mapping[str, str]] = {
    "complete": "completed",
    "failed": "failed",
    "canceled": "canceled",
}
_EXHAUSTED: Final = "it has no retries left"


@dataclass(frozen=True, slots=True)
class Ending:
    """The outcome of a run, such as `completed`, `failed` or `retried`.

    `by_handler` says that the handler has reported it itself. A failure has a `group` and a
    `message`, and a retry as well if an error was its reason; `delay` is how long the job waits.
    """

    outcome: str
    group: str = ""
    message: str = ""
    delay: float = 0.0
    by_handler: bool = False


_PLAIN: Final[Mapping[str, Ending]] = {
    "complete": Ending("completed"),
    "release": Ending("released"),
    "discard": Ending("discarded"),
    "hand_off": Ending("handed-off"),
}


def of(job: HandledJob, call: Call[Any] | None) -> Ending:
    """Return how a run has ended; `call` reports it, None if the handler has reported it."""
    if call is None:
        return Ending(_STATES.get(job.state, job.state), by_handler=True)
    if call.script == "fail":
        return Ending("failed", str(call.args[2]), str(call.args[3]))
    if call.script == "retry":
        return _of_retry(job, call)
    if call.script == "snooze":
        return Ending("snoozed", delay=int(call.args[2]) / 1000)
    return _PLAIN.get(call.script) or Ending(call.script)


def _of_retry(job: HandledJob, call: Call[Any]) -> Ending:
    delay, options = int(call.args[2]) / 1000, call.args[3]
    given = (unpack(options) or {}) if isinstance(options, bytes) and options else {}
    group, message = str(given.get("group", "")), str(given.get("message", ""))
    if job.retries_left < 1 and not given.get("apart"):
        return Ending("failed", group or "failed-retries", message or _EXHAUSTED)
    return Ending("retried", group, message, delay)
