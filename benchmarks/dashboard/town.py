"""A namespace as large as a dashboard must bear: queues, jobs in all states, two weeks of past.

It is made by the calls that a program would make, under a test clock, a hundred jobs in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.scripts.space import Clock
from qless_py.protocol import Call, config, jobs, puts, queues, recurring, throttles, users, workers
from qless_py.store.runner import Runner

DATA: Final = b'{"user":12345,"address":"someone@example.org","subject":"Welcome","tries":3}'
KLASS: Final = "app.mail.Send"
_CALL: Final = 100
_BUSY: Final = 20
_TEN: Final = 600.0
_PARKING: Final = 50  # Every so many-th queue has jobs that a throttle holds back.
_SHARED: Final = 20  # Every so many-th queue has jobs of users.
_TRACEBACK: Final = "Traceback (most recent call last):\n" + "  one line of many\n" * 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large it is, and how many steps of the past it has.

    The busiest queues have lived for `days` in steps of ten minutes, all for `hours` in such steps
    and then for some minutes.
    """

    queues: int
    jobs: int
    workers: int
    settings: int  # throttles with a limit, and users with a weight: as many of each
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


class Town:
    """Fills one namespace of a server, piece by piece."""

    def __init__(self, runner: Runner, clock: Clock, scale: Scale, say: Say) -> None:
        self.runner = runner
        self.clock = clock
        self.scale = scale
        self.names = [f"queue-{number}" for number in range(scale.queues)]
        self._say = say
        self._made = 0
        self.a_job = ""

    def fill(self) -> None:
        """Make it all; the clock stands at the present afterwards."""
        self._past()
        self._settings()
        for number, name in enumerate(self.names):
            if number % 20 == 0:
                self._say(f"jobs of queue {number} of {len(self.names)}")
            self._ended(number, name)
            self._held_back(number, name)
            self._waiting(number, name)
        self._say("running jobs and workers")
        self._running()

    def _send(self, calls: Sequence[Call[Any]]) -> list[Any]:
        answers = self.runner.run_many(calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _specs(self, count: int, **options: Any) -> list[dict[str, Any]]:
        start, self._made = self._made, self._made + count
        return [
            {"jid": f"job-{number}", "klass": KLASS, **options}
            for number in range(start, start + count)
        ]

    def _put(self, queue: str, specs: Sequence[dict[str, Any]]) -> None:
        parts = [specs[at : at + _CALL] for at in range(0, len(specs), _CALL)]
        calls = [puts.put_many_encoded(queue, part, [DATA] * len(part)) for part in parts]
        for at in range(0, len(calls), 20):
            self._send(calls[at : at + 20])

    def _taken(self, names: Sequence[str], worker: str = "worker-0") -> Iterable[tuple[str, str]]:
        popped = self.runner.run(queues.pop_records(list(names), worker, _CALL)).jobs
        return [(job.jid, job.fields["lease"]) for job in popped]

    def _past(self) -> None:
        """Live for days in steps of ten minutes, for the last hours in steps of a minute."""
        busy, every = self.names[:_BUSY], self.names
        steps = [(_TEN, busy)] * max((self.scale.days - 1) * 144, 0)
        steps += [(_TEN, every)] * 6 * self.scale.hours + [(60.0, every)] * self.scale.minutes
        for number, (seconds, names) in enumerate(steps):
            if number % 200 == 0:
                self._say(f"the past, step {number} of {len(steps)}")
            self._live(seconds, names, number)

    def _live(self, seconds: float, names: Sequence[str], number: int) -> None:
        specs = [self._specs(2) for _ in names]
        self._send([
            puts.put_many_encoded(name, two, [DATA] * 2)
            for name, two in zip(names, specs, strict=True)
        ])  # fmt: skip
        parts = [names[at : at + _CALL] for at in range(0, len(names), _CALL)]
        self.clock.now += 0.01 * (1 + number % 90)
        for last in (False, True):
            for part in parts * (2 if len(names) > _BUSY else 1):
                self._complete(self._taken(part), last=last)
            self.clock.now += seconds / 2
        self.runner.run(queues.tick())

    def _complete(self, held: Iterable[tuple[str, str]], *, last: bool) -> None:
        entries = list(held)
        self.clock.now += 0.5 if last else 0.05
        if entries:
            self.runner.run(jobs.complete_many(entries, [b""] * len(entries)))

    def _settings(self) -> None:
        number = self.scale.settings
        self._say("throttles and users with settings")
        self._send([throttles.set_encoded(f"api-{at}", {"rate": 100}) for at in range(number)])
        self._send([users.set_options(f"user-{at}", 2) for at in range(number)])
        self._send([workers.beat(f"worker-{at}", b"{}") for at in range(self.scale.workers)])

    def _ended(self, number: int, name: str) -> None:
        self._put(name, self._specs(100))
        self._complete(self._taken([name]), last=True)
        self._put(name, self._specs(100, tags=["eu", f"shop-{number}"]))
        group = f"{KLASS}:Error{number}"
        self._send(
            [jobs.fail_encoded(jid, lease, group, _TRACEBACK) for jid, lease in self._taken([name])]
        )

    def _held_back(self, number: int, name: str) -> None:
        """Put what is scheduled, what depends on another, and what a throttle has parked."""
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
            self._taken([name])
            self._put(name, self._specs(share // 4, throttles=[throttle]))

    def _waiting(self, number: int, name: str) -> None:
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

    def _running(self) -> None:
        """Have jobs taken under leases of an hour, and in some queues under some that lapse."""
        self.runner.run(config.set_option("heartbeat", "3600"))
        for at in range(self.scale.workers):
            first = 10 * at % len(self.names)
            self._taken(self.names[first : first + 10], f"worker-{at}")
        self.runner.run(config.unset_option("heartbeat"))
        for name in self.names[::_SHARED]:
            self._taken([name], "gone")
        self.clock.now += 90
        info = b'{"slots":8,"busy":4,"pid":4711,"host":"web-1"}'
        self._send([workers.beat(f"worker-{at}", info) for at in range(self.scale.workers)])
        self._send([jobs.track(f"job-{self._made - 1 - at}") for at in range(100)])
