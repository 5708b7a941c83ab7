"""The manager: one thread takes jobs, some run them, one renews leases, one tells how it goes."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, Unpack

from qless_py import protocol
from qless_py.client import refill
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import DeadWorkerError, HandlerNotFoundError, ImmediateStop, QlessError
from qless_py.handlers import resolve
from qless_py.handlers.executor import Executor, HandlerOptions, Middleware
from qless_py.handlers.resolve import Handler
from qless_py.handlers.retry import Backoff, RetryPolicy
from qless_py.manager.events import (
    ManagerReport,
    ManagerStarted,
    ManagerStats,
    ManagerStopped,
    TaskPut,
    Watch,
    Watchers,
)
from qless_py.manager.in_flight import Runs
from qless_py.manager.lease_renewal import AWAY, Held, Keeper
from qless_py.manager.metrics import Numbers
from qless_py.manager.registration import Presence
from qless_py.manager.wakeup import LONGEST, Bell
from qless_py.protocol import arguments as options
from qless_py.protocol.arguments import PutOptions, Seconds
from qless_py.protocol.queues import PopReply

logger = logging.getLogger(__name__)

_LET_GO: Final = 1.0  # Seconds that a handler has to obey.


class Manager:
    """Runs jobs in threads of this process, for as long as it is open.

    A topic is a queue, and a function, class or task registered for it performs its jobs. What a
    handler raises has its job run again for one of its retries, after what `backoff` says of the
    number of the try; a policy of the job, its class or its queue comes first. Jobs without any
    left are in the failure groups, where only a person takes them out.

    Threads share one interpreter: for work that needs the processor, or must survive a handler
    that takes the process with it, `qless-py work` is the better place.
    """

    def __init__(  # noqa: PLR0913 - all that a manager can be told
        self,
        client: Client,
        *,
        concurrency: int = 25,
        backoff: Callable[[int], Seconds] | Backoff | None = None,
        middleware: tuple[str | Middleware, ...] = (),
        soft_limit: Seconds | None = None,
        hard_limit: Seconds = 3600.0,
        interval: Seconds = LONGEST,
        stats_interval: Seconds = 10.0,
    ) -> None:
        self._client = client
        self._concurrency = options.whole("concurrency", concurrency, 1, 10_000)
        self._interval = min(options.span("interval", interval, 0.001) / 1000, LONGEST)
        self._stats_interval = options.span("stats_interval", stats_interval, 0.001) / 1000
        self._limit = options.span("hard_limit", hard_limit, 0.001) / 1000
        soft = None if soft_limit is None else options.span("soft_limit", soft_limit, 0.001) / 1000
        self._handlers = Executor(
            HandlerOptions(
                middleware=middleware,
                soft_limit=soft,
                performer=self,
                retry=RetryPolicy(_backoff(backoff)),
            )
        )
        self._topics: dict[str, Any] = {}
        self._watchers = Watchers()
        self._numbers = Numbers()
        self._held = Held()
        self._closing = threading.Event()
        self._handing_back = threading.Event()
        self._over = threading.Event()
        self._ending = threading.Lock()
        self._threads: list[threading.Thread] = []

    def register(self, topic: str, to: Any) -> None:
        """Have the jobs of a topic performed by this; before `start` only."""
        if self._threads or self._closing.is_set():
            raise QlessError("topics are registered before the manager starts")
        resolve.find(to, topic)
        self._topics[options.name("topic", topic)] = to

    def put(self, topic: str, data: Any = None, **more: Unpack[PutOptions]) -> str:
        """Put a job for a topic, whose klass is the topic; give its jid."""
        jid = self._client.queues[topic].put(topic, data, **more)
        self._numbers.add("put")
        self._watchers.tell(TaskPut(jid=jid, topic=topic))
        return jid

    def start(self) -> None:
        """Take jobs from now on; jobs of managers of this host that have died come back first."""
        if self._threads or self._closing.is_set() or not self._topics:
            raise QlessError("a manager starts once, with topics registered")
        self._presence = Presence(self._client, list(self._topics))
        self._keeper = Keeper(self._client, self._held)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        recovered = self._presence.recover()
        self._presence.register()
        self._bell = Bell(self._client.redis)
        runs = Runs(self._client, self._handlers, self._held, self._numbers, self._watchers.tell)
        self._runs = runs
        targets = [self._take, self._report, *[self._work] * self._concurrency]
        self._threads = [threading.Thread(target=one, daemon=True) for one in targets]
        for thread in (*self._threads, self._keeper):
            thread.start()
        self._watchers.tell(ManagerStarted(recovered=tuple(recovered)))

    def close(self, timeout: Seconds | None = 0.0) -> bool:
        """Take no more jobs; give running ones so long (`None`: for ever), then hand them back.

        What is handed back costs no retry: its handler gets `ImmediateStop` as soon as it is back
        in Python. Tells whether all of them came to their own end. The client stays open. Not to
        be called by a handler of this manager.
        """
        limit = None if timeout is None else options.span("timeout", timeout) / 1000
        if self._held.runs_here():
            raise QlessError("a handler cannot close the manager that waits for it to end")
        if self._threads and not self._closing.is_set():
            self._closing.set()
            self._bell.ring()
        for thread in self._threads[:1]:
            thread.join(LONGEST + _LET_GO)  # What it is just being given is to be waited for.
        done = self._held.wait_until_empty(limit)
        with self._ending:
            if self._threads:
                self._end(done=done)
        return done

    def _end(self, *, done: bool) -> None:
        if not done:
            self._hand_back()
        self._keeper.stop()
        self._over.set()
        for _ in range(self._concurrency):
            self._jobs.put(None)
        for thread in (self._keeper, *self._threads[:2]):
            thread.join(LONGEST + _LET_GO)
        self._bell.close()
        self._presence.deregister()
        self._threads = []
        self._watchers.tell(ManagerStopped())

    def watch(self) -> Watch:
        """Be told what happens in this manager from now on."""
        return self._watchers.new()

    def stats(self) -> ManagerStats:
        """Count what was done since the start, and what there is in the queues now."""
        return self._numbers.snapshot(self._client, list(self._topics))

    def find(self, job: Any) -> Handler:
        """Give what performs a job, as its topic says."""
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

    def _take(self) -> None:
        failures = 0
        away = Backoff.exponential(0.05, 2, 5)
        while not self._closing.is_set():
            room = self._held.wait_for_room(self._concurrency, LONGEST)
            if room <= 0 or self._closing.is_set():
                continue
            try:
                self._take_some(min(room, options.MOST_AT_ONCE))
                failures = 0
            except Exception as error:  # Whatever it is, taking must go on.
                failures += 1
                is_known = isinstance(error, (*AWAY, QlessError))
                wait = away.seconds(failures, error)
                logger.log(
                    logging.WARNING if failures == 1 else logging.DEBUG,
                    "no jobs can be taken (%s), trying again in %.2f s", error, wait,
                    exc_info=None if is_known else error,
                )  # fmt: skip
                self._closing.wait(wait)

    def _take_some(self, number: int) -> None:
        try:
            reply = self._client.run(self._presence.pop(number))
        except DeadWorkerError:
            self._presence.register()  # It was taken for dead; under a new nonce it is not.
        else:
            self._deal(reply)

    def _deal(self, reply: PopReply) -> None:
        for record in reply.jobs:
            job = Job(self._client, record)
            self._held.take(job, self._handlers.limits(job)[1] or self._limit)
            if self._over.is_set():
                self._release(job)  # It came too late: nobody is left to run it.
            else:
                self._jobs.put(job)
        settings = self._client.settings
        settings.questions.extend(reply.questions)
        if reply.jobs or reply.more:
            return
        if settings.questions:
            self._client.run_many(refill.answers(settings))
        soon = self._interval if reply.next_in is None else reply.next_in / 1000
        self._bell.wait(reply.wake, min(soon, self._interval))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._handing_back.is_set():
                self._release(job)
            else:
                try:
                    self._runs.perform(job)
                except Exception:
                    logger.exception("%s ran, and what came of it cannot be told", job)

    def _report(self) -> None:
        while not self._closing.wait(self._stats_interval):
            try:
                self._watchers.tell(ManagerReport(stats=self.stats()))
                self._presence.beat()
            except (*AWAY, QlessError) as error:
                logger.debug("no report: %s", error)

    def _hand_back(self) -> None:
        self._handing_back.set()
        for run in self._held.runs():
            self._held.stop(run, ImmediateStop)
        if self._held.wait_until_empty(_LET_GO):
            return
        for run in self._held.runs():
            logger.warning("%s does not stop; it is handed back while it runs", run.job)
            self._release(run.job)

    def _release(self, job: Job) -> None:
        with contextlib.suppress(*AWAY, QlessError):
            self._client.run(protocol.jobs.release(job.jid, job.lease))
        self._held.settle(job)


def _backoff(given: Callable[[int], Seconds] | Backoff | None) -> Backoff | None:
    if given is None or isinstance(given, Backoff):
        return given
    return Backoff.custom(lambda number, _error: given(number))
