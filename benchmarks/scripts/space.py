"""A large namespace under a test clock, and a supply of its jobs for the calls to be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from qless_py.protocol import Call, jobs, puts, queues, recurring, workers
from qless_py.store.runner import Runner

NAMESPACE: Final = "ql"
KLASS: Final = "app.jobs.SendMail"
DATA: Final = (
    b'{"to":"ada@example.com","template":"welcome","n":1234567,"tags":["a","b"],"text":"......"}'
    + (b" " * 13)
)
GROUP: Final = "app.jobs.SendMail:TimeoutError"
PARENT: Final = "parent"
TAG: Final = "nightly"
WORKERS: Final = 100
PAGE: Final = 100
DAY_OF_MINUTES: Final = 1440

Step = Callable[[str, int, int], None]
"""Told what is being built, how much of it there is, and how much there will be."""

Lease = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the keyspace is, and how often each command is called."""

    waiting: int
    others: int  # scheduled, lapsed, failed and dependents: as many of each
    calls: int
    large_calls: int  # of those that handle a hundred jobs each
    jobs: int  # whose CPU time is measured, in each of some rounds
    stored: int  # whose memory is measured


FULL: Final = Scale(
    waiting=1_000_000, others=100_000, calls=1000, large_calls=200, jobs=10_000, stored=100_000
)
QUICK: Final = Scale(waiting=10_000, others=1_000, calls=20, large_calls=4, jobs=400, stored=1_000)


@dataclass(slots=True)
class Clock:
    """A test clock that goes on by `step` seconds at each look."""

    now: float = 1_700_000_000.0
    step: float = 0.001

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass(slots=True)
class Space:
    """The namespace while it is built and measured."""

    redis: redis.Redis
    scale: Scale
    clock: Clock = field(default_factory=Clock)
    runner: Runner = field(init=False)
    _made: int = 0
    _taken: int = 0

    def __post_init__(self) -> None:
        self.runner = Runner(self.redis, NAMESPACE, self.clock)

    def run(self, call: Call[Any]) -> Any:
        """Send one call, not measured."""
        return self.runner.run(call)

    def send(self, calls: Sequence[Call[Any]]) -> None:
        """Send calls together; none may be refused."""
        for result in self.runner.run_many(calls):
            if isinstance(result, Exception):
                raise result

    def new(self, count: int) -> list[str]:
        """Give jids that no job has."""
        start, self._made = self._made, self._made + count
        return [f"f{number:031x}" for number in range(start, self._made)]

    def waiting(self, count: int) -> list[str]:
        """Give jobs that wait far behind the head of the long queue, each only once."""
        self._taken += count
        last = self.scale.waiting - self._taken
        if last < self.scale.waiting // 2:
            raise RuntimeError("the calls want more waiting jobs than there are")
        return [f"a{number:031x}" for number in range(last, last + count)]

    def held(self, count: int, worker: str = "holder", nonce: str = "n") -> list[Lease]:
        """Give jobs that run, with their leases."""
        found: list[Lease] = []
        while len(found) < count:
            wanted = min(PAGE, count - len(found))
            popped = self.run(queues.pop_records(["mail"], worker, wanted, nonce)).jobs
            found += [(job.jid, job.fields["lease"]) for job in popped]
        return found


@dataclass(frozen=True, slots=True)
class _Kind:
    """Many jobs that are put alike; the letter begins their jids."""

    name: str
    letter: str
    count: int
    queue: str
    options: Mapping[str, Any] = field(default_factory=dict)


def dependent(number: int) -> str:
    """Give the jid of one of the dependents."""
    return f"e{number:031x}"


def finished(number: int) -> str:
    """Give the jid of one of those that have a result."""
    return f"9{number:031x}"


def build(space: Space, step: Step) -> None:
    """Fill the namespace, then let enough time pass that leases lapse and jobs come due."""
    scale = space.scale
    _live_for_a_day(space, step)
    _put_all(space, step, _Kind("waiting", "a", scale.waiting, "mail"))
    _put_all(space, step, _Kind("scheduled", "b", scale.others, "later", {"delay": 1_000_000}))
    _put_all(space, step, _Kind("lapsed", "c", scale.others, "lapsed"))
    _take_all(space, step, "leases", scale.others, "lapsed")
    _put_all(space, step, _Kind("failing", "d", scale.others, "broken", {"tags": [TAG]}))
    _fail_all(space, step, scale.others)
    space.run(puts.put_encoded("family", PARENT, KLASS, DATA, {}))
    _put_all(space, step, _Kind("dependents", "e", scale.others, "family", {"depends": [PARENT]}))
    _furnish(space)
    space.send(
        [
            puts.put_encoded(f"q{number}", one, KLASS, DATA, {})
            for number, one in enumerate(space.new(PAGE))
        ]
    )
    space.clock.now += 2000
    space.clock.step = 0.02  # So that minutes end, too, while calls are measured.


def _furnish(space: Space) -> None:
    """Have a full page of everything else that can be listed."""
    some = space.new(10 * PAGE)
    space.send([puts.put_encoded("tagged", jid, KLASS, DATA, {"tags": [jid]}) for jid in some])
    space.send([jobs.track(jid) for jid in some[:PAGE]])
    space.send([workers.beat(name, b"{}") for name in some])
    space.send([every_minute(jid) for jid in space.new(10 * PAGE)])


def every_minute(jid: str) -> Call[Any]:
    """Make the call that puts a recurring job."""
    return recurring.recur_encoded(
        "steady", jid, KLASS, DATA, interval=60_000, offset=7_200_000, options={"backlog": 5}
    )


def _live_for_a_day(space: Space, step: Step) -> None:
    """Leave a minute series of full length behind."""
    for number in range(DAY_OF_MINUTES):
        jid = finished(number)
        space.clock.now += 60
        space.run(puts.put_encoded("steady", jid, KLASS, DATA, {}))
        space.clock.now += 0.05
        (job,) = space.run(queues.pop_records(["steady"], "steady", 1)).jobs
        space.run(jobs.complete_encoded(jid, job.fields["lease"], result=b"ok"))
        step("a day", number + 1, DAY_OF_MINUTES)


def _put_all(space: Space, step: Step, kind: _Kind) -> None:
    data = [DATA] * PAGE
    fields = {"klass": KLASS, **kind.options}
    pages = (
        puts.put_many_encoded(
            kind.queue,
            [{"jid": f"{kind.letter}{start + at:031x}", **fields} for at in range(PAGE)],
            data,
        )
        for start in range(0, kind.count, PAGE)
    )
    for done, page in _counted(pages):
        space.send(page)
        step(kind.name, min(done * PAGE, kind.count), kind.count)


def _counted(pages: Iterator[Call[Any]]) -> Iterator[tuple[int, list[Call[Any]]]]:
    """Give ten pages at a time, and how many there were so far."""
    some: list[Call[Any]] = []
    done = 0
    for page in pages:
        some.append(page)
        done += 1
        if len(some) == 10:
            yield done, some
            some = []
    if some:
        yield done, some


def _take_all(space: Space, step: Step, what: str, count: int, queue: str) -> None:
    for start in range(0, count, PAGE):
        worker = f"worker-{start // PAGE % WORKERS}"
        space.run(queues.pop_records([queue], worker, PAGE, "lost"))
        step(what, start + PAGE, count)


def _fail_all(space: Space, step: Step, count: int) -> None:
    message = "Traceback (most recent call last):\n" + "  one line of many\n" * 20
    for start in range(0, count, PAGE):
        popped = space.run(queues.pop_records(["broken"], "breaker", PAGE)).jobs
        space.send(
            [jobs.fail_encoded(job.jid, job.fields["lease"], GROUP, message) for job in popped]
        )
        step("failed", start + PAGE, count)
