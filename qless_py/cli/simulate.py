"""`qless-py simulate`: put jobs and pretend to run them, to watch the queues."""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from qless_py import package
from qless_py.cli.base import command, pass_cli
from qless_py.cli.context import CliContext
from qless_py.cli.errors import INTERRUPTED
from qless_py.cli.listen import stop_on
from qless_py.cli.params import QUEUE, SPAN, Number
from qless_py.client.client import Client
from qless_py.client.job import Job
from qless_py.errors import LostLeaseError, WrongStateError
from qless_py.protocol import workers as protocol
from qless_py.protocol.settings import make_settings

QUEUES: Final = ("sim-mail", "sim-images", "sim-reports")
_KINDS: Final = (
    ("simulated.SendMail", 1.0),
    ("simulated.ResizeImage", 1.5),
    ("simulated.MakeReport", 3.0),
    ("simulated.CheckLinks", 0.5),
)
_ERRORS: Final = (
    ("TimeoutError", "the other side did not answer within 10 s"),
    ("ValueError", "invalid literal for int() with base 10: 'many'"),
    ("ConnectionError", "connection refused"),
)
_USERS: Final = ("customer-1", "customer-2", "customer-3")
_TAGS: Final = ("new", "paid", "trial", "nightly", "urgent")
_MAX_DURATION: Final = 20.0  # shorter than a lease, which is not renewed
_DELAYED: Final = 0.1
_RETRIED: Final = 0.5
_BEAT: Final = 5.0
_IDLE: Final = 0.2
_STEPS: Final = 4
_BURST: Final = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate; times in seconds, `rate` per second."""

    rate: float
    workers: int
    queues: Sequence[str]
    takes: float
    failing: float
    losing: float
    most: int
    seed: int | None = None


class Load:
    """A simulation: call `step` again and again, each time after the seconds it returned."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self._client = client
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - no secret
        self._queues = [client.queues[name] for name in plan.queues]
        host = make_settings("sim", "json", (), time.time, None).worker_name
        self._idle = [f"{host}-sim-{number}" for number in range(plan.workers)]
        self._names = list(self._idle)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._held: dict[str, Job] = {}
        self._put_at = self._beat_at = time.monotonic()
        self.counts: Counter[str] = Counter(
            put=0, popped=0, completed=0, failed=0, retried=0, lost=0
        )

    def step(self) -> float:
        """Run the actions that are due; return the seconds until the next step."""
        now = time.monotonic()
        self._beat(now)
        self._put(now)
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        self._take(now)
        nexts = [now + _IDLE, self._put_at, *(one[0] for one in self._due[:1])]
        return max(0.0, min(nexts) - time.monotonic())

    def close(self) -> None:
        """Release the jobs and deregister the workers."""
        for job in self._held.values():
            self._safely(job, job.release)
        for start in range(0, len(self._names), _BURST):
            self._client.workers.deregister(*self._names[start : start + _BURST])

    def text(self) -> str:
        """Return the counts as one line."""
        return ", ".join(f"{number} {name}" for name, number in self.counts.items())

    def _beat(self, now: float) -> None:
        if now < self._beat_at:
            return
        self._beat_at = now + _BEAT
        for start in range(0, len(self._names), _BURST):
            names = self._names[start : start + _BURST]
            self._client.run_many([protocol.beat(name, self._info(name)) for name in names])

    def _info(self, name: str) -> bytes:
        info = {
            "host": name.rpartition("-sim-")[0],
            "pid": os.getpid(),
            "version": package.__version__,
            "queues": list(self._plan.queues),
            "slots": 1,
            "busy": int(name not in self._idle),
            "state": "running",
            "simulated": True,
        }
        return json.dumps(info).encode()

    def _put(self, now: float) -> None:
        number = 0
        while self._put_at <= now and number < _BURST:
            self._put_at += 1 / self._plan.rate
            number += 1
        # After a delay, catch up with one second at most.
        self._put_at = max(self._put_at, now - 1)
        if number and sum(map(len, self._queues)) < self._plan.most:
            queue = self._random.choice(self._queues)
            queue.put_many([self._spec() for _ in range(number)])  # type: ignore[misc]
            self.counts["put"] += number

    def _spec(self) -> dict[str, Any]:
        draw = self._random
        klass, weight = draw.choice(_KINDS)
        takes = min(_MAX_DURATION, draw.expovariate(1 / (self._plan.takes * weight or 0.001)))
        spec: dict[str, Any] = {
            "klass": klass,
            "data": {"takes": round(takes, 3), "number": draw.randrange(10_000)},
            "priority": draw.choice((0, 0, 0, 5, 10)),
            "tags": draw.sample(_TAGS, draw.choice((0, 1, 1, 2))),
            "user": draw.choice(_USERS),
            "retries": 3,
        }
        if draw.random() < _DELAYED:
            spec["delay"] = draw.uniform(1, 30)
        return spec

    def _take(self, now: float) -> None:
        queues = self._random.sample(self._queues, len(self._queues))
        for queue in queues:
            while self._idle:
                job = queue.pop(worker=self._idle[-1])
                if job is None:
                    break
                self.counts["popped"] += 1
                self._begin(job, self._idle.pop(), now)

    def _begin(self, job: Job, worker: str, now: float) -> None:
        self._held[job.jid] = job
        data = job.data if isinstance(job.data, dict) else {}
        takes = data.get("takes", self._plan.takes)
        takes = takes if isinstance(takes, int | float) and 0 <= takes <= _MAX_DURATION else 1.0
        for step in range(1, _STEPS if takes > 1 else 1):
            share = step / _STEPS
            self._at(now + takes * share, functools.partial(self._progress, job, share))
        self._at(now + takes, lambda: self._end(job, worker))

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), what))

    def _progress(self, job: Job, share: float) -> None:
        self._safely(job, lambda: job.set_progress({"done": round(100 * share), "of": 100}))

    def _end(self, job: Job, worker: str) -> None:
        self._idle.insert(0, worker)
        self._held.pop(job.jid, None)
        drawn = self._random.random()
        if drawn < self._plan.losing:
            self.counts["lost"] += 1
        elif drawn < self._plan.losing + self._plan.failing:
            self._fail(job)
        elif self._safely(job, lambda: job.complete(result={"ended": True})):
            self.counts["completed"] += 1

    def _fail(self, job: Job) -> None:
        kind, message = self._random.choice(_ERRORS)
        group = f"{job.klass_name}:{kind}"
        if self._random.random() < _RETRIED:
            if self._safely(job, lambda: job.retry(1, group, message)):
                self.counts["retried"] += 1
        elif self._safely(job, lambda: job.fail(group, message)):
            self.counts["failed"] += 1

    def _safely(self, job: Job, what: Callable[[], object]) -> bool:
        """Run an action on a job; return whether its lease is still ours."""
        if self._held.get(job.jid, job) is not job:
            return False
        try:
            what()
        except (LostLeaseError, WrongStateError):
            return False
        return True


_LINE_EVERY: Final = 1.0


@command(
    "simulate",
    examples=(
        "qless-py simulate --rate 50 --workers 8",
        "qless-py simulate --for 10s --seed 1 --json",
    ),
)
@click.option(
    "--rate",
    type=Number(0.01, 10_000),
    default=10.0,
    show_default=True,
    help="Jobs put per second.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 500),
    default=4,
    show_default=True,
    help="How many workers.",
)
@click.option(
    "--queue",
    "queues",
    type=QUEUE,
    multiple=True,
    help="Use these queues, by default its own.",
)
@click.option("--takes", type=SPAN, default=0.3, show_default=True, help="Mean run time.")
@click.option(
    "--failing",
    type=Number(0, 1),
    default=0.03,
    show_default=True,
    help="The share of jobs that fail.",
)
@click.option(
    "--losing",
    type=Number(0, 1),
    default=0.005,
    show_default=True,
    help="The share of jobs whose worker is lost.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="Put no jobs while this many are waiting.",
)
@click.option("--for", "span", type=SPAN, help="Exit after this time.")
@click.option("--seed", type=int, help="Seed for the same jobs each time.")
@pass_cli
def simulate(  # noqa: PLR0913 - one for each option
    cli: CliContext,
    *,
    rate: float,
    workers: int,
    queues: tuple[str, ...],
    takes: float,
    failing: float,
    losing: float,
    most: int,
    span: float | None,
    seed: int | None,
) -> int:
    """Put jobs at a rate and simulate workers that run them, until stopped.

    The jobs differ in klass, priority, tags, delay and time; some fail, are retried, or are
    lost. No handler runs. At the end the simulated workers release their jobs; waiting and failed
    jobs stay.
    """
    plan = Plan(
        rate=rate,
        workers=workers,
        queues=queues or QUEUES,
        takes=takes,
        failing=failing,
        losing=losing,
        most=most,
        seed=seed,
    )
    until = None if span is None else time.monotonic() + span
    made, said_at = Load(cli.client, plan), 0.0
    with stop_on(signal.SIGTERM, signal.SIGINT) as is_over:
        try:
            while not is_over.is_set() and (until is None or time.monotonic() < until):
                wait = made.step()
                if not cli.is_json and time.monotonic() - said_at >= _LINE_EVERY:
                    said_at = time.monotonic()
                    cli.out.note(made.text())
                if until is not None:
                    wait = min(wait, max(0.0, until - time.monotonic()))
                is_over.wait(wait)
        finally:
            made.close()
    cli.out.answer(made.counts, lambda: cli.out.line(made.text()))
    return INTERRUPTED if is_over.by == signal.SIGINT else 0
