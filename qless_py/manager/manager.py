"""Run jobs in threads of this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import HandlerNotFoundError, QlessError
from qless_py.handlers import resolve
from qless_py.handlers.context import current_job
from qless_py.handlers.executor import Executor, HandlerOptions, Middleware
from qless_py.handlers.job import HandledJob
from qless_py.handlers.outcomes import Outcome, deciding
from qless_py.handlers.resolve import Handler
from qless_py.handlers.result import Transition
from qless_py.handlers.retry import Backoff, RetryPolicy
from qless_py.manager.events import (
    ManagerReport,
    ManagerStarted,
    ManagerStats,
    ManagerStopped,
    TaskCompleted,
    TaskFailed,
    TaskPut,
    TaskRetried,
    TaskStarted,
    Watch,
    Watchers,
)
from qless_py.manager.metrics import Metrics
from qless_py.manager.registration import Registration
from qless_py.protocol import arguments
from qless_py.protocol.options import PutOptions, Seconds
from qless_py.store.outage import UNAVAILABLE

if TYPE_CHECKING:
    from qless_py.manager.dispatcher import Dispatcher
    from qless_py.worker.child_context import HeldJob

logger = logging.getLogger(__name__)

_MAX_INTERVAL: Final = 2.0
_END_TIMEOUT: Final = 3.0  # A fetch under way ends within this time while the store is available.
_BACK: Final = frozenset({"waiting", "scheduled"})
# The states that calls lead to which do not record it in their job.
_STATES: Final[Mapping[str, str]] = {
    "complete": "complete",
    "fail": "failed",
    "discard": "canceled",
}


class Manager:
    """Run jobs in threads of this process, from `start` to `close`.

    A topic is a queue; a function, class or task registered for it performs its jobs. A job whose
    handler raises runs again after the `backoff` and spends one of its retries, unless a policy of
    the job, its class or its queue says otherwise. Without retries left it fails, and stays in its
    failure group until someone retries or deletes it.

    Threads share one interpreter and cannot be killed. For work that needs the processor, or that
    must survive a handler that takes its process down, use `qless-py work`.
    """

    def __init__(  # noqa: PLR0913 - keyword options
        self,
        client: Client,
        *,
        concurrency: int = 25,
        backoff: Callable[[int], Seconds] | Backoff | None = None,
        middleware: tuple[str | Middleware, ...] = (),
        soft_limit: Seconds | None = None,
        hard_limit: Seconds = 3600.0,
        interval: Seconds = _MAX_INTERVAL,
        stats_interval: Seconds = 10.0,
    ) -> None:
        # Imported here because most programs that import qless_py run no manager.
        from qless_py.manager.in_flight import InFlight  # noqa: PLC0415

        self._client = client
        self._concurrency = arguments.whole("concurrency", concurrency, 1, 10_000)
        self._interval = min(_seconds("interval", interval), _MAX_INTERVAL)
        self._stats_interval = _seconds("stats_interval", stats_interval)
        self._hard_limit = _seconds("hard_limit", hard_limit)
        self._executor = _RecordingExecutor(
            HandlerOptions(
                middleware=middleware,
                soft_limit=None if soft_limit is None else _seconds("soft_limit", soft_limit),
                performer=self,
                retry=RetryPolicy(_backoff(backoff)),
            )
        )
        self._topics: dict[str, Any] = {}
        self._watchers = Watchers()
        self._metrics = Metrics()
        self._in_flight = InFlight()
        self._dispatcher: Dispatcher | None = None
        self._closing = threading.Event()
        self._ending = threading.Lock()

    def register(self, topic: str, to: Any) -> None:
        """Register what performs the jobs of a topic; only before `start`."""
        if self._dispatcher is not None or self._closing.is_set():
            raise QlessError("register topics before the manager starts")
        resolve.find(to, topic)
        self._topics[arguments.name("topic", topic)] = to

    def put(self, topic: str, data: Any = None, **more: Unpack[PutOptions]) -> str:
        """Put a job for a topic, with the topic as its klass, and return its jid."""
        jid = self._client.queues[topic].put(topic, data, **more)
        self._metrics.add("put")
        self._watchers.send(TaskPut(jid=jid, topic=topic))
        return jid

    def start(self) -> None:
        """Start to run jobs; first recover those held by dead managers of this host."""
        from qless_py.manager.dispatcher import Dispatcher  # noqa: PLC0415 - as in __init__

        if self._dispatcher is not None or self._closing.is_set() or not self._topics:
            raise QlessError("a manager starts once, after topics were registered")
        self._registration = Registration(self._client, list(self._topics))
        recovered = self._registration.recover()
        self._registration.register()
        self._dispatcher = Dispatcher(
            self._client,
            self._registration,
            self._executor,
            self._in_flight,
            concurrency=self._concurrency,
            interval=self._interval,
            hard_limit=self._hard_limit,
            on_started=self._job_started,
            on_ended=self._job_ended,
        )
        self._dispatcher.start()
        self._reporter = threading.Thread(target=self._report, name="qless-report", daemon=True)
        self._reporter.start()
        self._watchers.send(ManagerStarted(recovered=tuple(recovered)))

    def close(self, timeout: Seconds | None = 0.0) -> bool:
        """Fetch no more jobs, wait `timeout` seconds for the running ones, and release the rest.

        With None it waits until all have ended. `ImmediateStop` is raised in the handlers of jobs
        that are released, as soon as they execute Python code; it costs no retry. Return whether
        all jobs ended by themselves. The client stays open. Raises QlessError in a handler of this
        manager.
        """
        limit = None if timeout is None else arguments.span("timeout", timeout) / 1000
        job = current_job()
        if job is not None and job.lease in self._in_flight:
            raise QlessError("a handler cannot close its own manager, which waits for it to end")
        dispatcher = self._dispatcher
        if dispatcher is not None and not self._closing.is_set():
            self._closing.set()
            dispatcher.stop()
        if dispatcher is not None:
            # Jobs that the store is leasing to the worker right now are waited for as well.
            dispatcher.stopped_fetching.wait(_END_TIMEOUT)
        is_done = self._in_flight.wait_until_empty(limit)
        with self._ending:
            if self._dispatcher is not None:
                self._end(self._dispatcher, is_done=is_done)
        return is_done

    def watch(self) -> Watch:
        """Return a watch of the events of this manager from now on."""
        return self._watchers.new()

    def stats(self) -> ManagerStats:
        """Return the counters since the start and the present sizes of the queues."""
        return self._metrics.snapshot(self._client, list(self._topics))

    def find(self, job: Any) -> Handler:
        """Return the handler that is registered for the topic of a job."""
        to = self._topics.get(job.queue_name)
        if to is None:
            raise HandlerNotFoundError(f"nothing is registered for the topic {job.queue_name}")
        return resolve.find(to, job.queue_name)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _job_started(self, job: Job) -> None:
        self._metrics.add("started")
        self._watchers.send(TaskStarted(jid=job.jid, topic=job.queue_name))

    def _job_ended(self, held: HeldJob, transition: Transition, reply: Any) -> None:
        value, error = self._executor.take(held.leased.lease)
        if isinstance(reply, Exception):
            return  # Too late, or the store takes no result at all: another run decides.
        state = held.job.state
        if transition.call is not None:
            state = _STATES.get(transition.call.script, state)
        decided = error and deciding(error)
        if isinstance(decided, Outcome) and decided.__cause__ is not None:
            error = decided.__cause__
        jid, topic = held.leased.jid, held.leased.queue
        if state == "complete":
            self._metrics.add("completed")
            self._watchers.send(TaskCompleted(jid=jid, topic=topic, result=value))
        elif state in _BACK:
            self._metrics.add("retried")
            self._watchers.send(TaskRetried(jid=jid, topic=topic, error=error))
        else:
            self._metrics.add("failed")
            self._watchers.send(TaskFailed(jid=jid, topic=topic, error=error))

    def _report(self) -> None:
        while not self._closing.wait(self._stats_interval):
            try:
                self._watchers.send(ManagerReport(stats=self.stats()))
                self._registration.beat()
            except (*UNAVAILABLE, QlessError) as error:
                logger.debug("no report: %s", error)

    def _end(self, dispatcher: Dispatcher, *, is_done: bool) -> None:
        if not is_done:
            dispatcher.release()
        dispatcher.join(_END_TIMEOUT)
        if not dispatcher.is_alive():
            dispatcher.close()
        self._reporter.join(_END_TIMEOUT)
        self._registration.deregister()
        self._dispatcher = None
        self._watchers.send(ManagerStopped())


class _RecordingExecutor(Executor):
    """Keep what each handler returned or raised until `take`, for the events of the manager."""

    def __init__(self, options: HandlerOptions) -> None:
        super().__init__(options)
        self._outcomes: dict[str, tuple[Any, BaseException | None]] = {}

    def run(self, job: HandledJob) -> Any:
        """Run the handler and record its outcome."""
        lease = job.lease
        try:
            value = super().run(job)
        except BaseException as error:
            self._outcomes[lease] = None, error
            raise
        self._outcomes[lease] = value, None
        return value

    async def arun(self, job: HandledJob) -> Any:
        """Await the handler and record its outcome."""
        lease = job.lease
        try:
            value = await super().arun(job)
        except BaseException as error:
            self._outcomes[lease] = None, error
            raise
        self._outcomes[lease] = value, None
        return value

    def take(self, lease: str) -> tuple[Any, BaseException | None]:
        """Return and forget an outcome; a job whose handler was not entered has none."""
        return self._outcomes.pop(lease, (None, None))


def _seconds(name: str, value: Seconds) -> float:
    return arguments.span(name, value, 0.001) / 1000


def _backoff(given: Callable[[int], Seconds] | Backoff | None) -> Backoff | None:
    if given is None or isinstance(given, Backoff):
        return given
    return Backoff.custom(lambda number, _error: given(number))
