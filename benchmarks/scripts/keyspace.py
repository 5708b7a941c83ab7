"""A large namespace under a test clock, which supplies the jobs that measured calls need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from benchmarks.command import log
from benchmarks.namespace import (
    DATA,
    KLASS,
    NAMESPACE,
    PAGE,
    TRACEBACK,
    Clock,
    Lease,
    pop_jobs,
    pop_page,
    put_jobs,
    send,
)
from qless_py.protocol import Call, jobs, puts, queues, recurring, workers
from qless_py.store.runner import Runner

GROUP: Final = f"{KLASS}:TimeoutError"
PARENT: Final = "parent"
TAG: Final = "nightly"
_WORKERS: Final = 100
_DAY_OF_MINUTES: Final = 1440


@dataclass(frozen=True, slots=True)
class Scale:
    """Size of the keyspace, and number of measured calls."""

    waiting: int
    others: int  # Scheduled, stalled, failed and dependent jobs: as many of each.
    calls: int
    large_calls: int  # Of commands that handle many jobs.
    jobs: int = 0  # Whose CPU time is measured, in each round.
    stored: int = 0  # Whose memory is measured.


FULL: Final = Scale(
    waiting=1_000_000, others=100_000, calls=1000, large_calls=200, jobs=10_000, stored=100_000
)
QUICK: Final = Scale(waiting=10_000, others=1_000, calls=20, large_calls=4, jobs=200, stored=1_000)


@dataclass(slots=True)
class Keyspace:
    """The namespace that is filled and measured."""

    redis: redis.Redis
    scale: Scale
    clock: Clock = field(default_factory=Clock)
    runner: Runner = field(init=False)
    _made: int = 0
    _taken: int = 0

    def __post_init__(self) -> None:
        self.runner = Runner(self.redis, NAMESPACE, self.clock)

    def run(self, call: Call[Any]) -> Any:
        """Send one call."""
        return self.runner.run(call)

    def send(self, calls: Sequence[Call[Any]]) -> None:
        """Send calls in one pipeline; raise the first error."""
        send(self.runner, calls)

    def put(self, queue: str, specs: Iterable[Mapping[str, Any]]) -> None:
        """Put many jobs."""
        put_jobs(self.runner, queue, specs)

    def put_new(self, queue: str, count: int, options: Callable[[int], Mapping[str, Any]]) -> None:
        """Put jobs with new jids; `options` receives the number of each."""
        self.put(queue, ({"jid": jid, **options(at)} for at, jid in enumerate(self.new(count))))

    def new(self, count: int) -> list[str]:
        """Return unused jids."""
        start, self._made = self._made, self._made + count
        return [f"f{number:031x}" for number in range(start, self._made)]

    def waiting(self, count: int) -> list[str]:
        """Return jobs from the rear half of the long queue, each of them only once."""
        self._taken += count
        last = self.scale.waiting - self._taken
        if last < self.scale.waiting // 2:
            raise RuntimeError(f"{count} more waiting jobs requested than the queue has")
        return [f"a{number:031x}" for number in range(last, last + count)]

    def held(self, count: int, worker: str = "holder", nonce: str | None = "n") -> list[Lease]:
        """Pop jobs from the long queue and return their leases."""
        return pop_jobs(self.runner, "mail", count, worker, nonce)


def dependent(number: int) -> str:
    """Return the jid of one of the dependents."""
    return f"e{number:031x}"


def finished(number: int) -> str:
    """Return the jid of one of the jobs that have a result."""
    return f"9{number:031x}"


def build(keyspace: Keyspace) -> None:
    """Fill the namespace, then advance the clock until leases expire and jobs are due."""
    scale = keyspace.scale
    _run_for_a_day(keyspace)
    _put_all(keyspace, "waiting", "a", scale.waiting, "mail")
    _put_all(keyspace, "scheduled", "b", scale.others, "later", delay=1_000_000)
    _put_all(keyspace, "leased", "c", scale.others, "expired")
    _pop_all(keyspace, scale.others, "expired")
    _put_all(keyspace, "failing", "d", scale.others, "broken", tags=[TAG])
    _fail_all(keyspace, scale.others)
    keyspace.run(puts.put_encoded("dependents", PARENT, KLASS, DATA, {}))
    _put_all(keyspace, "dependent", "e", scale.others, "dependents", depends=[PARENT])
    _add_a_page_of_everything_else(keyspace)
    keyspace.send([
        puts.put_encoded(f"q{number}", jid, KLASS, DATA, {})
        for number, jid in enumerate(keyspace.new(PAGE))
    ])  # fmt: skip
    keyspace.clock.now += 2000
    keyspace.clock.step = 0.02  # Minutes end during the measurement, too.


def _add_a_page_of_everything_else(keyspace: Keyspace) -> None:
    some = keyspace.new(10 * PAGE)
    keyspace.send([puts.put_encoded("tagged", jid, KLASS, DATA, {"tags": [jid]}) for jid in some])
    keyspace.send([jobs.track(jid) for jid in some[:PAGE]])
    keyspace.send([workers.beat(name, b"{}") for name in some])
    keyspace.send([every_minute(jid) for jid in keyspace.new(10 * PAGE)])


def every_minute(jid: str) -> Call[Any]:
    """Return the call that puts a recurring job."""
    return recurring.recur_encoded(
        "steady", jid, KLASS, DATA, interval=60_000, offset=7_200_000, options={"backlog": 5}
    )


def _run_for_a_day(keyspace: Keyspace) -> None:
    """Complete a job every minute, which fills the series of minutes."""
    log("  a day of statistics")
    for number in range(_DAY_OF_MINUTES):
        jid = finished(number)
        keyspace.clock.now += 60
        keyspace.run(puts.put_encoded("steady", jid, KLASS, DATA, {}))
        keyspace.clock.now += 0.05
        (job,) = keyspace.run(queues.pop_records(["steady"], "steady", 1)).jobs
        keyspace.run(jobs.complete_encoded(jid, job.fields["lease"], result=b"ok"))


def _put_all(
    keyspace: Keyspace, name: str, letter: str, count: int, queue: str, **options: Any
) -> None:
    """Put jobs whose jids begin with `letter`."""
    log(f"  {count:,} {name} jobs")
    keyspace.put(queue, ({"jid": f"{letter}{at:031x}", **options} for at in range(count)))


def _pop_all(keyspace: Keyspace, count: int, queue: str) -> None:
    for start in range(0, count, PAGE):
        worker = f"worker-{start // PAGE % _WORKERS}"
        pop_page(keyspace.runner, [queue], worker, PAGE, "lost")


def _fail_all(keyspace: Keyspace, count: int) -> None:
    for _ in range(0, count, PAGE):
        held = pop_page(keyspace.runner, ["broken"], "breaker")
        keyspace.send([jobs.fail_encoded(jid, lease, GROUP, TRACEBACK) for jid, lease in held])
