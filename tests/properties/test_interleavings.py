"""Two workers at one queue, in every order in which their calls can interleave."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import redis as redis_py

from tests.properties.comparison import Bench

# A server runs one script at a time, whatever its name.
pytestmark = [pytest.mark.any_server, pytest.mark.slow]

LEASE = 60_000
GRACE = 10_000

Script = Sequence[str]


@dataclass(slots=True)
class Worker:
    """A worker that runs its commands one by one, with the lease of its last pop."""

    name: str
    bench: Bench
    held: tuple[str, str] = ("j1", "0.none")
    ended: list[str] = field(default_factory=list)

    def do(self, command: str) -> None:
        getattr(self, f"_{command}")()

    def _pop(self) -> None:
        reply = self.bench.step("pop", ["a"], self.name, 1, {"nonce": self.name})
        if isinstance(reply, dict) and reply["jobs"]:
            self.held = (reply["jobs"][0], self.bench.given[reply["jobs"][0]][-1])

    def _end(self, reply: object) -> None:
        if not str(reply).startswith("refused"):
            self.ended.append(self.held[1])

    def _heartbeat(self) -> None:
        self.bench.step("heartbeat", *self.held, "beat")

    def _complete(self) -> None:
        self._end(self.bench.step("complete", *self.held, "", "result", {}))

    def _fail(self) -> None:
        self._end(self.bench.step("fail", *self.held, "group", "message", ""))

    def _retry(self) -> None:
        self._end(self.bench.step("retry", *self.held, 0, {}))

    def _release(self) -> None:
        self._end(self.bench.step("release", *self.held))

    def _die(self) -> None:
        self.bench.step("worker_died", self.name, self.name, "", "killed")

    def _timeout(self) -> None:
        self.bench.step("timeout", [self.held[0]])

    def _cancel(self) -> None:
        self.bench.step("cancel", [self.held[0]], "")

    def _lapse(self) -> None:
        self.bench.now += LEASE

    def _grace(self) -> None:
        self.bench.now += GRACE


def orders(first: Script, second: Script) -> Iterator[list[tuple[int, str]]]:
    """Merge two scripts in every way that keeps the order of each."""
    size = len(first) + len(second)
    for places in itertools.combinations(range(size), len(first)):
        left, right = iter(first), iter(second)
        yield [(0, next(left)) if at in places else (1, next(right)) for at in range(size)]


SCRIPTS: list[tuple[Script, Script]] = [
    (("pop", "heartbeat", "heartbeat", "complete"), ("pop", "lapse", "pop", "complete")),
    (("pop", "lapse", "heartbeat", "complete"), ("grace", "pop", "pop", "complete")),
    (("pop", "lapse", "grace", "fail"), ("pop", "pop", "release", "pop")),
    (("pop", "retry", "pop", "fail"), ("pop", "lapse", "retry", "pop")),
    (("pop", "timeout", "complete", "pop"), ("pop", "lapse", "pop", "retry")),
    (("pop", "die", "pop", "complete"), ("pop", "lapse", "pop", "complete")),
    (("pop", "cancel", "pop", "fail"), ("pop", "lapse", "complete", "pop")),
]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("first", "second"), SCRIPTS, ids=["-".join(one) for one, _ in SCRIPTS])
def test_each_pop_ends_at_most_once_in_any_order(
    redis: redis_py.Redis, first: Script, second: Script, jobs: int
) -> None:
    for order in orders(first, second):
        bench = Bench(redis)
        bench.looks = False
        workers = Worker("v", bench), Worker("w", bench)
        for number in range(jobs):
            bench.step("put", "a", f"j{number + 1}", "K", "{}", {"retries": 1})

        for who, command in order:
            workers[who].do(command)

        ended = workers[0].ended + workers[1].ended
        assert len(ended) == len(set(ended)), bench.trace
        bench.look()
        bench.close()
