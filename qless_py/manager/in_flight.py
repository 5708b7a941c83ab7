"""One job from its handler to its verdict, and what is told of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from redis.exceptions import ResponseError

from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import (
    LostLeaseError,
    QlessError,
    StaleRequestError,
    StoreError,
    StoreFullError,
)
from qless_py.handlers.executor import Executor
from qless_py.handlers.outcomes import Outcome
from qless_py.handlers.result import Result
from qless_py.handlers.retry import Backoff
from qless_py.manager.events import Happening, TaskCompleted, TaskFailed, TaskRetried, TaskStarted
from qless_py.manager.lease_renewal import AWAY, Held
from qless_py.manager.metrics import Numbers
from qless_py.protocol import Call
from qless_py.protocol.job_calls import JobVerbs
from qless_py.store.server_errors import is_faulty

logger = logging.getLogger(__name__)

_BACK: Final = frozenset({"waiting", "scheduled"})
_ENDS: Final[Mapping[str, str]] = {"complete": "complete", "fail": "failed", "discard": "canceled"}


class Runs:
    """Performs jobs; used by all threads that do."""

    def __init__(
        self,
        client: Client,
        handlers: Executor,
        held: Held,
        numbers: Numbers,
        tell: Callable[[Happening], None],
    ) -> None:
        self._client = client
        self._handlers = handlers
        self._held = held
        self._numbers = numbers
        self._tell = tell

    def perform(self, job: Job) -> None:
        """Run a job and tell the store, and who watches, what came of it."""
        self._numbers.add("started")
        self._tell(TaskStarted(jid=job.jid, topic=job.queue_name))
        topic, result, error = job.queue_name, None, None
        try:
            self._held.enter(job)
            try:
                result = self._handlers.run(job)
            finally:
                self._held.leave(job)
            verdict = Result.returned(job, result)
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is judged
            # It may have come while the handler was being left.
            self._held.leave(job)
            error = raised
            verdict = Result.raised(job, raised)
        try:
            ending = self._settle(verdict) if self._held.holds(job) else ""
            if ending:
                self._note(job, topic, ending, result, error)
        finally:
            self._held.settle(job)

    def _settle(self, verdict: Result) -> str:
        """Send a verdict, however long the store is away; gives the state that the job has now.

        Nothing if the verdict came too late.
        """
        job = verdict.job
        if verdict.call is None:
            return job.state
        try:
            self._insist(job, verdict.call)
        except (LostLeaseError, StaleRequestError) as late:
            logger.info("the verdict on %s came too late: %s", job.jid, late)
            return ""
        except (QlessError, ResponseError) as refusal:
            logger.warning("the verdict on %s was refused: %s", job.jid, refusal)
            return self._refused(verdict, refusal)
        # A plain end says what it is; of the others the job itself keeps track.
        return _ENDS.get(verdict.call.script) or job.state

    def _refused(self, verdict: Result, refusal: Exception) -> str:
        try:
            self._insist(verdict.job, _call(Result.refused(verdict.job, refusal)))
        except (QlessError, ResponseError):
            logger.exception("%s cannot be failed either", verdict.job.jid)
            return ""
        return "failed"

    def _insist(self, job: JobVerbs, call: Call[Any]) -> None:
        """Send a call until a script answers it; raises what the script refuses it with."""
        away, failures = Backoff.exponential(0.05, 2, 5), 0
        while True:
            try:
                self._client.run(call)
            except (*AWAY, StoreError) as lost:
                if is_faulty(lost) or isinstance(lost, StoreFullError):
                    raise
                failures += 1
                if failures == 1:
                    logger.warning("the store is away (%s); %s is settled later", lost, job.jid)
                threading.Event().wait(away.seconds(failures, lost))
            else:
                return

    def _note(
        self, job: Job, topic: str, ending: str, result: Any, error: BaseException | None
    ) -> None:
        because = error.__cause__ if isinstance(error, Outcome) and error.__cause__ else error
        if ending == "complete":
            self._numbers.add("completed")
            self._tell(TaskCompleted(jid=job.jid, topic=topic, result=result))
        elif ending in _BACK:
            self._numbers.add("retried")
            self._tell(TaskRetried(jid=job.jid, topic=topic, error=because))
        else:
            self._numbers.add("failed")
            self._tell(TaskFailed(jid=job.jid, topic=topic, error=because))


def _call(verdict: Result) -> Any:
    return verdict.call
