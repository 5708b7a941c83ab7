"""A namespace of the size that the dashboard must handle: jobs in all states, two weeks of history.

It is made by the calls of an ordinary program, under a test clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.command import log
from benchmarks.namespace import TRACEBACK, Clock, Lease, batched, pop_page, put_jobs, send
from qless_py.protocol import Call, config, jobs, puts, queues, recurring, throttles, users, workers
from qless_py.store.runner import Runner

DATA: Final = b'{"user":12345,"address":"someone@example.org","subject":"Welcome","tries":3}'
KLASS: Final = "app.mail.Send"
_BUSY: Final = 20  # The queues with a history of days.
_TEN_MINUTES: Final = 600.0
_PARKING: Final = 50  # One queue in 50 has jobs parked on a throttle.
_SHARED: Final = 20  # One queue in 20 has jobs of users.


@dataclass(frozen=True, slots=True)
class Scale:
    """Number of objects, and length of the history.

    The busiest queues have `days` of history in steps of ten minutes; all queues have `hours` in
    steps of ten minutes, followed by `minutes` in steps of one.
    """

    queues: int
    jobs: int
    workers: int
    settings: int  # Throttles with a limit, and users with a weight: as many of each.
    days: int
    hours: int
    minutes: int

    @property
    def share(self) -> int:
        """The jobs of one queue."""
        return self.jobs // self.queues


FULL: Final = Scale(
    queues=200, jobs=1_000_000, workers=500, settings=2000, days=14, hours=20, minutes=241
)
QUICK: Final = Scale(queues=10, jobs=10_000, workers=20, settings=50, days=0, hours=1, minutes=10)


class Dataset:
    """Fills a namespace."""

    def __init__(self, runner: Runner, clock: Clock, scale: Scale) -> None:
        self.runner = runner
        self.clock = clock
        self.scale = scale
        self.names = [f"queue-{number}" for number in range(scale.queues)]
        self._made = 0
        self.a_job = ""

    def fill(self) -> None:
        """Fill the namespace; afterwards the clock shows the present."""
        self._add_history()
        self._add_settings()
        for number, name in enumerate(self.names):
            if number % 20 == 0:
                log(f"jobs of queue {number} of {len(self.names)}")
            self._add_finished(number, name)
            self._add_blocked(number, name)
            self._add_waiting(number, name)
        log("running jobs and workers")
        self._add_running()

    def _send(self, calls: Sequence[Call[Any]]) -> None:
        send(self.runner, calls)

    def _specs(self, count: int, **options: Any) -> list[dict[str, Any]]:
        start, self._made = self._made, self._made + count
        return [{"jid": f"job-{n}", "klass": KLASS, **options} for n in range(start, start + count)]

    def _put(self, queue: str, specs: Sequence[dict[str, Any]]) -> None:
        put_jobs(self.runner, queue, specs, DATA)

    def _pop(self, names: Sequence[str], worker: str = "worker-0") -> list[Lease]:
        return pop_page(self.runner, names, worker)

    def _add_history(self) -> None:
        busy, every = self.names[:_BUSY], self.names
        steps = [(_TEN_MINUTES, busy)] * max((self.scale.days - 1) * 144, 0)
        steps += [(_TEN_MINUTES, every)] * 6 * self.scale.hours + [
            (60.0, every)
        ] * self.scale.minutes
        for number, (seconds, names) in enumerate(steps):
            if number % 200 == 0:
                log(f"history, step {number} of {len(steps)}")
            self._add_step(seconds, names, number)

    def _add_step(self, seconds: float, names: Sequence[str], number: int) -> None:
        specs = [self._specs(2) for _ in names]
        self._send([
            puts.put_many_encoded(name, two, [DATA] * 2)
            for name, two in zip(names, specs, strict=True)
        ])  # fmt: skip
        pages = list(batched(names))
        self.clock.now += 0.01 * (1 + number % 90)
        for last in (False, True):
            for page in pages * (2 if len(names) > _BUSY else 1):
                self._complete(self._pop(page), last=last)
            self.clock.now += seconds / 2
        self.runner.run(queues.tick())

    def _complete(self, held: Sequence[Lease], *, last: bool) -> None:
        self.clock.now += 0.5 if last else 0.05
        if held:
            self.runner.run(jobs.complete_many(held, [b""] * len(held)))

    def _add_settings(self) -> None:
        number = self.scale.settings
        log("throttles and users with settings")
        self._send([throttles.set_encoded(f"api-{at}", {"rate": 100}) for at in range(number)])
        self._send([users.set_options(f"user-{at}", 2) for at in range(number)])
        self._send([workers.beat(f"worker-{at}", b"{}") for at in range(self.scale.workers)])

    def _add_finished(self, number: int, name: str) -> None:
        self._put(name, self._specs(100))
        self._complete(self._pop([name]), last=True)
        self._put(name, self._specs(100, tags=["eu", f"shop-{number}"]))
        group = f"{KLASS}:Error{number}"
        self._send(
            [jobs.fail_encoded(jid, lease, group, TRACEBACK) for jid, lease in self._pop([name])]
        )

    def _add_blocked(self, number: int, name: str) -> None:
        """Put jobs that are scheduled, that depend on another job, or that a throttle parks."""
        share = self.scale.share
        parents = self._specs(1, delay=30 * 86_400_000)
        self._put(name, parents)
        self._put(name, self._specs(share // 20, delay=10 * 86_400_000))
        self._put(name, self._specs(share // 25, depends=[parents[0]["jid"]]))
        self.runner.run(recurring.recur_encoded(
            name, f"every-{number}", KLASS, DATA, interval=3_600_000, offset=3_600_000, options={}
        ))  # fmt: skip
        if number % _PARKING == 0:
            throttle = f"closed-{number}"
            self._send([throttles.set_encoded(throttle, {"concurrency": 0})])
            self._put(name, self._specs(1, throttles=[throttle]))
            self._pop([name])
            self._put(name, self._specs(share // 4, throttles=[throttle]))

    def _add_waiting(self, number: int, name: str) -> None:
        share, first = self.scale.share, self._made
        is_shared = number % _SHARED == _SHARED - 1
        left = share - 200 - share // 20 - share // 25 - (share // 4) * (number % _PARKING == 0)
        specs = self._specs(left)
        self.a_job = specs[0]["jid"]
        for at, spec in enumerate(specs):
            if is_shared:
                spec["user"] = f"user-{(first + at) % 10_000}"
            if at % 50 == 0:
                spec["tags"] = ["nightly", f"tag-{(first + at) // 50 % 5000}"]
        self._put(name, specs)

    def _add_running(self) -> None:
        """Pop jobs under leases of an hour, and from some queues under leases that expire."""
        self.runner.run(config.set_option("heartbeat", "3600"))
        for at in range(self.scale.workers):
            first = 10 * at % len(self.names)
            self._pop(self.names[first : first + 10], f"worker-{at}")
        self.runner.run(config.unset_option("heartbeat"))
        for name in self.names[::_SHARED]:
            self._pop([name], "gone")
        self.clock.now += 90
        info = b'{"slots":8,"busy":4,"pid":4711,"host":"web-1"}'
        self._send([workers.beat(f"worker-{at}", info) for at in range(self.scale.workers)])
        self._send([jobs.track(f"job-{self._made - 1 - at}") for at in range(100)])
